/**
 * How far the leader is, as its heartbeats tell it. A follower's own commit index says nothing of
 * entries that it does not have yet.
 */
import type { LogIndex, NodeId } from "task-queue-raft";
import type { Envelope } from "./ports.ts";

export class LeaderProgress {
  #leader: NodeId | undefined;
  #applied: LogIndex = 0;
  #firstHeard: LogIndex | undefined;

  heard(from: NodeId, { message, beacon }: Envelope): void {
    if (message.type !== "heartbeat" || beacon === undefined) return;
    const { applied } = beacon;
    this.#applied = from === this.#leader ? Math.max(this.#applied, applied) : applied;
    this.#leader = from;
    this.#firstHeard ??= applied;
  }

  /** What `leader` has applied, as far as was heard; 0 = nothing was. */
  appliedBy(leader: NodeId): LogIndex {
    return leader === this.#leader ? this.#applied : 0;
  }

  /**
   * What a leader had applied when this node first heard one since its start; undefined = none has
   * been heard yet. Whoever has as much has made good what it missed while it was away.
   */
  get firstHeard(): LogIndex | undefined {
    return this.#firstHeard;
  }
}
