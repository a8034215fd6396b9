import { DEFAULTS } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { makeId, registerOf, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { memberOf, type TestNode, WALL } from "./harness.ts";

const ENTRIES = 256;
let serial = 0;
const submit = () => submitOf(makeId(++serial, WALL));

/** `count` writes, each in an entry of its own, and time for flushes now and then. */
function write(cluster: Cluster, node: TestNode, count: number): void {
  for (let at = 0; at < count; at++) {
    node.request(submit());
    cluster.settle();
    if (at % 20 === 19) cluster.elapse(60);
  }
  cluster.elapse(60);
}

function three() {
  const cluster = new Cluster(3, "durable", () => ({ snapshotEntries: ENTRIES }));
  const leader = cluster.elect();
  const [slow, third] = cluster.nodes.filter((node) => node !== leader) as [TestNode, TestNode];
  return { cluster, leader, slow, third };
}

/** One was away for so long that the log has gone on without it. */
function withStraggler() {
  const all = three();
  const { cluster, leader, slow } = all;
  cluster.cut.add(slow.id);
  cluster.elapse(61_000);
  write(cluster, leader, 3 * ENTRIES);
  expect(leader.log.base.index).toBeGreaterThan(slow.queue.applied);
  slow.holdSnapshots = true;
  cluster.cut.delete(slow.id);
  cluster.elapse(1_000);
  expect(slow.fetch).toBeDefined();
  return all;
}

describe("compaction", () => {
  test("stays behind what is flushed, on every node, in steps of some size", () => {
    const { cluster, leader } = three();
    write(cluster, leader, 3 * ENTRIES);
    for (const { compactions, flushes, log } of cluster.nodes) {
      expect(compactions.length).toBeGreaterThan(3);
      for (const [at, upTo] of compactions.entries()) {
        expect(upTo - (compactions[at - 1] ?? 0)).toBeGreaterThanOrEqual(ENTRIES / 4);
      }
      const { mark } = flushes.at(-1)!;
      expect(log.base.index).toBeLessThanOrEqual(mark.applied - ENTRIES);
    }
  });

  test("waits for the flush to be complete", () => {
    const cluster = new Cluster(1, "durable", () => ({ snapshotEntries: 100 }));
    const leader = cluster.elect();
    write(cluster, leader, 200);
    const before = leader.compactions.length;
    leader.holdFlushes = true;
    write(cluster, leader, 400);
    expect(leader.compactions).toHaveLength(before);
    leader.flushed();
    cluster.elapse(200);
    expect(leader.compactions.length).toBeGreaterThan(before);
  });

  test("keeps what a slow member that answers still needs", () => {
    const { cluster, leader, slow } = three();
    slow.disk = "slow";
    write(cluster, leader, 2 * ENTRIES);
    expect(leader.compactions).toEqual([]);
    slow.disk = "instant";
    slow.write();
    cluster.elapse(2_000);
    write(cluster, leader, 5);
    expect(slow.queue.applied).toBe(leader.queue.applied);
    expect(leader.compactions.length).toBeGreaterThan(0);
  });

  test("rests while a member receives a snapshot, and goes on when it has it", () => {
    const { cluster, leader, slow } = withStraggler();
    const { length } = leader.compactions;
    write(cluster, leader, 2 * ENTRIES);
    expect(leader.compactions).toHaveLength(length);
    slow.holdSnapshots = false;
    cluster.elapse(500);
    write(cluster, leader, 20);
    expect(leader.compactions.length).toBeGreaterThan(length);
  });
});

describe("a snapshot", () => {
  test("brings a member that was away for long to where the others are", () => {
    const { cluster, leader, slow, third } = withStraggler();
    expect(slow.fetch?.sources).toContain(third.id);
    const served: (number | undefined)[] = [];
    slow.input((replica) => replica.read((applied) => served.push(applied), true, 0));
    slow.holdSnapshots = false;
    cluster.elapse(1_000);
    expect(slow.queue.applied).toBe(leader.queue.applied);
    expect(slow.queue.effectHash).toBe(leader.queue.effectHash);
    expect(served).toEqual([leader.queue.applied]);
    write(cluster, leader, 50);
    expect(slow.queue.effectHash).toBe(leader.queue.effectHash);
    expect(slow.diverged).toBeUndefined();
    slow.queue.checkInvariants();
    expect(slow.log.base.index).toBeGreaterThan(0);
  });

  test("that is no news is dropped, and nothing changes", () => {
    const { cluster, leader, slow } = withStraggler();
    const before = slow.queue;
    expect(slow.receiveSnapshot(leader)).toBe(true);
    expect(slow.queue).not.toBe(before);
    cluster.settle();
    const { queue } = slow;
    expect(slow.receiveSnapshot(leader)).toBe(false);
    expect(leader.receiveSnapshot(slow)).toBe(false);
    expect(slow.queue).toBe(queue);
  });

  test("is not confirmed by a flush of the state before it", () => {
    const { cluster, leader, slow } = withStraggler();
    expect(slow.receiveSnapshot(leader)).toBe(true);
    const applied = slow.queue.applied;
    // The disk has just written the former state, and somebody says so.
    slow.input((replica) => replica.flushed());
    cluster.elapse(500);
    write(cluster, leader, 5);
    for (const { mark } of slow.flushes.slice(-1)) {
      expect(mark.applied).toBeGreaterThan(applied);
    }
    expect(slow.queue.effectHash).toBe(leader.queue.effectHash);
  });

  test("takes the place of committed entries that were held back here", () => {
    const cluster = new Cluster(3, "match", () => ({ snapshotEntries: ENTRIES }));
    const leader = cluster.elect();
    const slow = cluster.nodes.find((node) => node !== leader)!;
    // It hands its entries to the disk, and no fsync comes: so no flush, and then no apply.
    slow.disk = "interval";
    for (let at = 0; at < 60; at++) write(cluster, leader, 1);
    expect(slow.queue.applied).toBeLessThan(slow.replica.raft.commit);
    cluster.cut.add(slow.id);
    cluster.elapse(61_000);
    write(cluster, leader, 3 * ENTRIES);
    cluster.cut.delete(slow.id);
    cluster.elapse(1_000);
    expect(slow.log.base.index).toBeGreaterThan(0);
    slow.sync();
    slow.disk = "instant";
    cluster.elapse(1_000);
    expect(slow.queue.applied).toBe(leader.queue.applied);
    expect(slow.queue.effectHash).toBe(leader.queue.effectHash);
  });

  test("lets a write of a lost office be answered by the next leader", () => {
    const { cluster, leader, slow, third } = three();
    cluster.cut.add(leader.id);
    const outcomes = leader.request(submit());
    leader.turn();
    cluster.elapse(4_000);
    const next = cluster.leader;
    expect(next).not.toBe(leader);
    cluster.elapse(61_000);
    write(cluster, next, 3 * ENTRIES);
    expect(outcomes).toMatchObject([{ kind: "unknown" }]);
    const last = leader.request(submit());
    cluster.cut.clear();
    cluster.elapse(1_000);
    expect(leader.log.base.index).toBeGreaterThan(0);
    expect(last).toMatchObject([{ kind: "applied" }]);
    for (const node of [slow, third]) expect(node.queue.effectHash).toBe(leader.queue.effectHash);
  });

  test("is flushed onto only when the log behind it is on disk here", () => {
    const { cluster, leader, slow } = withStraggler();
    slow.disk = "slow";
    const before = slow.flushes.length;
    expect(slow.receiveSnapshot(leader)).toBe(true);
    cluster.elapse(500);
    expect(slow.flushes).toHaveLength(before);
    expect(slow.replica.raft.durableIndex).toBeLessThan(slow.queue.applied);
    slow.write();
    slow.disk = "instant";
    cluster.elapse(500);
    write(cluster, leader, 5);
    expect(slow.flushes.length).toBeGreaterThan(before);
  });

  test("brings the members of its time, also to the bus", () => {
    const all = three();
    const { cluster, leader, slow } = all;
    cluster.cut.add(slow.id);
    cluster.elapse(61_000);
    const { voter: _, ...member } = memberOf("d");
    const added = leader.change({ kind: "add", member });
    write(cluster, leader, 3 * ENTRIES);
    expect(added).toMatchObject([{ kind: "done" }]);
    cluster.cut.delete(slow.id);
    cluster.elapse(1_000);
    expect(slow.replica.members).toEqual(leader.replica.members);
    expect(slow.roster).toEqual(leader.roster);
    expect(slow.replica.raft.membership).toEqual(leader.replica.raft.membership);
    expect(slow.removed).toBe(false);
  });

  test("in which this node is no member counts once it is on disk, and not before", () => {
    const { cluster, leader, slow } = withStraggler();
    const change = leader.change({ kind: "remove", id: slow.id, force: true });
    cluster.elapse(300);
    expect(change).toMatchObject([{ kind: "done" }]);
    write(cluster, leader, 5);
    slow.disk = "slow";
    expect(slow.receiveSnapshot(leader)).toBe(true);
    cluster.settle();
    expect(slow.unwritten.map(({ restore }) => restore !== undefined)).toContain(true);
    expect(slow.removed).toBe(false);
    slow.write();
    cluster.settle();
    expect(slow.removed).toBe(true);
  });

  test("lets writes that wait on this node be answered", () => {
    const { cluster, slow } = withStraggler();
    slow.lossy = true;
    const outcomes = slow.request(submit());
    cluster.settle();
    slow.holdSnapshots = false;
    cluster.elapse(500);
    slow.lossy = false;
    cluster.elapse(1_500);
    expect(outcomes).toMatchObject([{ kind: "applied" }]);
  });

  test("takes a joining node past its own adding, which is no removal", () => {
    const { cluster, leader } = three();
    write(cluster, leader, 3 * ENTRIES);
    const added = leader.change({ kind: "add", member: withoutVoter("d") });
    const joiner = cluster.join("d", { snapshotEntries: ENTRIES });
    cluster.elapse(3_000);
    expect(added).toMatchObject([{ kind: "done" }]);
    expect(joiner.queue.applied).toBe(leader.queue.applied);
    expect(joiner.log.base.index).toBeGreaterThan(0);
    expect(joiner.removed).toBe(false);
    expect(joiner.replica.members.map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
  });

  test("is no end of leases: a later leader with it delivers them again", () => {
    const { cluster, leader, slow, third } = withStraggler();
    leader.request(registerOf("w1"));
    cluster.settle();
    leader.input((replica) => {
      replica.attach("w1", []);
      replica.setWindow("w1", 1);
    });
    cluster.elapse(200);
    const [lease] = leader.queue.leases("w1");
    slow.holdSnapshots = false;
    cluster.elapse(500);
    cluster.cut.add(third.id);
    leader.transfer(slow.id);
    cluster.elapse(500);
    expect(slow.replica.leads).toBe(true);
    slow.input((replica) => replica.attach("w1", []));
    cluster.settle();
    for (const load of [...slow.loads]) slow.load(load);
    cluster.settle();
    expect(slow.delivered.get("w1")).toEqual([lease!.token]);
  });
});

function withoutVoter(id: string) {
  const { voter: _, ...member } = memberOf(id);
  return member;
}

/** It takes one command more than was said: from the next entry on its state is another one. */
function damage({ queue }: TestNode): void {
  const { apply } = queue;
  Object.assign(queue, {
    apply: (index: number, batch: Parameters<typeof apply>[1]) => {
      const cancel = { type: "cancel", id: makeId(++serial, WALL), reason: "" } as const;
      const commands = [...batch.commands, cancel];
      return apply.call(queue, index, { ...batch, commands }).slice(0, batch.commands.length);
    },
  });
}

describe("states that differ", () => {
  test("stop the follower, and its leader warns and counts", () => {
    const { cluster, leader, slow } = three();
    leader.request(submit());
    cluster.elapse(200);
    const before = slow.queue.effectHash;
    damage(slow);
    leader.request(submit());
    cluster.elapse(300);
    expect(slow.diverged).toBeUndefined();
    cluster.elapse(DEFAULTS.electionTimeoutMs);
    expect(slow.queue.effectHash).not.toBe(before);
    expect(slow.diverged).toMatchObject({ leaders: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(slow.diverged?.own).not.toBe(slow.diverged?.leaders);
    expect(leader.replica.divergences).toBe(1);
    expect(leader.notes.join()).toMatch(new RegExp(`state of ${slow.id} differs from this leader`));
    for (const node of cluster.nodes) if (node !== slow) expect(node.diverged).toBeUndefined();
  });

  test.each([0, 5])("stop a leader that is alone with its own, at a write each %d ms", (ms) => {
    const { cluster, leader } = three();
    leader.request(submit());
    cluster.elapse(200);
    damage(leader);
    leader.request(submit());
    for (let left = 300; left > 0; left -= Math.max(ms, 1)) {
      if (ms > 0) leader.request(submit());
      cluster.elapse(Math.max(ms, 1));
      if (leader.diverged !== undefined) break;
    }
    const { own, leaders } = leader.diverged!;
    expect(own).not.toBe(leaders);
    // As the runtime has it: its process ends.
    cluster.cut.add(leader.id);
    cluster.elapse(3_000);
    const others = cluster.nodes.filter((node) => node !== leader);
    expect(others.map((node) => node.diverged)).toEqual([undefined, undefined]);
    const write = cluster.leader.request(submit());
    cluster.elapse(200);
    expect(write).toMatchObject([{ kind: "applied" }]);
  });

  test("stop the follower of two voters, whoever of them is right", () => {
    const cluster = new Cluster(2);
    const leader = cluster.elect();
    damage(leader);
    leader.request(submit());
    cluster.elapse(DEFAULTS.electionTimeoutMs + 300);
    const [follower] = cluster.nodes.filter((node) => node !== leader);
    expect(follower!.diverged).toBeDefined();
    expect(leader.diverged).toBeUndefined();
  });

  test("are found in a snapshot without another entry", () => {
    const { cluster, leader, slow } = withStraggler();
    const own = "f".repeat(16);
    slow.receiveSnapshot(leader, (queue) => {
      Object.defineProperty(queue, "effectHash", { get: () => own });
    });
    cluster.elapse(DEFAULTS.electionTimeoutMs + 300);
    expect(slow.diverged).toMatchObject({ index: leader.queue.applied, own });
  });

  test("are not found where there are none, for a long time", () => {
    const { cluster, leader } = three();
    write(cluster, leader, 100);
    cluster.elapse(5_000);
    expect(cluster.nodes.map((node) => node.diverged)).toEqual(Array(3).fill(undefined));
    expect(leader.replica.divergences).toBe(0);
  });
});
