/**
 * Interesting things that happened, counted. A simulation that never meets a situation says nothing
 * about it: over enough seeds each of these must occur, and a test sees to that.
 */
import { LABELS, type Label } from "./disk-steps.ts";

const NAMED = [
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
  "entries handed over unsynced",
  "unsynced entries lost with the power",
  "crash between hard state and log",
  "restart from flushed state",
  "restart replays the log",
  "restart with a shorter log",
  "restart with a compacted log",
  "restart redoes the reset of the log",
  "restart deletes a staged state",
  "restart deletes leftovers of a compaction",
  "log compacted",
  // snapshots
  "snapshot offered",
  "snapshot from the leader",
  "snapshot from a follower",
  "snapshot refused: too old",
  "snapshot chunk asked for again",
  "snapshot source changed",
  "snapshot given up",
  "snapshot begun anew",
  "snapshot resumed behind its last key",
  "snapshot to be resumed is gone",
  "late snapshot chunk ignored",
  "snapshot wish replaced",
  "snapshot installed",
  "snapshot not needed any more",
  "snapshot installed over changes of members",
  "snapshot installed while a change is uncommitted",
  "duplicate snapshot offer answered",
  "crash while a snapshot is received",
  // members
  "empty node joined",
  "add of a member done",
  "promote of a member done",
  "remove of a member done",
  "add of a member refused",
  "promote of a member refused",
  "remove of a member refused",
  "change of members with unknown outcome",
  "change of members given up",
  "uncommitted change of members cut off",
  "leader to be removed",
  "leader removed itself",
  "disk of a voter lost",
  "removed node ended",
  "removed node started again",
  "one voter became two",
  "two voters became one",
  "two voters became three",
  "three voters became two",
  "four voters became five",
  "five voters became four",
  "newer roster learnt from another node",
  "packet to a stranger refused",
  "request meant for another incarnation held back",
  "packet of another incarnation refused",
  "came to rest with a learner",
  "came to rest with other voters",
  // leadership
  "transfer begun",
  "transfer aborted",
  "leadership transferred",
  "transfer refused or aborted",
  "transfer with unknown outcome",
  "member asked to campaign at once",
  "campaign of a transfer",
  "node shut down",
  "leader handed over before it shut down",
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
  "wall clock strobed",
  "monotonic clock fast",
  "monotonic clock slow",
  "connection reset",
  "link clogged",
  "control packet lost",
  "append packet lost",
  "forward packet lost",
  "snapshot packet lost",
  "control packet doubled",
  "append packet doubled",
  "forward packet doubled",
  "snapshot packet doubled",
  "control packet overtaken",
  "append packet overtaken",
  "forward packet overtaken",
  "snapshot packet overtaken",
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
  "session read has to wait",
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

type Fate = "lost in a crash" | "survived a crash unheard";

export type Situation = (typeof NAMED)[number] | `${Label} ${Fate}`;

/** Every step of the disk must be cut short, once before it counts and once after. */
const FATES = LABELS.flatMap((label) => [
  `${label} lost in a crash` as const,
  `${label} survived a crash unheard` as const,
]);

export const SITUATIONS: readonly Situation[] = [...NAMED, ...FATES];

export class Situations {
  readonly #counts = new Map<Situation, number>();

  hit(situation: Situation): void {
    this.#counts.set(situation, (this.#counts.get(situation) ?? 0) + 1);
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
