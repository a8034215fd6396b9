/**
 * Compares what the log holds with what the last flush of the state says it held. The log may be
 * longer, and it may lack entries that a leader had it cut away; if it lacks anything else, entries
 * that were acknowledged are lost, and this node must not vote until it has them again. The same
 * holds if the log begins only after the state ends. Pure.
 */
import type { EntryId, HardState, LogIndex, Term } from "task-queue-raft";
import type { FlushMark } from "../ports.ts";

/** The little that the verdict needs of the log. */
export interface LogFacts {
  /** The entry before the first one. */
  readonly base: EntryId;
  readonly last: EntryId;
  /** Also that of `base`; 0 for an entry that is not there. */
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
  const { base, last } = log;
  if (applied < base.index) {
    const begins = `the log begins after entry ${base.index}`;
    const reason = `${begins}, but the state is that after ${applied}`;
    return { kind: "recovering", reason, last, needs: base.index };
  }
  if (last.index < applied) {
    const reason = `the log ends at entry ${last.index}, but the state is that after ${applied}`;
    return { kind: "recovering", reason, last, needs: applied };
  }
  // What was compacted away was committed, and a flush of the state had covered it.
  const covered = logDurable.index < base.index;
  const present = log.termAt(logDurable.index) === logDurable.term;
  if (covered || present || log.dropped(logDurable)) {
    return { kind: "clean" };
  }
  const lost = `entry ${logDurable.index} (term ${logDurable.term}) was on disk and is lost`;
  const reason = `${lost}: the log ends at entry ${last.index} (term ${last.term})`;
  return { kind: "recovering", reason, last, needs: logDurable.index };
}

/**
 * Why term and vote on disk are older than the log beside them, so that a vote may be forgotten;
 * undefined: they need not be. They are saved before the first entry of a term is written.
 */
export function forgottenVote(
  last: EntryId,
  hardState: Pick<HardState, "term">,
): string | undefined {
  if (hardState.term >= last.term) return undefined;
  const saved = `the identity knows of term ${hardState.term} only`;
  return `${saved}, and the log ends in term ${last.term}: a vote may be forgotten`;
}
