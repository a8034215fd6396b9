/**
 * Heartbeats and votes keep their time while the log is saturated: every disk takes longer over a
 * write than heartbeats are apart, and there is always more to write. Time is virtual.
 */
import { DEFAULTS } from "task-queue-raft";
import { beforeEach, describe, expect, test } from "vitest";
import { makeId, submitOf } from "../../packages/broker/test/queue/harness.ts";
import { Cluster } from "../../packages/broker/test/replica/cluster.ts";

const DISK_MS = 170;
const STEP_MS = 10;
const SUBMITS_A_STEP = 20;
const SATURATED_MS = 5_000;

const { heartbeatIntervalMs, electionTimeoutMs } = DEFAULTS;

/** A cluster under more load than its disks can take. */
class Saturated {
  readonly cluster = new Cluster(3);
  /** When a message was sent, by `type from to`. */
  readonly sent = new Map<string, number[]>();
  /** Turns of the leader in which an entry of its own waited for the disk. */
  owing = 0;
  steps = 0;
  #serial = 0;
  #written = 0;

  constructor() {
    this.cluster.elect();
    for (const node of this.cluster.nodes) node.disk = "slow";
    this.cluster.watch = ({ id }, { envelopes }) => {
      for (const { message } of envelopes) this.#note(`${message.type} ${id} ${message.to}`);
    };
  }

  run(ms: number, isOver: () => boolean = () => false): void {
    const { cluster } = this;
    const end = cluster.now + ms;
    while (cluster.now < end && !isOver()) {
      const { leader } = cluster;
      for (let i = 0; leader !== undefined && i < SUBMITS_A_STEP; i++) {
        leader.request(submitOf(makeId(++this.#serial), { queue: "q" }));
      }
      cluster.elapse(STEP_MS);
      this.steps++;
      if ((leader?.unwritten.length ?? 0) > 0) this.owing++;
      if (cluster.now < this.#written + DISK_MS) continue;
      this.#written = cluster.now;
      for (const node of cluster.nodes) node.write();
    }
    cluster.settle();
  }

  /** The longest time without one, from now on back to `since`. */
  longestGap(message: string, since: number): number {
    const times = [since, ...(this.sent.get(message) ?? []), this.cluster.now];
    return Math.max(...times.slice(1).map((time, at) => time - (times[at] as number)));
  }

  #note(message: string): void {
    this.sent.set(message, [...(this.sent.get(message) ?? []), this.cluster.now]);
  }
}

describe("while the log is saturated", () => {
  let saturated: Saturated;
  beforeEach(() => {
    saturated = new Saturated();
  });

  test("heartbeats and their answers are as far apart as ever, and the leader stays", () => {
    const { cluster } = saturated;
    const { leader, now } = cluster;
    const { term } = leader.replica.raft;
    saturated.run(SATURATED_MS);
    expect(saturated.owing / saturated.steps).toBeGreaterThan(0.9);
    for (const { id } of cluster.nodes.filter((node) => node !== leader)) {
      const asked = saturated.longestGap(`heartbeat ${leader.id} ${id}`, now);
      const answered = saturated.longestGap(`heartbeatReply ${id} ${leader.id}`, now);
      expect(asked).toBeLessThanOrEqual(heartbeatIntervalMs);
      expect(answered).toBeLessThanOrEqual(heartbeatIntervalMs);
    }
    expect(cluster.leader).toBe(leader);
    expect(leader.replica.raft.term).toBe(term);
    expect(leader.queue.counts().pending).toBeGreaterThan(1_000);
  });

  test("a dead leader is replaced as soon as its silence and two writes allow", () => {
    const { cluster } = saturated;
    const dead = cluster.leader;
    saturated.run(SATURATED_MS);
    cluster.cut.add(dead.id);
    const { now } = cluster;
    saturated.run(10 * electionTimeoutMs, () => cluster.leader !== undefined);
    expect(cluster.leader).not.toBe(dead);
    // Silence is between one and two timeouts; the candidate's own vote is written, then the other's.
    expect(cluster.now - now).toBeLessThanOrEqual(
      2 * electionTimeoutMs + 2 * DISK_MS + 2 * STEP_MS,
    );
  });
});
