import { describe, expect, test } from "vitest";
import {
  type ChangeOutcome,
  type ClusterMember,
  decodeRoster,
  encodeRoster,
  type MemberChange,
} from "../../src/replica/index.ts";
import {
  CHANGES_WAITING_MAX,
  REMOVED_REACHED_MS,
  REQUEST_DEADLINE_MS,
} from "../../src/replica/limits.ts";
import { makeId, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { memberOf, TestNode, WALL } from "./harness.ts";

let serial = 0;
const submit = () => submitOf(makeId(++serial, WALL));

function add(id: string, given: Partial<ClusterMember> = {}): MemberChange {
  const { voter: _, ...member } = { ...memberOf(id), ...given };
  return { kind: "add", member };
}
const promote = (id: string, force = false): MemberChange => ({ kind: "promote", id, force });
const remove = (id: string, force = false): MemberChange => ({ kind: "remove", id, force });

/** `a b (c)`: c is a learner. */
function named(members: readonly ClusterMember[] | undefined): string {
  return (members ?? []).map(({ id, voter }) => (voter ? id : `(${id})`)).join(" ");
}

/** `id` has joined, and has all entries. */
function withLearner(size: number, id: string) {
  const cluster = new Cluster(size);
  const leader = cluster.elect();
  const learner = cluster.join(id);
  const outcomes = leader.change(add(id));
  cluster.elapse(500);
  expect(outcomes).toMatchObject([{ kind: "done" }]);
  return { cluster, leader, learner };
}

function follower(cluster: Cluster): TestNode {
  return cluster.nodes.find((node) => !node.replica.leads)!;
}

describe("a new member", () => {
  test("is told to all, gets the log, and counts once it is promoted", () => {
    const { cluster, leader, learner } = withLearner(1, "b");
    expect(named(leader.replica.members)).toBe("a (b)");
    expect(learner.queue.applied).toBe(leader.queue.applied);
    const promoted = leader.change(promote("b"));
    cluster.settle();
    expect(promoted).toMatchObject([{ kind: "done", index: leader.queue.applied }]);
    expect(named(learner.replica.members)).toBe("a b");
    cluster.cut.add("b");
    const outcomes = leader.request(submit());
    cluster.settle();
    expect(outcomes).toEqual([]);
    cluster.cut.delete("b");
    cluster.elapse(2_000);
    expect(outcomes).toMatchObject([{ kind: "applied" }]);
    expect(leader.notes).toEqual(["b joined as a learner, at b:2", "b became a voter"]);
  });

  test("is reached by the bus before its entry is committed", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    for (const { id } of cluster.nodes) if (id !== leader.id) cluster.cut.add(id);
    const outcomes = leader.change(add("d"));
    cluster.settle();
    expect(outcomes).toEqual([]);
    expect(named(leader.roster?.members)).toBe("a b c (d)");
    expect(leader.roster?.revision).toBe(1);
    expect(named(leader.replica.members)).toBe("a b c");
  });

  test("serves reads that see what was written before, as a learner", () => {
    const { cluster, leader, learner } = withLearner(3, "d");
    leader.request(submit());
    cluster.settle();
    const served: (number | undefined)[] = [];
    learner.input((replica) => replica.read((applied) => served.push(applied), true, 0));
    learner.input((replica) => replica.read((applied) => served.push(applied), false, 2));
    cluster.settle();
    expect(served).toHaveLength(2);
    expect(Math.max(...(served as number[]))).toBe(leader.queue.applied);
  });

  test("forwards writes to the leader, as a learner", () => {
    const { cluster, learner } = withLearner(1, "b");
    const outcomes = learner.request(submit());
    cluster.settle();
    expect(outcomes).toMatchObject([{ kind: "applied" }]);
  });

  test("that is added twice is there once, and both callers hear so", () => {
    const cluster = new Cluster(1);
    const leader = cluster.elect();
    const both = [leader.change(add("b")), leader.change(add("b"))];
    cluster.elapse(100);
    expect(both).toMatchObject([[{ kind: "done" }], [{ kind: "done" }]]);
    expect(leader.roster?.revision).toBe(1);
  });
});

