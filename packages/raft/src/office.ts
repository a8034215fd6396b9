/**
 * What a node has only while it leads: the progress of every other member, its heartbeat rounds,
 * the reads that wait for them, and the transfer under way. Made on election, thrown away on
 * stepping down.
 */
import { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { LeaderReads } from "./reads.ts";
import type { LogIndex, Membership, NodeId } from "./types.ts";

/** The office is being handed over. */
export interface Transfer {
  readonly to: NodeId;
  /** When to give up and take proposals again. */
  readonly deadline: number;
  /** When the target was last asked to campaign. */
  askedMs: number;
}

export class Office {
  /** By member, without this node itself; learners, too, and for a while those who were removed. */
  readonly progress = new Map<NodeId, Progress>();
  readonly reads = new LeaderReads();
  /** The empty entry that opened this term: once it is committed, so is all before it. */
  readonly firstIndex: LogIndex;
  /** The number of the newest heartbeat round. */
  round = 0;
  heartbeatDeadline: number;
  /** When followers are told of a commit that no entry has carried to them; infinite: no need. */
  commitDeadline = Number.POSITIVE_INFINITY;
  /** A late tick has already been excused from the quorum check. */
  graceGiven = false;
  transfer: Transfer | undefined;
  readonly #id: NodeId;
  readonly #maxInflight: number;
  /** Reused, so that no acknowledgement costs an array. */
  readonly #scratch: number[] = [];

  constructor(options: {
    readonly id: NodeId;
    readonly membership: Membership;
    readonly firstIndex: LogIndex;
    readonly now: number;
    readonly maxInflight: number;
    readonly heartbeatIntervalMs: number;
  }) {
    const { id, membership, firstIndex, now } = options;
    this.#id = id;
    this.#maxInflight = options.maxInflight;
    this.firstIndex = firstIndex;
    this.heartbeatDeadline = now + options.heartbeatIntervalMs;
    for (const peer of [...membership.voters, ...membership.learners]) {
      if (peer === id) continue;
      this.progress.set(peer, new Progress(firstIndex, now, options.maxInflight));
    }
  }

  get deadline(): number {
    const { heartbeatDeadline, commitDeadline, transfer } = this;
    return Math.min(heartbeatDeadline, commitDeadline, transfer?.deadline ?? commitDeadline);
  }

  /**
   * The entry at `index` brings a new membership. Whoever is new begins with nothing, even under a
   * name that was known before; whoever is not in it stays until it can know that.
   */
  membershipChanged({ voters, learners }: Membership, index: LogIndex, now: number): void {
    const members = new Set([...voters, ...learners]);
    for (const [peer, progress] of this.progress) {
      if (!members.has(peer)) progress.leavingAt ??= index;
    }
    members.delete(this.#id);
    for (const peer of members) {
      const known = this.progress.get(peer);
      if (known !== undefined && !known.isLeaving) continue;
      this.progress.set(peer, new Progress(1, now, this.#maxInflight, true));
    }
  }

  /**
   * The highest value that a quorum of `voters` has reached, each voter's value read by `of`. This
   * node's own is `self`, and only counts if it votes.
   */
  quorum(voters: readonly NodeId[], of: (progress: Progress) => number, self: number): number {
    const values = this.#scratch;
    values.length = 0;
    for (const voter of voters) {
      const progress = this.progress.get(voter);
      if (voter === this.#id) values.push(self);
      else values.push(progress === undefined ? 0 : of(progress));
    }
    return quorumValue(values);
  }
}
