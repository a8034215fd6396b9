/** The leader's desk: each step is a change of members, and what refuses one becomes "wait". */
import { describe, expect, test } from "vitest";
import { type DeskRuntime, RejoinDesk } from "../../src/recovery/rejoin-desk.ts";
import type { ChangeOutcome, ClusterMember, MemberChange } from "../../src/replica/index.ts";
import type { RejoinRequest } from "../../src/transport/raft-service.ts";

function memberOf(id: string, incarnation: string, voter = true): ClusterMember {
  return { id, incarnation, bus: `${id}:1`, address: `${id}:2`, voter };
}

const NEW = { id: "b", incarnation: "new", bus: "b:1", address: "b:2" };
const ASKED: RejoinRequest = {
  clusterId: "c1",
  formerIncarnation: "old",
  member: NEW,
  wantsVote: false,
  confirmed: true,
};

/** A leader whose changes take effect at once, unless `refuse` says why not. */
class FakeLeader implements DeskRuntime {
  members: readonly ClusterMember[] = [memberOf("a", "a1"), memberOf("b", "old")];
  leads = true;
  leader: string | undefined = "a";
  lastContactMs = 0;
  isConfirmed = true;
  refuse: ((change: MemberChange) => ChangeOutcome | undefined) | undefined;
  readonly changes: string[] = [];
  readonly connected = new Set<string>();
  readonly desk = new RejoinDesk({
    clusterId: "c1",
    electionTimeoutMs: 1_000,
    runtime: this,
    roster: () => ({ revision: 9, members: this.members }),
    isConnected: (id) => this.connected.has(id),
    log: { info() {} },
    throttle: { allows: () => true },
    now: () => 10_000,
  });

  get replica() {
    const { members, leads, leader, lastContactMs } = this;
    const heard = { id: "b", match: 1, durable: 1, lastContactMs, snapshotIndex: undefined };
    return { members, leads, raft: { id: "a", leader, status: () => [heard] } } as never;
  }

  input(act: Parameters<DeskRuntime["input"]>[0]): void {
    act({
      read: (waiter: (applied: number | undefined) => void) => {
        waiter(this.isConfirmed ? 1 : undefined);
      },
      change: (change: MemberChange, waiter: (outcome: ChangeOutcome) => void) => {
        waiter(this.refuse?.(change) ?? this.#perform(change));
      },
    } as never);
  }

  #perform(change: MemberChange): ChangeOutcome {
    this.changes.push(change.kind);
    if (change.kind === "remove") this.members = this.members.filter(({ id }) => id !== change.id);
    if (change.kind === "add") this.members = [...this.members, { ...change.member, voter: false }];
    if (change.kind === "promote") {
      const voting = (each: ClusterMember) =>
        each.id === change.id ? { ...each, voter: true } : each;
      this.members = this.members.map(voting);
    }
    return { kind: "done", index: 1 };
  }

  ask(change: Partial<RejoinRequest> = {}) {
    return this.desk.answer({ ...ASKED, ...change }, "10.0.0.2:5");
  }
}

describe("the desk of a leader", () => {
  test("takes a member back in one go, once that one has confirmed", async () => {
    const leader = new FakeLeader();
    expect(await leader.ask({ confirmed: false })).toMatchObject({
      verdict: "CONFIRM",
      wasVoter: true,
    });
    expect(leader.changes).toEqual([]);
    expect(await leader.ask()).toMatchObject({
      verdict: "DONE",
      formation: { clusterId: "c1", revision: 9, members: [{ id: "a" }, { ...NEW, voter: false }] },
    });
    expect(await leader.ask({ wantsVote: true })).toMatchObject({ verdict: "DONE" });
    expect(leader.changes).toEqual(["remove", "add", "promote"]);
  });

  test("goes on where a leader before it has stopped", async () => {
    const leader = new FakeLeader();
    leader.members = [memberOf("a", "a1")];
    expect(await leader.ask()).toMatchObject({ verdict: "DONE" });
    expect(leader.changes).toEqual(["add"]);
  });

  test("passes on why a change is refused, or not known to be done", async () => {
    const leader = new FakeLeader();
    leader.refuse = () => ({ kind: "refused", code: "state_conflict", message: "no quorum" });
    expect(await leader.ask()).toMatchObject({ verdict: "WAIT", reason: "no quorum" });
    leader.refuse = ({ kind }) =>
      kind === "add" ? { kind: "unknown", message: "not in time" } : undefined;
    expect(await leader.ask()).toMatchObject({ verdict: "WAIT", reason: "not in time" });
    leader.refuse = undefined;
    expect(await leader.ask()).toMatchObject({ verdict: "DONE" });
    expect(leader.changes).toEqual(["remove", "add"]);
  });

  test("waits while the former one is heard, connected, or the leader itself", async () => {
    const heard = new FakeLeader();
    heard.lastContactMs = 9_500;
    const connected = new FakeLeader();
    connected.connected.add("b");
    for (const leader of [heard, connected]) {
      expect(await leader.ask()).toMatchObject({
        verdict: "WAIT",
        reason: expect.stringContaining("still hears"),
      });
      expect(leader.changes).toEqual([]);
    }
    const itself = new FakeLeader();
    const member = { ...NEW, id: "a" };
    expect(await itself.ask({ member, formerIncarnation: "a1" })).toMatchObject({
      verdict: "WAIT",
    });
    expect(itself.changes).toEqual([]);
  });

  test("refuses whom an operator has removed or replaced, but only as a confirmed leader", async () => {
    const leader = new FakeLeader();
    leader.members = [memberOf("a", "a1")];
    leader.isConfirmed = false;
    const asked = { confirmed: false };
    expect(await leader.ask(asked)).toMatchObject({
      verdict: "WAIT",
      reason: expect.stringContaining("majority"),
    });
    leader.isConfirmed = true;
    expect(await leader.ask(asked)).toMatchObject({ verdict: "REFUSED" });
    leader.members = [memberOf("a", "a1"), memberOf("b", "third")];
    expect(await leader.ask()).toMatchObject({ verdict: "REFUSED" });
    expect(leader.changes).toEqual([]);
  });

  test("sends to the leader, if one is known", async () => {
    const follower = new FakeLeader();
    follower.leads = false;
    follower.leader = "b";
    expect(await follower.ask()).toMatchObject({ verdict: "ASK", leaderBus: "b:1" });
    follower.leader = undefined;
    expect(await follower.ask()).toMatchObject({
      verdict: "ASK",
      leaderBus: "",
      reason: "a knows no leader at the moment",
    });
  });

  test("has nothing to do with another cluster, nor with nonsense", async () => {
    const leader = new FakeLeader();
    expect(await leader.ask({ clusterId: "c2" })).toMatchObject({
      verdict: "WAIT",
      reason: expect.stringContaining("belongs to cluster c2"),
    });
    expect(await leader.ask({ member: null })).toMatchObject({ verdict: "REFUSED" });
    await expect(leader.ask({ member: { ...NEW, bus: "?" } })).rejects.toThrow("host:port");
    expect(leader.changes).toEqual([]);
  });

  test("works on one question of a node at a time", async () => {
    const leader = new FakeLeader();
    const [first, second] = await Promise.all([leader.ask(), leader.ask()]);
    expect([first.verdict, second.verdict]).toEqual(["DONE", "WAIT"]);
    expect(leader.changes).toEqual(["remove", "add"]);
  });
});
