/** When a node calls itself ready, and why not; and how a leader hands over before it stops. */
import { describe, expect, test } from "vitest";
import { handOver } from "../src/hand-over.ts";
import { LeaderProgress } from "../src/leader-progress.ts";
import { nodeStatus } from "../src/node-status.ts";
import type { Envelope } from "../src/ports.ts";
import type { NodeReplica, Runtime } from "../src/runtime.ts";

const MEMBERS = ["a", "b"].map((id) => {
  return { id, incarnation: id, bus: `${id}:1`, address: `${id}:2`, voter: true };
});

function replicaOf(raft: object, applied: number, leads = false): NodeReplica {
  const given = { id: "b", role: "follower", term: 3, commit: applied, lastIndex: applied };
  return {
    raft: { ...given, leader: "a", status: () => [], ...raft },
    queue: { applied, effectHash: "00" },
    members: MEMBERS,
    leads,
  } as unknown as NodeReplica;
}

test.each(["a", "b"])("a learner is one on every member's page, here that of %s", (id) => {
  const members = MEMBERS.map((member) => ({ ...member, voter: member.id !== "b" }));
  const replica = { ...replicaOf({ id }, 3), members } as unknown as NodeReplica;
  const { members: shown } = statusOf(replica, hearing(3));
  expect(shown.map(({ role }) => role)).toEqual(["leader", "learner"]);
});

test("a node is not ready while its cluster is being founded", () => {
  const withVersion = (version: number) => {
    const queue = { applied: 3, effectHash: "00", version };
    const founding = { ...replicaOf({}, 3, true), clusterVersion: 3, queue };
    return reason(founding as unknown as NodeReplica, hearing(3));
  };
  expect([withVersion(1), withVersion(3)]).toEqual(["the cluster is being founded", ""]);
});

function heartbeat(from: string, applied: number): Envelope {
  const message = { type: "heartbeat", from, to: "b", term: 3, commit: 0, round: 1 } as const;
  return {
    message,
    beacon: {
      wallMs: 0,
      applied,
      effectHash: "00",
      priority: 0,
      diskLow: false,
      intakeClosed: false,
    },
  };
}

function statusOf(
  replica: NodeReplica,
  leader: LeaderProgress,
  given: { receiving?: boolean; draining?: boolean } = {},
) {
  const facts = {
    clusterId: "c",
    version: "1",
    walSyncIntervalMs: 0,
    isConnected: () => true,
    programOf: (id: string) => `of ${id}`,
    leader,
    isDraining: () => given.draining ?? false,
  };
  return nodeStatus({ replica, isReceivingSnapshot: given.receiving ?? false }, facts);
}

function reason(...given: Parameters<typeof statusOf>): string {
  const status = statusOf(...given);
  expect(status.ready).toBe(status.reason === "");
  return status.reason;
}

function hearing(...applied: number[]): LeaderProgress {
  const progress = new LeaderProgress();
  for (const each of applied) progress.heard("a", heartbeat("a", each));
  return progress;
}

describe("a node is ready", () => {
  test("when it has all that the leader had when it was first heard", () => {
    const progress = hearing(500, 520);
    expect(reason(replicaOf({}, 499), progress)).toBe(
      "catching up: 21 entries are not yet applied",
    );
    expect(reason(replicaOf({}, 500), progress)).toBe("");
  });

  test("and does not fall far behind, by what the leader says, not by its own commit index", () => {
    const progress = hearing(500, 5_000);
    expect(reason(replicaOf({}, 600), progress)).toContain("catching up: 4400 entries");
    expect(reason(replicaOf({}, 4_500), progress)).toBe("");
  });

  test("not before it has heard a leader say how far it is", () => {
    expect(reason(replicaOf({}, 600), hearing())).toContain("catching up");
    expect(reason(replicaOf({ leader: undefined }, 600), hearing(600))).toBe("no leader is known");
  });

  test("as leader by itself, however far a former leader was", () => {
    expect(reason(replicaOf({ role: "leader", leader: "b" }, 600, true), hearing(700))).toBe("");
  });

  test("not while it receives a snapshot or is about to stop", () => {
    const replica = replicaOf({}, 600);
    expect(reason(replica, hearing(600), { receiving: true })).toBe("receiving a snapshot");
    expect(reason(replica, hearing(600), { draining: true })).toContain("shutting down");
  });
});

test("members show the version of their programs, as far as it is known", () => {
  const facts = {
    clusterId: "c",
    version: "1",
    walSyncIntervalMs: 0,
    isConnected: () => true,
    programOf: (id: string) => `of ${id}`,
    leader: hearing(600),
    isDraining: () => false,
  };
  const runtime = { replica: replicaOf({}, 600), isReceivingSnapshot: false };
  const shown = nodeStatus(runtime, facts).members.map(({ id, version }) => [id, version]);
  expect(shown).toEqual([
    ["a", "of a"],
    ["b", "1"],
  ]);
});

test("a new leader's word replaces that of the former one", () => {
  const progress = hearing(900);
  progress.heard("b", heartbeat("b", 700));
  expect([progress.appliedBy("b"), progress.appliedBy("a"), progress.firstHeard]).toEqual([
    700, 0, 900,
  ]);
  progress.heard("b", { message: heartbeat("b", 1).message, beacon: undefined });
  expect(progress.appliedBy("b")).toBe(700);
});

/** A runtime whose leadership the test changes. */
function leading(members = MEMBERS) {
  const listeners = new Set<() => void>();
  const raft = { id: "b", leader: "b" as string | undefined };
  const replica = { raft, members, leads: true, drained: 0, drain: () => replica.drained++ };
  const runtime = {
    replica,
    closed: false,
    input: (act: (it: typeof replica) => void) => act(replica),
    onLeadership: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const change = (leader: string | undefined): void => {
    raft.leader = leader;
    replica.leads = leader === "b";
    for (const listener of [...listeners]) listener();
  };
  return { runtime: runtime as unknown as Runtime, replica, change, listeners };
}

describe("before it stops a leader", () => {
  test("waits until another one leads", async () => {
    const { runtime, replica, change, listeners } = leading();
    let over = false;
    const done = handOver(runtime, 60_000).finally(() => {
      over = true;
    });
    expect(replica.drained).toBe(1);
    change(undefined);
    await Promise.resolve();
    expect(over).toBe(false);
    change("a");
    expect(await done).toBe(true);
    expect(listeners.size).toBe(0);
  });

  test("waits no longer than it may", async () => {
    const { runtime, listeners } = leading();
    expect(await handOver(runtime, 5)).toBe(false);
    expect(listeners.size).toBe(0);
  });

  test("has nobody to wait for when it is alone, or when it does not lead", async () => {
    expect(await handOver(leading(MEMBERS.slice(1)).runtime, 2 ** 30)).toBe(false);
    const follower = leading();
    follower.change("a");
    expect(await handOver(follower.runtime, 2 ** 30)).toBe(true);
    expect(follower.replica.drained).toBe(1);
  });
});
