/** One node of a simulated cluster: its disk, its process while it runs, and what others know of it. */
import type { EntryId, LogIndex, Membership, Raft } from "../src/index.ts";
import { Disk } from "./disk.ts";
import type { Observed } from "./observer.ts";

export interface Node extends Observed {
  incarnation: number;
  /** The entry that brought this incarnation in; who does not have it means another one. */
  joinedBy: EntryId;
  /** The newest entry that the operator who started this node knew of. */
  toldUpTo: LogIndex;
  disk: Disk;
  raft: Raft | undefined;
  /** Infinity: not yet a member, or never to come back. */
  upAt: number;
  /** Reads under way, and how much was committed when each was asked. */
  readonly reads: Map<number, number>;
  /** Counts processes: what was meant for one must not reach the next. */
  life: number;
  isFetching: boolean;
}

export function newNode(id: string, founders: Membership, isFounder: boolean): Node {
  const disk = new Disk(founders);
  return {
    id,
    incarnation: 1,
    joinedBy: { term: 0, index: 0 },
    toldUpTo: 0,
    disk,
    applied: disk.flushed,
    raft: undefined,
    upAt: isFounder ? 0 : Number.POSITIVE_INFINITY,
    reads: new Map(),
    life: 0,
    isFetching: false,
  };
}

/**
 * Does this node's own membership list the present incarnation of the other? One whose disk was
 * wiped has forgotten its vote: whoever still counts on the former one must not ask it.
 */
export function knows({ disk, toldUpTo }: Node, other: Node): boolean {
  const { term, index } = other.joinedBy;
  const { current } = disk;
  if (index <= Math.max(toldUpTo, current.base.index)) return true;
  return current.at(index)?.term === term;
}
