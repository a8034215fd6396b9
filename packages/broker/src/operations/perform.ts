/** One write as a promise: accepted, or a `TqError` that says why not. */
import type { Accepted, Command } from "../queue/index.ts";
import { assert } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { outcomeToError } from "./outcome-to-error.ts";

export interface Performed {
  readonly reply: Accepted;
  /** A read at or above this index sees the change. */
  readonly index: number;
}

export function perform(broker: Broker, command: Command): Promise<Performed> {
  return new Promise((resolve, reject) => {
    broker.request(command, (outcome) => {
      const error = outcomeToError(outcome);
      if (error !== undefined) return reject(error);
      assert(outcome.kind === "applied" && outcome.reply.code === "ok", "an accepted outcome");
      resolve({ reply: outcome.reply, index: outcome.index });
    });
  });
}
