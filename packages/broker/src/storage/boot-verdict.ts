/**
 * Compares what the log holds with what the last flush of the state says it held. The log may be
 * longer, and it may lack entries that a leader had it cut away; if it lacks anything else, entries
 * that were acknowledged are lost, and this node must not vote until it has them again. Pure.
 */
import type { EntryId, LogIndex, Term } from "task-queue-raft";
import type { FlushMark } from "../ports.ts";

/** The little that the verdict needs of the log. */
export interface LogFacts {
  readonly last: EntryId;
  termAt(index: LogIndex): Term;
  /** The entry was cut away on purpose and not written again. */
  dropped(id: EntryId): boolean;
}

export type BootVerdict =
  | { readonly kind: "clean" }
  | {
      readonly kind: "recovering";
      /** For people: what is lost. */
      readonly reason: string;
      readonly last: EntryId;
      /** The entry this node is known to have had. */
      readonly needs: LogIndex;
    };

export function bootVerdict(log: LogFacts, mark: FlushMark): BootVerdict {
  const { logDurable, applied } = mark;
  const { last } = log;
  if (last.index < applied) {
    const reason = `the log ends at entry ${last.index}, but the state is that after ${applied}`;
    return { kind: "recovering", reason, last, needs: applied };
  }
  const present = logDurable.index === 0 || log.termAt(logDurable.index) === logDurable.term;
  if (present || log.dropped(logDurable)) {
    return { kind: "clean" };
  }
  const lost = `entry ${logDurable.index} (term ${logDurable.term}) was on disk and is lost`;
  const reason = `${lost}: the log ends at entry ${last.index} (term ${last.term})`;
  return { kind: "recovering", reason, last, needs: logDurable.index };
}
