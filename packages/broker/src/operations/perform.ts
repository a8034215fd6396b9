/** One write as a promise: accepted, or a `TqError` that says why not. */
import type { TqError } from "task-queue-protocol";
import type { Accepted, Command, SubmitAll } from "../queue/index.ts";
import { assert } from "../queue/index.ts";
import type { Broker, Outcome } from "./broker.ts";
import { CHANGE_TRIES_MAX } from "./limits.ts";
import { outcomeToError } from "./outcome-to-error.ts";

export interface Performed {
  readonly reply: Accepted;
  /** A read at or above this index sees the change. */
  readonly index: number;
}

/** One for each task of a `submitAll`, in their order. */
export interface AllPerformed {
  readonly replies: readonly Accepted[];
  readonly index: number;
}

export async function perform(broker: Broker, command: Command): Promise<Performed> {
  const outcome = await requested(broker, command);
  const error = outcomeToError(outcome);
  if (error !== undefined) throw error;
  return toPerformed(outcome);
}

/** Each for itself and all at once; a refusal stands in the place of what was refused. */
export function performEach(
  broker: Broker,
  commands: readonly Command[],
): Promise<readonly (Performed | TqError)[]> {
  return new Promise((resolve) => {
    const ended = new Array<Performed | TqError>(commands.length);
    let left = commands.length;
    if (left === 0) resolve(ended);
    for (const [at, command] of commands.entries()) {
      broker.request(command, (outcome) => {
        ended[at] = outcomeToError(outcome) ?? toPerformed(outcome);
        if (--left === 0) resolve(ended);
      });
    }
  });
}

/** All of its tasks were made, or a `TqError` says for which of them none was. */
export async function performAll(broker: Broker, command: SubmitAll): Promise<AllPerformed> {
  const outcome = await requested(broker, command);
  const error = outcomeToError(outcome);
  if (error !== undefined) throw error;
  assert(outcome.kind === "applied", "what was not refused was applied");
  const { reply, index } = outcome;
  assert(reply.code === "submitted", "an answer for each task");
  return { replies: reply.tasks, index };
}

/**
 * A change by somebody who made no condition, sent on condition that things are as `look` (a
 * linearizable read) has just seen them, so that a copy that comes late undoes nothing. Who only
 * came second is not refused for it: it is sent again to how things are by then. Not if a copy may
 * have been applied before the refusal, for then somebody may have built on it.
 */
export async function performAsSeen(
  broker: Broker,
  look: () => Promise<number>,
  toCommand: (seen: number) => Command,
): Promise<Performed> {
  let seen = await look();
  for (let tries = 1; ; tries++) {
    const outcome = await requested(broker, toCommand(seen));
    const error = outcomeToError(outcome);
    if (error === undefined) return toPerformed(outcome);
    if (tries === CHANGE_TRIES_MAX || !cameSecond(outcome)) throw error;
    const before = seen;
    seen = await look();
    // It was refused for another reason.
    if (seen === before) throw error;
  }
}

function cameSecond(outcome: Outcome): boolean {
  if (outcome.kind !== "applied" || outcome.resent === true) return false;
  return outcome.reply.code === "state_conflict";
}

/** Of what was not refused. */
function toPerformed(outcome: Outcome): Performed {
  assert(outcome.kind === "applied", "what was not refused was applied");
  const { reply, index } = outcome;
  assert(reply.code === "ok", "an accepted outcome");
  return { reply, index };
}

function requested(broker: Broker, command: Command): Promise<Outcome> {
  return new Promise((resolve) => {
    broker.request(command, resolve);
  });
}
