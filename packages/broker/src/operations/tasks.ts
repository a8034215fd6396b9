/** Reading, waiting for and changing one task. A change answers with the task as it is after it. */
import { randomBytes } from "node:crypto";
import { type TaskJson, TqError } from "task-queue-protocol";
import type { Command, TaskId, TaskView } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { checkRange } from "./check-values.ts";
import { idToFind } from "./ids.ts";
import { invalid, shown } from "./invalid.ts";
import { CANCEL_REASON_BYTES_MAX, DURATION_MS_MAX, WAIT_MS_MAX } from "./limits.ts";
import { perform, performAsSeen } from "./perform.ts";
import { readBack } from "./read-back.ts";
import type { Fields } from "./read-fields.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";
import { taskToJson } from "./task-to-json.ts";

const REQUEST_ID = /^[0-9a-f]{32}$/i;
/** Besides its id. */
export const RELEASE_FIELDS = ["token"] as const;
const UNFINISHED: ReadonlySet<string> = new Set([
  "scheduled",
  "blocked",
  "pending",
  "running",
  "retrying",
]);

export interface Waiting {
  /** At most `WAIT_MS_MAX`. */
  readonly timeoutMs: number;
  /** Ends the wait early: the caller has gone, or the broker is closing. */
  readonly signal: AbortSignal;
}

export async function getTask(
  broker: Broker,
  id: unknown,
  read: ReadOptions,
): Promise<Answer<TaskJson>> {
  const taskId = idToFind(id);
  const index = await barrier(broker, read);
  return { value: taskToJson(await find(broker, taskId), { payload: true }), index };
}

/** The task once it is finished, or as it stands when the time is up. */
export async function waitForTask(
  broker: Broker,
  id: unknown,
  read: ReadOptions,
  waiting: Waiting,
): Promise<Answer<TaskJson>> {
  if (!(waiting.timeoutMs >= 0 && waiting.timeoutMs <= WAIT_MS_MAX)) {
    throw invalid("wait", `at most ${WAIT_MS_MAX / 1000} s`);
  }
  const taskId = idToFind(id);
  const index = await barrier(broker, read);
  const first = await find(broker, taskId);
  if (!UNFINISHED.has(first.state) || waiting.timeoutMs === 0) {
    return { value: taskToJson(first, { payload: true }), index };
  }
  const finished = await broker.waitFinished(taskId, waiting.timeoutMs, waiting.signal);
  const view = finished ?? (await find(broker, taskId));
  return { value: taskToJson(view, { payload: true }), index: broker.applied };
}

export async function cancelTask(
  broker: Broker,
  id: unknown,
  reason = "",
): Promise<Answer<TaskJson>> {
  if (Buffer.byteLength(reason) > CANCEL_REASON_BYTES_MAX) {
    throw invalid("reason", `at most ${CANCEL_REASON_BYTES_MAX} bytes are allowed`);
  }
  return change(broker, { type: "cancel", id: idToFind(id), reason });
}

/** Starts a dead or cancelled task again. `requestId`: 16 bytes, the same in every resend. */
export async function retryTask(
  broker: Broker,
  id: unknown,
  requestId: Uint8Array = newRequestId(),
): Promise<Answer<TaskJson>> {
  return change(broker, { type: "retry", id: idToFind(id), requestId });
}

/** `run_at` or `delay_ms`: when a task that waits is to run. In the past means now. */
export async function rescheduleTask(
  broker: Broker,
  id: unknown,
  fields: Fields,
): Promise<Answer<TaskJson>> {
  const taskId = idToFind(id);
  const runAt = fields.dateTime("run_at");
  const delayMs = fields.integer("delay_ms");
  if ((runAt === undefined) === (delayMs === undefined)) {
    throw invalid(fields.path("run_at"), "either run_at or delay_ms is needed, not both");
  }
  if (delayMs !== undefined) checkRange(delayMs, 0, DURATION_MS_MAX, fields.path("delay_ms"));
  const now = broker.clock();
  const at = runAt ?? now + delayMs!;
  if (at > now + DURATION_MS_MAX) {
    throw invalid(fields.path("run_at"), "more than ten years ahead");
  }
  // A copy that comes after the task has moved on must not move it back.
  const look = async () => {
    await broker.readBarrier("linearizable");
    return (await find(broker, taskId)).updatedAt;
  };
  const { index } = await performAsSeen(broker, look, (ifUpdatedAt) => {
    return { type: "reschedule", id: taskId, runAt: Math.max(1, at), ifUpdatedAt };
  });
  return asChanged(broker, taskId, index);
}

