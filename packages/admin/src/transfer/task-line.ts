/**
 * A task as it stands in an export: what is to be submitted elsewhere, and how it was. Spans become
 * instants, since elsewhere they would count anew.
 */
import type { TaskJson } from "task-queue-protocol";
import type { ExportedSubmit, TaskLine } from "./format.ts";
import { importKey } from "./import-ids.ts";

/** How long a broker remembers an idempotency key. */
const KEY_MS = 24 * 60 * 60 * 1_000;

/** `parents`: those that it still waits for. `now`: of the export. */
export function toTaskLine(task: TaskJson, parents: readonly string[], now: number): TaskLine {
  const {
    id,
    type,
    queue,
    priority,
    payload,
    payload_base64,
    timeout_ms,
    max_retries,
    retry,
    tags,
    metadata,
    traceparent,
    unique_key,
    unique_for_ms,
    group,
    required_labels,
    on_parent_failure,
    // A token is of use to nobody elsewhere, and its run stays where it is.
    lease: _,
    ...was
  } = task;
  const isLive = task.finished_at === undefined;
  const isKeyKnown = isLive && Date.parse(task.created_at) > now - KEY_MS;
  const submit: ExportedSubmit = {
    id,
    type,
    queue,
    priority,
    payload,
    payload_base64,
    run_at: isLive ? dueOf(task) : undefined,
    timeout_ms,
    max_retries,
    retry,
    idempotency_key: isKeyKnown && !isOfImport(task) ? task.idempotency_key : undefined,
    tags,
    metadata,
    traceparent,
    // What runs has begun: its expiry has nothing to say any more.
    expires_at: isLive && task.state !== "running" ? task.expires_at : undefined,
    unique_key,
    unique_for_ms,
    group,
    required_labels,
    depends_on: parents.length > 0 ? [...parents] : undefined,
    on_parent_failure: parents.length > 0 ? on_parent_failure : undefined,
  };
  return { kind: "task", submit, was };
}

/** The key that an import gave it under its own id, as the next one will again. */
function isOfImport({ id, idempotency_key }: TaskJson): boolean {
  return idempotency_key === importKey(id);
}

/** When it may begin; undefined: at once. */
function dueOf({ state, due_at, run_at, delay_ms, created_at }: TaskJson): string | undefined {
  if (state === "scheduled" || state === "retrying") return due_at;
  if (state !== "blocked") return undefined;
  if (due_at !== undefined || delay_ms === undefined) return due_at ?? run_at;
  return new Date(Date.parse(created_at) + delay_ms).toISOString();
}
