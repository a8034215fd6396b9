import { DEFAULTS, TRANSFER_MS_MAX } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/replica/index.ts";
import {
  HANDOVER_DEADLINE_MS,
  PRIORITY_RETRY_MS,
  PRIORITY_SETTLE_MS,
} from "../../src/replica/limits.ts";
import { makeId, registerOf, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { memberOf, type NodeOptions, type TestNode, WALL } from "./harness.ts";

const STOPPING = "it is stopping, or its disk does not answer";
let serial = 0;
const submit = () => submitOf(makeId(++serial, WALL));

function others(cluster: Cluster): [TestNode, TestNode] {
  return cluster.nodes.filter((node) => !node.replica.leads) as [TestNode, TestNode];
}

function elected(options?: (id: string) => NodeOptions) {
  const cluster = new Cluster(3, "durable", options);
  const leader = cluster.elect();
  const [next, third] = others(cluster);
  return { cluster, leader, next, third };
}

/** Messages of this type do not reach `node`. */
function deafen({ replica }: TestNode, type: string): void {
  const receive = replica.receive.bind(replica);
  replica.receive = (from, envelope) => {
    if (envelope.message.type !== type) receive(from, envelope);
  };
}

describe("a transfer", () => {
  test("makes the node that was named the leader, and says so", () => {
    const { cluster, leader, next } = elected();
    const outcomes = leader.transfer(next.id);
    cluster.settle();
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    expect(cluster.leader.id).toBe(next.id);
    cluster.elapse(200);
    expect(leader.replica.raft.leader).toBe(next.id);
  });

  test("without a name goes to the voter that is the furthest", () => {
    const { cluster, leader, next, third } = elected();
    cluster.cut.add(next.id);
    leader.request(submit());
    cluster.settle();
    cluster.cut.delete(next.id);
    const outcomes = leader.transfer();
    cluster.settle();
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    expect(cluster.leader.id).toBe(third.id);
  });

  test("to the node that leads already is done", () => {
    const { cluster, leader } = elected();
    const outcomes = leader.transfer(leader.id);
    cluster.settle();
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    expect(leader.replica.leads).toBe(true);
  });

  test("holds writes meanwhile, and each is applied once, by the new leader", () => {
    const { cluster, leader, next, third } = elected();
    cluster.lost.add("timeoutNow");
    const outcomes = leader.transfer(next.id);
    cluster.settle();
    const entries = leader.replica.raft.lastIndex;
    const writes: Outcome[][] = [leader.request(submit()), third.request(submit())];
    cluster.settle();
    expect(leader.replica.raft.lastIndex).toBe(entries);
    cluster.lost.clear();
    cluster.elapse(500);
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    for (const write of writes) {
      expect(write).toMatchObject([{ kind: "applied", reply: { code: "ok", duplicate: false } }]);
    }
    expect(next.queue.counts().pending).toBe(2);
  });

  test("that does not succeed is given up, and the writes go on here", () => {
    const { cluster, leader, next } = elected();
    cluster.cut.add(next.id);
    const outcomes = leader.transfer(next.id);
    const write = leader.request(submit());
    cluster.elapse(DEFAULTS.electionTimeoutMs - 200);
    expect([...outcomes, ...write]).toEqual([]);
    cluster.elapse(400);
    const message =
      `${next.id} did not take over in time, and ${leader.id} still leads; ` +
      `see that ${next.id} is up and caught up, then try again`;
    expect(outcomes).toEqual([{ kind: "refused", code: "state_conflict", message }]);
    expect(write).toMatchObject([{ kind: "applied" }]);
  });

  test("in a patient cluster is given up in good time for the writes it holds", () => {
    const { cluster, leader, next } = elected(() => ({ electionTimeoutMs: 6_000 }));
    cluster.lost.add("timeoutNow");
    const outcomes = leader.transfer(next.id);
    const write = leader.request(submit());
    cluster.elapse(TRANSFER_MS_MAX - 200);
    expect([...outcomes, ...write]).toEqual([]);
    cluster.elapse(400);
    expect(outcomes).toMatchObject([{ kind: "refused", code: "state_conflict" }]);
    expect(write).toMatchObject([{ kind: "applied" }]);
  });

  test("never keeps the process busy while it lasts, whatever is due meanwhile", () => {
    const { cluster, leader, next } = elected(() => ({ electionTimeoutMs: 6_000 }));
    leader.request(registerOf("w1", { leaseMs: 1_000 }));
    cluster.settle();
    leader.input((replica) => replica.attach("w1", []));
    cluster.lost.add("timeoutNow");
    leader.transfer(next.id);
    leader.input((replica) => replica.beat("w1"));
    cluster.settle();
    const late = new Set<number>();
    for (let left = TRANSFER_MS_MAX - 100; left > 0; left -= 10) {
      cluster.elapse(10);
      expect(leader.replica.raft.transferee).toBe(next.id);
      if (leader.replica.nextDeadline() <= cluster.now) late.add(cluster.now);
    }
    expect([...late]).toEqual([]);
    cluster.elapse(200);
    expect(leader.renewed).toContain("w1");
  });

  test("in which another node than the one that was named comes to lead is refused", () => {
    const { cluster, leader, next, third } = elected();
    cluster.lost.add("timeoutNow");
    const named = leader.transfer(next.id);
    cluster.settle();
    const any = leader.transfer();
    cluster.settle();
    const { term } = leader.replica.raft;
    const late = { type: "timeoutNow", from: leader.id, to: third.id, term } as const;
    third.input((replica) => replica.raft.step(late));
    cluster.elapse(300);
    expect(cluster.leader.id).toBe(third.id);
    const message = `${third.id} leads now, not ${next.id}`;
    expect(named).toEqual([{ kind: "refused", code: "state_conflict", message }]);
    expect(any).toMatchObject([{ kind: "done" }]);
  });

  test("to a node that is stopping is refused at once", () => {
    const { cluster, leader, next } = elected();
    next.input((replica) => replica.drain());
    cluster.elapse(200);
    const outcomes = leader.transfer(next.id);
    cluster.settle();
    const message = `${next.id} takes no office: ${STOPPING}; name another voter, or none`;
    expect(outcomes).toEqual([{ kind: "refused", code: "state_conflict", message }]);
  });

  test("after which nobody leads has an unknown outcome", () => {
    const { cluster, leader, next, third } = elected();
    cluster.lost.add("timeoutNow");
    const outcomes = leader.transfer(next.id);
    cluster.settle();
    cluster.cut.add(next.id).add(third.id);
    // It steps down for want of a quorum before it gives the transfer up, or it says that it did.
    cluster.elapse(HANDOVER_DEADLINE_MS + 1_000);
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]?.kind).not.toBe("done");
  });

  test("is joined by those who want the same, and refused to those who do not", () => {
    const { cluster, leader, next, third } = elected();
    cluster.lost.add("timeoutNow");
    const first = leader.transfer(next.id);
    cluster.settle();
    const [same, any, other] = [
      leader.transfer(next.id),
      leader.transfer(),
      leader.transfer(third.id),
    ];
    cluster.settle();
    const message = `the office is being handed over to ${next.id} already; wait for that`;
    expect(other).toEqual([{ kind: "refused", code: "state_conflict", message }]);
    cluster.lost.clear();
    cluster.elapse(300);
    expect([first, same, any]).toMatchObject(Array(3).fill([{ kind: "done" }]));
  });

  test("is refused by a node that does not lead, which says who does", () => {
    const { cluster, leader, next } = elected();
    const outcomes = next.transfer();
    cluster.settle();
    const message = `${next.id} does not lead; ask ${leader.id} at ${leader.id}:2`;
    expect(outcomes).toEqual([{ kind: "refused", code: "no_leader", message }]);
  });

  test("is refused to who is no member, and to a learner", () => {
    const { cluster, leader } = elected();
    const unknown = leader.transfer("x");
    const { voter: _, ...member } = memberOf("d");
    leader.change({ kind: "add", member });
    cluster.settle();
    const learner = leader.transfer("d");
    cluster.settle();
    expect(unknown).toEqual([{ kind: "refused", code: "not_found", message: "x is no member" }]);
    const message = "d is a learner and cannot lead; promote it first";
    expect(learner).toEqual([{ kind: "refused", code: "state_conflict", message }]);
  });

  test("is refused when no other voter is there to take it", () => {
    const cluster = new Cluster(1);
    const leader = cluster.elect();
    const outcomes = leader.transfer();
    cluster.settle();
    const message = "no other voter has been heard lately; bring one back or add one first";
    expect(outcomes).toEqual([{ kind: "refused", code: "state_conflict", message }]);
  });

  test("is refused while a change of members is not committed, and the other way round", () => {
    const { cluster, leader, next } = elected();
    const { voter: _, ...member } = memberOf("d");
    cluster.lost.add("appendReply");
    leader.change({ kind: "add", member });
    cluster.settle();
    const early = leader.transfer(next.id);
    cluster.settle();
    const message = "a change of members is not committed yet; try again in a moment";
    expect(early).toEqual([{ kind: "refused", code: "state_conflict", message }]);
    cluster.lost.clear();
    cluster.elapse(300);
    cluster.lost.add("timeoutNow");
    leader.transfer(next.id);
    cluster.settle();
    const change = leader.change({ kind: "remove", id: "d", force: false });
    cluster.elapse(300);
    expect(change).toEqual([]);
    cluster.elapse(2_000);
    expect(change).toMatchObject([{ kind: "done" }]);
  });
});

