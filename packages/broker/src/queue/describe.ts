/**
 * One line for each command, reply, event and task, for transcripts and logs: ids by their last
 * digits, times relative to `base`, payloads by their size only.
 */
import { unreachable } from "./assert.ts";
import type { Command, Complete, Forget } from "./command.ts";
import type { QueueEvent } from "./event.ts";
import type { Reply } from "./reply.ts";
import type { ClusterTime, TaskContent, TaskId, TaskView } from "./task.ts";

/** The last eight hexadecimal digits: the random end of a UUIDv7. */
export function describeId(id: TaskId): string {
  let text = "";
  for (const byte of id.slice(-4)) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** `+1.5s` after `base`, `-250ms` before it. */
export function describeTime(at: ClusterTime, base: ClusterTime): string {
  const sign = at < base ? "-" : "+";
  return sign + describeDuration(Math.abs(at - base));
}

export function describeDuration(ms: number): string {
  if (ms >= 3_600_000 && ms % 60_000 === 0) return `${ms / 3_600_000}h`;
  if (ms >= 1000 && ms % 10 === 0) return `${ms / 1000}s`;
  return `${ms}ms`;
}

export function describeCommand(command: Command, base: ClusterTime): string {
  switch (command.type) {
    case "submit":
      return `submit ${describeId(command.id)} ${describeContent(command.content, base)}`;
    case "lease":
      return `lease session=${command.session} count=${command.count}`;
    case "extend":
      return `extend ${describeRun(command)} for=${describeDuration(command.forMs)}`;
    case "release":
    case "recall":
      return `${command.type} ${describeRun(command)}`;
    case "complete":
      return describeComplete(command);
    case "fail":
      return `fail ${describeRun(command)} error=${JSON.stringify(command.error.message)}`;
    case "cancel":
      return `cancel ${describeId(command.id)}`;
    case "retry":
    case "delete":
      return `${command.type} ${describeId(command.id)}`;
    case "register":
      return `register session=${command.session} types=${command.types.join(",")}`;
    case "renew":
      return `renew ${command.sessions.join(",")}`;
    case "unregister":
      return `unregister session=${command.session}`;
    case "lapse":
      return `lapse session=${command.session} renewals=${command.renewals}`;
    case "wake":
      return `wake max=${command.max}`;
    case "takeOffice":
      return "takeOffice";
    default:
      return describeRare(command, base);
  }
}

type RareCommand = Extract<
  Command,
  {
    readonly type:
      | "submitAll"
      | "reschedule"
      | "report"
      | "configureQueue"
      | "deleteQueue"
      | "startJob"
      | "stepJob"
      | "cancelJob"
      | "expunge"
      | "forget"
      | "createKey"
      | "revokeKey";
  }
>;

function describeRare(command: RareCommand, base: ClusterTime): string {
  switch (command.type) {
    case "submitAll":
      return `submitAll ${command.tasks.map(({ id }) => describeId(id)).join(" ")}`;
    case "reschedule":
      return `reschedule ${describeId(command.id)} at=${describeTime(command.runAt, base)}`;
    case "report":
      return `report ${command.session} ${command.runs.map(describeRun).join(" ")}`;
    case "configureQueue":
    case "deleteQueue":
      return `${command.type} ${command.queue}`;
    case "startJob":
      return `startJob ${describeId(command.id)} ${command.kind}${command.dryRun ? " dry" : ""}`;
    case "stepJob": {
      const end = command.cursor.length === 0 ? " last" : "";
      return `stepJob ${describeId(command.id)} ${command.step}: ${command.tasks.length}${end}`;
    }
    case "cancelJob":
      return `cancelJob ${describeId(command.id)}`;
    case "expunge":
      return `expunge ${command.what} of ${command.tasks.length}`;
    case "forget":
      return describeForget(command);
    case "createKey":
      return `createKey ${describeId(command.id)} ${command.name}`;
    case "revokeKey":
      return `revokeKey ${describeId(command.id)} at=${describeTime(command.at, base)}`;
    default:
      return unreachable(command);
  }
}

export function describeReply(reply: Reply): string {
  if (reply.code === "leased") return `leased ${reply.granted} tokens=[${reply.tokens.join(" ")}]`;
  if (reply.code === "submitted") return reply.tasks.map(describeReply).join("; ");
  if (reply.code !== "ok") {
    return `refused ${reply.code}${reply.at === undefined ? "" : ` at ${reply.at}`}`;
  }
  const parts = ["ok"];
  if (reply.id !== undefined) parts.push(describeId(reply.id));
  if (reply.state !== undefined) parts.push(reply.state);
  if (reply.duplicate) parts.push("duplicate");
  return parts.join(" ");
}

/** `laneName` turns a lane's local number into something to read. */
export function describeEvent(event: QueueEvent, laneName: (lane: number) => string): string {
  switch (event.type) {
    case "ready":
      return `ready ${laneName(event.lane)}`;
    case "leased":
      return `leased ${describeRun(event)} to ${event.session}`;
    case "leaseLost":
      return `leaseLost ${describeRun(event)} of ${event.session}: ${event.reason}`;
    case "finished":
      return `finished ${describeId(event.id)} ${event.state}`;
    case "sessionEnded":
      return `sessionEnded ${event.session}${event.lapsed ? " lapsed" : ""}`;
    default:
      return unreachable(event);
  }
}

export function describeTask(task: TaskView, base: ClusterTime): string {
  const parts = [describeId(task.id), task.state, `attempt=${task.attempt}`];
  if (task.failures > 0) parts.push(`failures=${task.failures}`);
  if (task.progress !== undefined) parts.push(`progress=${task.progress.value}`);
  if (task.logLines > 0) parts.push(`lines=${task.logLines}`);
  if (task.waitsFor > 0) parts.push(`waits=${task.waitsFor}`);
  if (task.dueAt > 0) parts.push(`due=${describeTime(task.dueAt, base)}`);
  if (task.expiresAt > 0) parts.push(`expires=${describeTime(task.expiresAt, base)}`);
  if (task.lease !== undefined) {
    const { session, token, deadline } = task.lease;
    parts.push(`lease=${session}:${token}`, `until=${describeTime(deadline, base)}`);
  }
  if (task.error !== undefined) parts.push(`error=${JSON.stringify(task.error.message)}`);
  if (task.result !== undefined) parts.push(`result=${task.result.bytes.length}B`);
  if (task.finishedAt > 0) parts.push(`finished=${describeTime(task.finishedAt, base)}`);
  const ended = task.attempts.filter((attempt) => attempt.outcome !== undefined);
  if (ended.length > 0) parts.push(`[${ended.map((attempt) => attempt.outcome).join(" ")}]`);
  return parts.join(" ");
}

function describeComplete(command: Complete): string {
  const children = (command.children ?? []).map(({ id }) => ` +${describeId(id)}`).join("");
  return `complete ${describeRun(command)} result=${command.result.length}B${children}`;
}

function describeRun(run: { readonly id: TaskId; readonly token: number }): string {
  return `${describeId(run.id)}:${run.token}`;
}

function describeContent(content: TaskContent, base: ClusterTime): string {
  const parts = [`${content.queue}/${content.type}`, `${content.payload.length}B`];
  if (content.priority !== "normal") parts.push(content.priority);
  if (content.delayMs > 0) parts.push(`delay=${describeDuration(content.delayMs)}`);
  if (content.runAt > 0) parts.push(`at=${describeTime(content.runAt, base)}`);
  if (content.timeoutMs > 0) parts.push(`timeout=${describeDuration(content.timeoutMs)}`);
  if (content.dependsOn.length > 0) {
    parts.push(`parents=${content.dependsOn.map(describeId).join(",")}`);
  }
  if (content.idempotencyKey !== "") parts.push(`key=${JSON.stringify(content.idempotencyKey)}`);
  return parts.join(" ");
}

function describeForget({ tombstones, idempotencyKeys, uniqueKeys }: Forget): string {
  return `forget ${tombstones.length} ${idempotencyKeys.length} ${uniqueKeys.length}`;
}
