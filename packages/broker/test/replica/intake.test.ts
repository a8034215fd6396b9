/** When new tasks are refused for want of room on the disks. */
import type { Message, MessageType } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { encodeCommand, type RunReport } from "../../src/queue/index.ts";
import { Intake } from "../../src/replica/intake.ts";
import { makeId, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { WALL } from "./harness.ts";

function setup(role: "leader" | "follower", voters = ["a", "b", "c"]) {
  const membership = { voters, learners: ["z"] };
  const leader = role === "leader" ? "a" : "b";
  const raft = { id: "a", role, term: 4, leader: leader as string | undefined, membership };
  const intake = new Intake(raft);
  const hear = (
    from: string,
    said: { diskLow?: boolean; intakeClosed?: boolean },
    { term = 4, type = "heartbeatReply" as MessageType } = {},
  ) => {
    const beacon = { wallMs: 0, applied: 0, effectHash: "0".repeat(16), priority: 1 };
    const flags = { diskLow: false, intakeClosed: false, ...said };
    intake.heard(from, { type, term } as Message, { ...beacon, ...flags });
  };
  return { raft, intake, hear };
}

const LOW = { diskLow: true };
const ROOM = { diskLow: false };
const CLOSED = { intakeClosed: true };

describe("a leader", () => {
  test("closes while its own disk is low", () => {
    const { intake } = setup("leader");
    expect(intake.isClosed).toBe(false);
    intake.diskLow(true);
    expect([intake.isLow, intake.isClosed, intake.closesForAll]).toEqual([true, true, true]);
    intake.diskLow(false);
    expect([intake.isLow, intake.isClosed, intake.closesForAll]).toEqual([false, false, false]);
  });

  test.each([
    [["a", "b", "c"], ["b"], false],
    [["a", "b", "c"], ["b", "c"], true],
    [["a", "b"], ["b"], true],
    [["a", "b", "c", "d", "e"], ["b", "c"], false],
    [["a", "b", "c", "d", "e"], ["b", "c", "e"], true],
    [["a", "b", "c"], ["z", "x"], false],
    [["a"], ["z"], false],
  ])("of %j whose disks %j are low: closed %s", (voters, low, isClosed) => {
    const { intake, hear } = setup("leader", voters);
    for (const id of low) hear(id, LOW);
    expect(intake.isClosed).toBe(isClosed);
  });

  test("opens when one of them has room again, or is no member any more", () => {
    const { intake, hear } = setup("leader");
    hear("b", LOW);
    hear("c", LOW);
    hear("b", ROOM);
    expect(intake.isClosed).toBe(false);
    hear("b", LOW);
    expect(intake.isClosed).toBe(true);
    intake.forget("c");
    expect(intake.isClosed).toBe(false);
  });

  test("does not mind what another calls closed", () => {
    const { intake, hear } = setup("leader");
    hear("b", CLOSED, { type: "heartbeat", term: 4 });
    expect(intake.isClosed).toBe(false);
  });
});

describe("a follower", () => {
  test("believes the heartbeats of the leader of its term, and nothing else", () => {
    const { intake, hear } = setup("follower");
    hear("c", CLOSED, { type: "heartbeat" });
    hear("b", CLOSED, { type: "heartbeat", term: 3 });
    hear("b", CLOSED);
    expect(intake.isClosed).toBe(false);
    hear("b", CLOSED, { type: "heartbeat" });
    expect([intake.isClosed, intake.closesForAll]).toEqual([true, false]);
    hear("b", {}, { type: "heartbeat", term: 3 });
    expect(intake.isClosed).toBe(true);
    hear("b", {}, { type: "heartbeat" });
    expect(intake.isClosed).toBe(false);
  });

  test("forgets it when another leads, or nobody, or the same one anew", () => {
    for (const change of [{ leader: "c" }, { leader: undefined }, { term: 5 }]) {
      const { raft, intake, hear } = setup("follower");
      hear("b", CLOSED, { type: "heartbeat" });
      Object.assign(raft, change);
      expect(intake.isClosed).toBe(false);
    }
  });

  test("leaves it to the leader what its own disk means", () => {
    const { intake } = setup("follower");
    intake.diskLow(true);
    expect([intake.isLow, intake.isClosed]).toEqual([true, false]);
  });
});

test("only new tasks and log lines are refused", () => {
  const { intake } = setup("leader");
  const id = makeId(1);
  intake.diskLow(true);
  const run = { id, token: 1, progress: "1", lines: [] };
  const lines = [{ level: "info", text: "" }] as const;
  const reportOf = (...runs: RunReport[]) => ({ type: "report", session: "s", runs }) as const;
  expect(intake.refuses(submitOf(id))).toBe(true);
  expect(intake.refuses(reportOf(run, { ...run, lines }))).toBe(true);
  for (const command of [
    { type: "lease", session: "s", count: 1 },
    { type: "cancel", id, reason: "" },
    { type: "retry", id },
    { type: "release", id, token: 1 },
    { type: "renew", sessions: ["s"] },
    reportOf(run),
  ] as const) {
    expect(intake.refuses(command as Parameters<typeof intake.refuses>[0])).toBe(false);
  }
});

describe("in a cluster", () => {
  let serial = 0;
  const submit = () => submitOf(makeId(++serial, WALL));
  const REFUSED = [{ kind: "refused", code: "disk_full" }];

  function closed() {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    leader.input((replica) => replica.diskLow(true));
    cluster.elapse(200);
    const follower = cluster.nodes.find((node) => node !== leader)!;
    return { cluster, leader, follower };
  }

  test("each node refuses at once, without a word to the leader", () => {
    const { cluster, follower } = closed();
    for (const node of cluster.nodes) {
      const outcomes = node.request(submit());
      node.turn();
      expect(outcomes).toMatchObject(REFUSED);
      expect(node.replica.intakeClosed).toBe(true);
    }
    expect(follower.forwarded).toBe(0);
  });

  test("only the leader says of itself that it closes, and each node that its disk is low", () => {
    const { cluster, leader, follower } = closed();
    const said = new Map<string, unknown>();
    cluster.watch = ({ id }, { envelopes }) => {
      for (const { beacon } of envelopes) {
        if (beacon !== undefined) said.set(id, [beacon.diskLow, beacon.intakeClosed]);
      }
    };
    cluster.elapse(200);
    expect(said.get(leader.id)).toEqual([true, true]);
    expect(said.get(follower.id)).toEqual([false, false]);
  });

  test("what was on its way when it closed is refused as soon as that is known", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    leader.input((replica) => replica.diskLow(true));
    const outcomes = follower.request(submit());
    cluster.elapse(10);
    expect([outcomes, follower.forwarded]).toEqual([[], 1]);
    cluster.elapse(200);
    expect(outcomes).toMatchObject(REFUSED);
    expect(follower.queue.counts().pending).toBe(0);
  });

  test("what a leader may have taken is never called refused", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    // Taken, but the answer gets lost; then it is sent again, and not taken that time.
    leader.lossy = true;
    const outcomes = follower.request(submit());
    cluster.elapse(50);
    leader.lossy = false;
    leader.input((replica) => replica.diskLow(true));
    cluster.elapse(4_000);
    expect(follower.queue.counts().pending).toBe(1);
    expect(outcomes).toEqual([]);
    cluster.elapse(2_000);
    expect(outcomes).toMatchObject([{ kind: "unknown" }]);
  });

  test("nor what came to the leader twice, once when it was open and once when not", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    const forward = { requestId: 9_000, command: encodeCommand(submit()) };
    const giveBack: unknown[] = [];
    cluster.watch = (_node, { forwardReplies }) => giveBack.push(...forwardReplies);
    leader.disk = "slow";
    leader.input((replica) => replica.forwards(follower.id, [forward]));
    cluster.settle();
    leader.input((replica) => replica.diskLow(true));
    leader.input((replica) => replica.forwards(follower.id, [forward]));
    cluster.settle();
    expect(giveBack).toMatchObject([{ replies: [{ outcome: { index: 3 } }] }]);
    const next = { ...forward, requestId: 9_001 };
    leader.input((replica) => replica.forwards(follower.id, [next]));
    cluster.settle();
    expect(giveBack[1]).toMatchObject({ replies: [{ requestId: 9_001, outcome: undefined }] });
    // Its numbers begin anew with another process.
    leader.input((replica) => replica.peer(follower.id, true));
    leader.input((replica) => replica.forwards(follower.id, [{ ...forward, requestId: 5 }]));
    cluster.settle();
    expect(giveBack[2]).toMatchObject({ replies: [{ requestId: 5, outcome: undefined }] });
  });

  test("the next leader knows by itself how the disks are", () => {
    const { cluster, leader, follower } = closed();
    const third = cluster.nodes.find((node) => node !== leader && node !== follower)!;
    third.input((replica) => replica.diskLow(true));
    cluster.elapse(200);
    leader.transfer(follower.id);
    cluster.elapse(300);
    expect(cluster.leader.id).toBe(follower.id);
    for (const node of cluster.nodes) expect(node.replica.intakeClosed).toBe(true);
    third.input((replica) => replica.diskLow(false));
    cluster.elapse(200);
    for (const node of cluster.nodes) expect(node.replica.intakeClosed).toBe(false);
    const outcomes = leader.request(submit());
    cluster.elapse(100);
    expect(outcomes).toMatchObject([{ kind: "applied" }]);
  });
});
