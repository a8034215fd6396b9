import type { Message, Raft } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { Agreement } from "../../src/replica/agreement.ts";
import { Beacons } from "../../src/replica/beacons.ts";
import { ClusterClock } from "../../src/replica/clock.ts";
import { Intake } from "../../src/replica/intake.ts";

const WALL = 1_000_000;

/** This node has applied entry 5, with hash `own`. */
function setup(role: Raft["role"]) {
  const leader = role === "leader" ? "a" : "b";
  const membership = { voters: ["a", "b", "c"], learners: [] };
  const raft = { id: "a", role, term: 4, leader, membership } as Partial<Raft> as Raft;
  const agreement = new Agreement({ index: 5, effectHash: "own" }, 1_000, () => ["a", "b", "c"]);
  const wishes: [string, number][] = [];
  let now = 0;
  const handover = { wish: 2, heard: (id: string, wish: number) => wishes.push([id, wish]) };
  const clock = new ClusterClock(0, WALL);
  const beacons = new Beacons(raft, clock, agreement, handover, new Intake(raft));
  const hear = (type: "heartbeat" | "heartbeatReply", from: string, term: number, hash: string) => {
    const message = { type, from, to: "a", term, round: 1, commit: 5 } as Message;
    const beacon = {
      wallMs: WALL,
      applied: 5,
      effectHash: hash,
      priority: 7,
      diskLow: false,
      intakeClosed: false,
    };
    return beacons.heard(from, message, beacon, now);
  };
  const elapse = (ms: number) => {
    now += ms;
  };
  return { agreement, beacons, elapse, hear, wishes };
}

describe("a follower", () => {
  test("must stop when it still differs from the leader of its term after a while", () => {
    const { elapse, hear } = setup("follower");
    expect(hear("heartbeat", "b", 4, "x")).toBeUndefined();
    elapse(1_000);
    expect(hear("heartbeat", "b", 4, "x")).toEqual({ index: 5, own: "own", leaders: "x" });
  });

  test("does not mind what anybody else says, least of all a leader of the past", () => {
    const { elapse, hear } = setup("follower");
    for (let times = 0; times < 2; times++) {
      expect(hear("heartbeat", "b", 3, "x")).toBeUndefined();
      expect(hear("heartbeat", "c", 4, "x")).toBeUndefined();
      expect(hear("heartbeatReply", "b", 4, "x")).toBeUndefined();
      elapse(1_000);
    }
  });
});

describe("a leader", () => {
  test("warns of a member that differs, and goes on", () => {
    const { agreement, beacons, hear } = setup("leader");
    expect(hear("heartbeatReply", "b", 4, "x")).toBeUndefined();
    expect(agreement.divergences).toBe(1);
    expect(beacons.takeNotes()).toMatchObject([{ level: "warn" }]);
    expect(beacons.takeNotes()).toEqual([]);
  });

  test("must stop when most differ from it", () => {
    const { hear } = setup("leader");
    hear("heartbeatReply", "b", 4, "x");
    const outvoted = { index: 5, own: "own", leaders: "x" };
    expect(hear("heartbeatReply", "c", 4, "x")).toEqual(outvoted);
  });

  test("learns how much each member wants to lead", () => {
    const { hear, wishes } = setup("leader");
    hear("heartbeatReply", "b", 4, "own");
    expect(wishes).toEqual([["b", 7]]);
  });
});