describe("a node that drains", () => {
  test("hands over the office that it has", () => {
    const { cluster, leader } = elected();
    leader.input((replica) => replica.drain());
    cluster.elapse(100);
    expect(cluster.leader.id).not.toBe(leader.id);
  });

  test("tries again, with another one, when the first does not take over", () => {
    const { cluster, leader, next, third } = elected();
    leader.input((replica) => replica.drain());
    cluster.cut.add(next.id);
    cluster.elapse(3_000);
    expect(cluster.leader.id).toBe(third.id);
  });

  test("does not choose one that drains itself", () => {
    const { cluster, leader, next, third } = elected();
    next.input((replica) => replica.drain());
    cluster.elapse(200);
    leader.input((replica) => replica.drain());
    cluster.elapse(100);
    expect(cluster.leader.id).toBe(third.id);
  });

  test("tries another one when one that is heard does not take over", () => {
    const { cluster, leader, next, third } = elected();
    // It has stopped campaigning and says nothing of it.
    next.input((replica) => replica.raft.setCampaigning(false));
    leader.input((replica) => replica.drain());
    cluster.elapse(3_000);
    expect(cluster.leader.id).toBe(third.id);
  });

  test("keeps the office when there is nobody else", () => {
    const cluster = new Cluster(1);
    const leader = cluster.elect();
    leader.input((replica) => replica.drain());
    cluster.elapse(1_000);
    const write = leader.request(submit());
    cluster.settle();
    expect(write).toMatchObject([{ kind: "applied" }]);
  });

  test("lets writes through between its tries, if nobody can take the office", () => {
    const cluster = new Cluster(2);
    const leader = cluster.elect();
    for (const node of cluster.nodes) node.input((replica) => replica.drain());
    cluster.elapse(300);
    const write = leader.request(submit());
    cluster.elapse(1_500);
    expect(write).toMatchObject([{ kind: "applied" }]);
  });

  test("never campaigns, not even when it is asked to", () => {
    const { cluster, leader, next, third } = elected();
    next.input((replica) => replica.drain());
    const outcomes = leader.transfer(next.id);
    cluster.elapse(1_200);
    expect(outcomes).toMatchObject([{ kind: "refused", code: "state_conflict" }]);
    cluster.cut.add(leader.id);
    cluster.elapse(5_000);
    expect(cluster.leader.id).toBe(third.id);
  });
});