describe("changes", () => {
  test("wait for one another, and each is judged by what the one before has left", () => {
    const cluster = new Cluster(1);
    const leader = cluster.elect();
    cluster.join("b");
    const outcomes = [add("b"), add("c", { bus: "b:1" }), promote("b", true), remove("b")].map(
      (change) => leader.change(change),
    );
    cluster.elapse(1_000);
    expect(outcomes.map(([outcome]) => outcome?.kind)).toEqual(["done", "refused", "done", "done"]);
    expect(named(leader.replica.members)).toBe("a");
    expect(leader.roster?.revision).toBe(3);
  });

  test("are not judged by members that may yet be cut off the log", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    cluster.lost.add("appendReply");
    leader.change(add("d"));
    cluster.settle();
    const early = leader.change(remove("d"));
    cluster.elapse(200);
    expect(early).toEqual([]);
    cluster.lost.clear();
    cluster.elapse(1_000);
    expect(early).toMatchObject([{ kind: "done" }]);
  });

  test("are refused by a node that does not lead, which says who does", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const outcomes = follower(cluster).change(remove("b"));
    cluster.settle();
    const message = `b does not lead; ask ${leader.id} at ${leader.id}:2`;
    expect(outcomes).toEqual([{ kind: "refused", code: "no_leader", message }]);
  });

  test("that cannot begin in time are refused, certainly not done", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    cluster.lost.add("append");
    const first = leader.change(add("d"));
    cluster.settle();
    const second = leader.change(add("e"));
    cluster.elapse(REQUEST_DEADLINE_MS);
    expect(first).toMatchObject([{ kind: "unknown" }]);
    const message = "an earlier change of members is not committed yet; try again";
    expect(second).toEqual([{ kind: "refused", code: "state_conflict", message }]);
    cluster.lost.clear();
    cluster.elapse(1_000);
    expect(named(leader.replica.members)).toBe("a b c (d)");
  });

  test("wait in a line that has an end", () => {
    const cluster = new Cluster(1);
    const leader = cluster.elect();
    const outcomes: ChangeOutcome[][] = [];
    for (let at = 0; at <= CHANGES_WAITING_MAX; at++) outcomes.push(leader.change(remove("x")));
    cluster.settle();
    expect(outcomes.at(-2)).toMatchObject([{ kind: "refused", code: "not_found" }]);
    expect(outcomes.at(-1)).toMatchObject([{ kind: "refused", code: "overloaded" }]);
  });

  test("in the log of a leader that is lost are done when the next one commits them", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    cluster.lost.add("appendReply");
    const outcomes = leader.change(add("d"));
    cluster.settle();
    cluster.cut.add(leader.id);
    cluster.lost.clear();
    cluster.elapse(3_500);
    expect(outcomes).toEqual([]);
    cluster.cut.clear();
    cluster.elapse(1_000);
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    expect(named(leader.replica.members)).toBe("a b c (d)");
  });

  test("in the log of a leader that is lost for long may still come to pass", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    cluster.cut.add(leader.id);
    const outcomes = leader.change(add("d"));
    cluster.elapse(REQUEST_DEADLINE_MS);
    expect(outcomes).toMatchObject([{ kind: "unknown" }]);
  });

  test("whose entry another leader replaced are certainly not done", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    cluster.cut.add(leader.id);
    const outcomes = leader.change(add("d"));
    leader.turn();
    cluster.elapse(3_500);
    cluster.cut.clear();
    cluster.elapse(1_000);
    expect(outcomes).toMatchObject([{ kind: "refused", code: "no_leader" }]);
    expect(named(leader.replica.members)).toBe("a b c");
    expect(named(leader.roster?.members)).toBe("a b c");
  });

  test("that wait when the office is lost are certainly not done", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    cluster.cut.add(leader.id);
    leader.change(add("d"));
    leader.turn();
    const waiting = leader.change(add("e"));
    cluster.elapse(3_500);
    expect(waiting).toMatchObject([{ kind: "refused", code: "no_leader" }]);
  });
});

