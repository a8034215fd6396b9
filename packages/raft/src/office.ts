/**
 * What a node has only while it leads: the progress of every other member, its heartbeat rounds
 * and the reads that wait for them. Made on election, thrown away on stepping down.
 */
import { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { LeaderReads } from "./reads.ts";
import type { LogIndex, Membership, NodeId } from "./types.ts";

export class Office {
  /** By member, without this node itself; learners, too. */
  readonly progress = new Map<NodeId, Progress>();
  readonly reads = new LeaderReads();
  /** The empty entry that opened this term: once it is committed, so is all before it. */
  readonly firstIndex: LogIndex;
  /** The number of the newest heartbeat round. */
  round = 0;
  heartbeatDeadline: number;
  /** A late tick has already been excused from the quorum check. */
  graceGiven = false;
  readonly #id: NodeId;
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
    this.firstIndex = firstIndex;
    this.heartbeatDeadline = now + options.heartbeatIntervalMs;
    for (const peer of [...membership.voters, ...membership.learners]) {
      if (peer === id) continue;
      this.progress.set(peer, new Progress(firstIndex, now, options.maxInflight));
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