describe("a voter that is wanted more than the leader", () => {
  const wanted = (id: string) => (id === "c" ? { priority: 5 } : {});

  test("becomes the leader after a while, and stays it", () => {
    const { cluster, leader } = elected(wanted);
    expect(leader.id).not.toBe("c");
    cluster.elapse(PRIORITY_SETTLE_MS - 1_000);
    expect(cluster.leader.id).toBe(leader.id);
    cluster.elapse(2_000);
    expect(cluster.leader.id).toBe("c");
    const { term } = cluster.leader.replica.raft;
    cluster.elapse(3 * PRIORITY_SETTLE_MS);
    expect(cluster.leader.replica.raft.term).toBe(term);
  });

  test("must prove fit anew to each leader, also to one that led before", () => {
    const { cluster, leader } = elected(wanted);
    cluster.elapse(PRIORITY_SETTLE_MS - 1_000);
    leader.transfer("b");
    cluster.elapse(1_000);
    cluster.leader.transfer(leader.id);
    cluster.elapse(PRIORITY_SETTLE_MS - 1_000);
    expect(cluster.leader.id).toBe(leader.id);
    cluster.elapse(2_000);
    expect(cluster.leader.id).toBe("c");
  });

  test("is left alone for a while when it did not take over", () => {
    const { cluster, leader } = elected(wanted);
    cluster.lost.add("timeoutNow");
    cluster.elapse(PRIORITY_SETTLE_MS + 2_000);
    expect(leader.replica.leads).toBe(true);
    expect(leader.replica.raft.transferee).toBeUndefined();
    cluster.lost.clear();
    cluster.elapse(PRIORITY_RETRY_MS - 5_000);
    expect(leader.replica.leads).toBe(true);
    cluster.elapse(5_000);
    expect(cluster.leader.id).toBe("c");
  });

  test("is left alone for a while also when it cost the leader its office", () => {
    const { cluster, leader } = elected(wanted);
    const [b, c] = [cluster.node("b"), cluster.node("c")];
    // It campaigns, which deposes the leader, and hears nobody's vote; the third node wins.
    deafen(c, "voteReply");
    deafen(leader, "preVoteReply");
    cluster.elapse(PRIORITY_SETTLE_MS + 3_000);
    expect(cluster.leader.id).toBe(b.id);
    cluster.leader.transfer(leader.id);
    cluster.elapse(200);
    expect(cluster.leader.id).toBe(leader.id);
    const { term } = leader.replica.raft;
    cluster.elapse(PRIORITY_RETRY_MS - 5_000);
    expect(leader.replica.raft.term).toBe(term);
  });

  test("does not become it while it drains", () => {
    const { cluster, leader } = elected(wanted);
    cluster.node("c").input((replica) => replica.drain());
    for (let left = 3 * PRIORITY_SETTLE_MS; left > 0; left -= 500) {
      cluster.elapse(500);
      expect(leader.replica.raft.transferee).toBeUndefined();
    }
    expect(cluster.leader.id).toBe(leader.id);
  });
});
