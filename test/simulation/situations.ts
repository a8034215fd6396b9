/**
 * Interesting things that happened, counted. A simulation that never meets a situation says nothing
 * about it: over enough seeds each of these must occur, and a test sees to that.
 */

export const SITUATIONS = [
  // elections
  "leader elected",
  "leader elected in a later term",
  "leader stepped down",
  "leader changed with proposals in flight",
  "election without a winner",
  "vote refused",
  "pre-vote refused",
  // log
  "append refused with a hint",
  "suffix of the log truncated",
  "entry of an earlier term committed by a later leader",
  "log read for a slow follower",
  "applied ahead of the own disk",
  "apply held back for an overdue flush",
  // disk
  "write waits for the disk",
  "writes share a sync",
  "hardState write lost in a crash",
  "hardState write survived a crash unheard",
  "log write lost in a crash",
  "log write survived a crash unheard",
  "crash between hard state and log",
  "flush lost in a crash",
  "flush survived a crash unheard",
  "restart from flushed state",
  "restart replays the log",
  "restart with a shorter log",
  // faults
  "leader crashed",
  "leader lost right after its election",
  "follower crashed",
  "all nodes crashed at once",
  "leader cut off",
  "one-way partition",
  "majority lost",
  "came to rest without a minority",
  "process frozen",
  "disk stalled",
  "wall clock jumped",
  "connection reset",
  "link clogged",
  "control packet lost",
  "append packet lost",
  "forward packet lost",
  "control packet doubled",
  "append packet doubled",
  "forward packet doubled",
  "control packet overtaken",
  "append packet overtaken",
  "forward packet overtaken",
  "packet reaches the next life of a node",
  // requests
  "write forwarded to the leader",
  "forwarded write sent again",
  "forwarded write refused by a node that does not lead",
  "write refused: no leader",
  "write with unknown outcome",
  "caller heard nothing",
  "caller sent its command to another node",
  "duplicate submit answered",
  "submit answered with the task of its idempotency key",
  "idempotency key with other content refused",
  "submit to a full queue refused",
  "linearizable read on a follower",
  "linearizable read refused",
  "read at an index of one's own",
  // tasks
  "task failed and retried",
  "task dead after its retries",
  "task failed for good",
  "run timed out",
  "delayed task came due",
  "pending task cancelled",
  "running task cancelled",
  "cancel came too late",
  "dead task retried",
  "dead task deleted",
  "submit of a deleted task repeated",
  "report repeated",
  "report with a stale token refused",
  "lease extended",
  "task released",
  "content loaded from disk",
  // sessions
  "session resumed",
  "lease redelivered on resume",
  "lease lost learnt on resume",
  "session of an earlier term leased to",
  "session lapsed",
  "session lapsed with leases",
  "lapse voided by a renewal",
  "extension outlived its session",
  "task leased again after a lapse",
  "session said good-bye with leases",
  "worker went quiet",
] as const;

export type Situation = (typeof SITUATIONS)[number];

export class Situations {
  readonly #counts = new Map<Situation, number>();

  hit(situation: Situation): void {
    this.#counts.set(situation, (this.#counts.get(situation) ?? 0) + 1);
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