/**
 * Ends the run that is under way, whoever holds it: the task is pending again, at its old place and
 * with no retry used. With `token` only that run.
 */
export async function releaseTask(
  broker: Broker,
  id: unknown,
  fields: Fields,
): Promise<Answer<TaskJson>> {
  const taskId = idToFind(id);
  const said = fields.string("token");
  const token = said === undefined ? await tokenOf(broker, taskId) : parseToken(said, fields);
  return change(broker, { type: "recall", id: taskId, token });
}

/** Starts a task again that is in the dead letter queue; no other. */
export async function retryDead(
  broker: Broker,
  id: unknown,
  requestId?: Uint8Array,
): Promise<Answer<TaskJson>> {
  await checkDead(broker, idToFind(id), requestId !== undefined);
  return retryTask(broker, id, requestId);
}

/** Removes a dead task for good. Resolves with the index at which it was gone. */
export async function deleteDead(
  broker: Broker,
  id: unknown,
  requestId?: Uint8Array,
): Promise<number> {
  const taskId = idToFind(id);
  await checkDead(broker, taskId, requestId !== undefined);
  const command: Command = {
    type: "delete",
    id: taskId,
    requestId: requestId ?? newRequestId(),
  };
  return (await perform(broker, command)).index;
}

/** 16 random bytes, for a caller that sends no id of its own. */
export function newRequestId(): Uint8Array {
  return Uint8Array.from(randomBytes(16));
}

/** A request id as 32 hex digits. */
export function parseRequestId(text: string, field: string): Uint8Array {
  if (!REQUEST_ID.test(text)) throw invalid(field, "32 hex digits are expected");
  return Uint8Array.from(Buffer.from(text, "hex"));
}

async function change(
  broker: Broker,
  command: Command & { readonly id: TaskId },
): Promise<Answer<TaskJson>> {
  const { index } = await perform(broker, command);
  return asChanged(broker, command.id, index);
}

async function tokenOf(broker: Broker, id: TaskId): Promise<number> {
  await broker.readBarrier("linearizable");
  const { state, lease } = await find(broker, id);
  if (lease !== undefined) return lease.token;
  const message = `the task is ${state}; only a running task has a lease to end`;
  throw new TqError("state_conflict", message);
}

function parseToken(text: string, fields: Fields): number {
  const token = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(token)) return token;
  throw invalid(fields.path("token"), `${shown(text)} is no token: a task's lease.token is one`);
}

/** The task as it is after the change at `index`. */
async function asChanged(broker: Broker, id: TaskId, index: number): Promise<Answer<TaskJson>> {
  const { value: view, index: applied } = await readBack(broker, id, index);
  if (view === undefined) throw noSuchTask();
  return { value: taskToJson(view, { payload: true }), index: applied };
}

/**
 * The machine also retries and deletes tasks that were cancelled; the dead letter queue does not
 * hold those. What may be a resend passes when the first copy can have taken the task out of it:
 * the machine knows the request id and answers as it did then.
 */
async function checkDead(broker: Broker, id: TaskId, resend: boolean): Promise<void> {
  await broker.readBarrier("linearizable");
  const view = broker.task(id);
  if (resend && (view === undefined || UNFINISHED.has(view.state))) return;
  if (view === undefined) throw noSuchTask();
  if (view.state === "dead") return;
  const message = `the task is ${view.state}; only dead tasks are in the dead letter queue`;
  throw new TqError("state_conflict", message);
}

async function find(broker: Broker, id: TaskId): Promise<TaskView> {
  const view = broker.task(id);
  if (view === undefined) throw noSuchTask();
  return view;
}

function noSuchTask(): TqError {
  return new TqError("not_found", "there is no task with this id");
}
