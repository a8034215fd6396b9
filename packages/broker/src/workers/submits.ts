/** `submit`: each task is checked and becomes a command of its own; the frame has one answer. */
import {
  type Submit,
  type SubmitOk,
  type SubmitTask,
  TASK_STATE_NAMES,
  type TaskStateName,
  TqError,
} from "task-queue-protocol";
import type { Outcome } from "../operations/broker.ts";
import { EndedParents } from "../operations/ended-parents.ts";
import { outcomeToError } from "../operations/outcome-to-error.ts";
import { nameFullQueue } from "../operations/queue-full.ts";
import { assert, type Command } from "../queue/index.ts";
import { readNewTask, type TaskReading } from "./new-task.ts";
import type { Peer, PortContext } from "./port.ts";
import { asTqError, errorMessage, itemError } from "./refusal.ts";
import { Results } from "./results.ts";

const STATE_CODES: ReadonlyMap<TaskStateName, number> = new Map(
  TASK_STATE_NAMES.map((name, code) => [name, code]),
);
const PENDING = STATE_CODES.get("pending")!;

export function handleSubmit(
  port: PortContext,
  peer: Peer,
  requestId: number,
  message: Submit,
): void {
  const { tasks } = message;
  try {
    peer.caller.spend(Math.max(1, tasks.length));
    peer.caller.demand("submit");
  } catch (error) {
    peer.send(requestId, errorMessage(asTqError(error)));
    return;
  }
  let bytes = 0;
  for (const { content } of tasks) bytes += content.payload.length;
  peer.opened(tasks.length, bytes);
  const results = new Results<SubmitOk>(tasks.length, (all, index) => {
    peer.settled(tasks.length, bytes);
    peer.send(requestId, { kind: "submitted", index, results: all });
  });
  const { maxPayloadBytes } = port.submit;
  const limits = { maxPayloadBytes, now: port.broker.clock() || Date.now() };
  const reading = { settings: port.submit, limits, parents: new EndedParents(port.broker) };
  for (let i = 0; i < tasks.length; i++) submitOne(port, tasks[i]!, i, reading, results);
}

function submitOne(
  { broker, submit: settings }: PortContext,
  task: SubmitTask,
  position: number,
  reading: TaskReading,
  results: Results<SubmitOk>,
): void {
  let command: Extract<Command, { type: "submit" }>;
  try {
    command = { type: "submit", ...readNewTask(task, reading, `tasks[${position}].`) };
  } catch (error) {
    if (!(error instanceof TqError)) throw error;
    results.set(position, itemError(error));
    return;
  }
  broker.request(command, (outcome) => {
    const index = outcome.kind === "applied" ? outcome.index : 0;
    const refusal = refusalOf(outcome);
    if (refusal === undefined) return results.set(position, toResult(outcome, task.id), index);
    const { queue } = command.content;
    results.set(position, itemError(nameFullQueue(refusal, broker, queue, settings)), index);
  });
}

function refusalOf(outcome: Outcome): TqError | undefined {
  if (outcome.kind === "applied" && outcome.reply.code === "ok") return undefined;
  return outcomeToError(outcome) ?? asTqError(undefined);
}

function toResult(outcome: Outcome, id: Uint8Array): SubmitOk {
  assert(outcome.kind === "applied" && outcome.reply.code === "ok", "it was refused");
  const { reply } = outcome;
  const state = reply.state === undefined ? PENDING : STATE_CODES.get(reply.state);
  assert(state !== undefined, "every state has a number in the protocol");
  return { ok: true, id: reply.id ?? id, state, duplicate: reply.duplicate };
}
