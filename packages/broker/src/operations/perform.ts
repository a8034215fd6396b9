/** One write as a promise: accepted, or a `TqError` that says why not. */
import type { Accepted, Command, Reply, SubmitAll } from "../queue/index.ts";
import { assert } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
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
  const { reply, index } = await applied(broker, command);
  assert(reply.code === "ok", "an accepted outcome");
  return { reply, index };
}

/** All of its tasks were made, or a `TqError` says for which of them none was. */
export async function performAll(broker: Broker, command: SubmitAll): Promise<AllPerformed> {
  const { reply, index } = await applied(broker, command);
  assert(reply.code === "submitted", "an answer for each task");
  return { replies: reply.tasks, index };
}

function applied(
  broker: Broker,
  command: Command,
): Promise<{ readonly reply: Reply; readonly index: number }> {
  return new Promise((resolve, reject) => {
    broker.request(command, (outcome) => {
      const error = outcomeToError(outcome);
      if (error !== undefined) return reject(error);
      assert(outcome.kind === "applied", "what was not refused was applied");
      resolve({ reply: outcome.reply, index: outcome.index });
    });
  });
}
