/** A task as people see it: one row of a list, or all its sides. */
import type { TaskJson } from "task-queue-client";
import type { FieldList, Output } from "./output/output.ts";
import type { Column } from "./output/table.ts";
import { formatAge, inline, joined } from "./output/words.ts";

const ENDED: ReadonlySet<string> = new Set(["completed", "dead", "cancelled", "expired"]);

/** Is it a state in which a task has ended? */
export function hasEnded(state: string): boolean {
  return ENDED.has(state);
}

export function taskColumns(now: number): readonly Column<TaskJson>[] {
  return [
    { title: "ID", text: (task) => task.id },
    { title: "TYPE", text: (task) => task.type },
    { title: "QUEUE", text: (task) => task.queue },
    { title: "STATE", text: (task) => task.state },
    { title: "PRIORITY", text: (task) => task.priority },
    { title: "ATTEMPT", align: "right", text: (task) => String(task.attempt) },
    { title: "AGE", align: "right", text: (task) => formatAge(task.created_at, now) },
    { title: "ERROR", text: (task) => task.error?.message ?? "" },
  ];
}

/** The task and, on a terminal, its attempts. */
export function showTask(out: Output, task: TaskJson, now: number): void {
  out.item(task, () => taskFields(task, now));
  if (task.attempts.length > 0) {
    out.table(task.attempts, [
      { title: "ATTEMPT", align: "right", text: (attempt) => String(attempt.number) },
      { title: "OUTCOME", text: (attempt) => attempt.outcome ?? "running" },
      { title: "STARTED", text: (attempt) => attempt.started_at },
      { title: "ENDED", text: (attempt) => attempt.ended_at ?? "-" },
      { title: "WORKER", text: (attempt) => attempt.worker_id },
      { title: "ERROR", text: (attempt) => attempt.error?.message ?? "" },
    ]);
  }
}

function taskFields(task: TaskJson, now: number): FieldList {
  const fields: (readonly [string, string] | undefined)[] = [
    ["id", task.id],
    ["type", task.type],
    ["queue", task.queue],
    ["state", task.state],
    ["priority", task.priority],
    ["attempt", `${task.attempt} (retries: ${task.max_retries})`],
    given("payload", task.payload === undefined ? task.payload_base64 : inline(task.payload)),
    given("result", task.result === undefined ? task.result_base64 : inline(task.result)),
    given("error", task.error?.message),
    given("progress", task.progress && `${inline(task.progress.value)} (${task.progress.at})`),
    given("log lines", task.log_lines === undefined ? undefined : String(task.log_lines)),
    given("lease", task.lease && `${task.lease.worker_id} until ${task.lease.deadline}`),
    given("tags", task.tags && joined(task.tags, "")),
    given("metadata", task.metadata && inline(task.metadata)),
    given("idempotency key", task.idempotency_key),
    ["created", `${task.created_at} (${formatAge(task.created_at, now)} ago)`],
    given("due", task.due_at),
    given("started", task.started_at),
    given("finished", task.finished_at),
  ];
  return fields.filter((field) => field !== undefined);
}

function given(name: string, value: string | undefined): readonly [string, string] | undefined {
  return value === undefined || value === "" ? undefined : [name, value];
}