describe("a member that is removed", () => {
  test("hears of it, is reached until then, and stops", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const other = follower(cluster);
    cluster.lost.add("appendReply");
    const outcomes = leader.change(remove(other.id));
    cluster.settle();
    cluster.lost.clear();
    cluster.elapse(1_000);
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    expect(named(leader.roster?.members)).toBe("a b c");
    expect(other.removed).toBe(true);
    expect(other.notes).toContain(`${other.id} was removed`);
    expect(leader.removed).toBe(false);
    cluster.elapse(REMOVED_REACHED_MS);
    expect(leader.roster).toEqual({ revision: 1, members: leader.replica.members });
  });

  test("stops only when its next start can tell, without the others, that it was", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const other = follower(cluster);
    other.holdFlushes = true;
    leader.change(remove(other.id));
    cluster.elapse(1_000);
    expect(named(other.replica.members)).not.toContain(other.id);
    expect(other.removed).toBe(false);
    other.flushed();
    cluster.elapse(200);
    expect(other.removed).toBe(true);
    const { membership } = other.flushes.at(-1)!.mark;
    expect(named(decodeRoster(membership).members)).toBe(named(leader.replica.members));
  });

  test("has no part in the cluster's time any more", () => {
    const cluster = new Cluster(2);
    const leader = cluster.elect();
    const other = follower(cluster);
    const { term } = leader.replica.raft;
    const from = other.id;
    const reply = { type: "heartbeatReply", from, to: leader.id, term, round: 1 } as const;
    const beacon = {
      wallMs: WALL - 3_600_000,
      applied: 1,
      effectHash: "",
      priority: 0,
      diskLow: false,
      intakeClosed: false,
    };
    leader.input((replica) => replica.receive(from, { message: reply, beacon }));
    cluster.lost.add("heartbeatReply");
    leader.change(remove(from, true));
    cluster.settle();
    expect(named(leader.replica.members)).toBe(leader.id);
    const before = leader.replica.clock.read();
    cluster.elapse(2_000);
    // Slewed towards the other's clock it would go at half the speed.
    expect(leader.replica.clock.read() - before).toBe(2_000);
  });

  test("is listened to no more, neither to its clock nor to its state", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const other = follower(cluster);
    leader.change(remove(other.id));
    cluster.elapse(100);
    const { term } = leader.replica.raft;
    const late = { type: "heartbeatReply", from: other.id, to: leader.id, term, round: 1 } as const;
    const beacon = {
      wallMs: 0,
      applied: 2,
      effectHash: "0".repeat(16),
      priority: 0,
      diskLow: false,
      intakeClosed: false,
    };
    leader.input((replica) => replica.receive(other.id, { message: late, beacon }));
    cluster.settle();
    expect(leader.replica.divergences).toBe(0);
    expect(leader.notes).toEqual([`${other.id} was removed`]);
  });

  test("may be the leader: the others go on under another one", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const outcomes = leader.change(remove(leader.id));
    cluster.elapse(3_000);
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    expect(leader.removed).toBe(true);
    expect(cluster.leader.id).not.toBe(leader.id);
    const written = cluster.leader.request(submit());
    cluster.settle();
    expect(written).toMatchObject([{ kind: "applied" }]);
  });

  test("can come back as another node of that name", () => {
    const { cluster, leader } = withLearner(1, "b");
    leader.change(promote("b"));
    cluster.elapse(100);
    leader.change(remove("b"));
    cluster.elapse(500);
    expect(cluster.node("b").removed).toBe(true);
    cluster.nodes.splice(1, 1);
    // It replays a log in which a node of its name is added, promoted and removed.
    const again = cluster.join("b", { incarnation: "b2" });
    const outcomes = leader.change(add("b", { incarnation: "b2" }));
    cluster.elapse(500);
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    expect(again.queue.applied).toBe(leader.queue.applied);
    expect(again.removed).toBe(false);
  });
});

describe("a node that starts, and is not in its roster", () => {
  const rosterOf = (revision: number) => ({ revision, members: ["a", "b"].map(memberOf) });

  test("was removed while it was down, if it had joined before", () => {
    const node = new TestNode("d", rosterOf(4), new Cluster(1), { joinedAt: 3 });
    node.turn();
    expect(node.removed).toBe(true);
  });

  test("is about to join, if that state is older than its joining", () => {
    const node = new TestNode("d", rosterOf(2), new Cluster(1), { joinedAt: 3 });
    node.turn();
    expect(node.removed).toBe(false);
  });
});

describe("a leader whose address has changed", () => {
  test("puts it into the roster once it is in office", () => {
    const cluster = new Cluster(3, "durable", (id) => ({ address: `new-${id}:2` }));
    const leader = cluster.elect();
    cluster.elapse(500);
    const records = cluster.nodes.map(({ replica }) => {
      return replica.members.find(({ id }) => id === leader.id)?.address;
    });
    expect(records).toEqual(Array(3).fill(`new-${leader.id}:2`));
    expect(leader.roster?.revision).toBe(1);
    expect(leader.notes).toContain(`${leader.id} is reached at new-${leader.id}:2 now`);
  });

  test("does not, while it is that of another member", () => {
    const cluster = new Cluster(3, "durable", () => ({ address: "b:2" }));
    const leader = cluster.elect();
    cluster.elapse(500);
    expect(leader.id).not.toBe("b");
    expect(leader.roster?.revision).toBe(0);
    expect(leader.notes).toEqual([
      "this node is configured to be reached at b:2, where b is: correct one",
    ]);
  });
});

test("the bus is told whom to reach in the very first turn, and then only of changes", () => {
  const cluster = new Cluster(3);
  const node = cluster.node("a");
  node.turn();
  expect(named(node.roster?.members)).toBe("a b c");
  node.roster = undefined;
  cluster.elect();
  cluster.elapse(1_000);
  expect(node.roster).toBeUndefined();
});

test("a roster is written the same by every node, in the order of its ids", () => {
  const members = ["b", "c", "a"].map(memberOf);
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  expect(encodeRoster({ revision: 1, members })).toEqual(
    encodeRoster({ revision: 1, members: sorted }),
  );
});
