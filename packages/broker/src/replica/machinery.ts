/**
 * The queue machine and all that stands on it: whoever keeps something about its tasks, sessions or
 * applied index in memory. An installed snapshot brings another machine; then all of it is built
 * anew, so that nothing of the former state can leak into the new one.
 */
import type { EntryId } from "task-queue-raft";
import type { QueueMachine } from "../queue/index.ts";
import type { ClusterClock } from "./clock.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Flusher } from "./flusher.ts";
import { Office } from "./office.ts";
import { Sessions } from "./sessions.ts";

export interface Machinery {
  readonly queue: QueueMachine;
  readonly dispatcher: Dispatcher;
  readonly sessions: Sessions;
  readonly office: Office;
  readonly flusher: Flusher;
}

/** `applied`: the entry that the machine includes last; `membership`: that in force then. */
export function buildMachinery(
  queue: QueueMachine,
  applied: EntryId,
  membership: Uint8Array,
  clock: ClusterClock,
): Machinery {
  const dispatcher = new Dispatcher(queue);
  return {
    queue,
    dispatcher,
    sessions: new Sessions(queue, dispatcher),
    office: new Office(queue, clock),
    flusher: new Flusher(queue, applied, membership),
  };
}
