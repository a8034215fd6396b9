/** What a node does about a disk that does not answer; the transcripts show whole clusters of it. */
import { describe, expect, test } from "vitest";
import { DiskWatch } from "../../src/replica/disk-watch.ts";
import {
  DISK_LATE_MS,
  DISK_RESIGN_MS,
  DISK_STALL_MS,
  FLUSH_STALL_MS,
} from "../../src/replica/limits.ts";
import { makeId, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { type NodeOptions, WALL } from "./harness.ts";

const STALL = DISK_STALL_MS;

/** A watch over a node that leads a cluster with these voters, and what it does. */
function setup({ voters = ["a", "b", "c"], electionTimeoutMs = 1_000 } = {}) {
  const raft = {
    role: "leader" as "leader" | "follower",
    id: "a",
    lastIndex: 7,
    membership: { voters, learners: [] },
    status: () => others.map((id) => ({ ...able, id, lastContactMs: now })),
    resign: () => {
      done.push("resign");
      raft.role = "follower";
    },
  };
  const able = { match: 7, durable: 7, snapshotIndex: undefined };
  const others = ["b", "c"];
  const done: string[] = [];
  const handover = {
    stalled: (isStalled: boolean) => done.push(isStalled ? "stalled" : "well"),
    hasSuccessor: () => isHeard.value,
  };
  const isHeard = { value: true };
  const watch = new DiskWatch(raft, handover, electionTimeoutMs);
  let now = 0;
  /** A turn at each moment at which one is due, or sooner. */
  const elapse = (ms: number, isFlushing = false): void => {
    const end = now + ms;
    while (now < end) {
      const due = watch.nextDeadline();
      if (due <= now) throw new Error(`it is due at ${due}, and it is ${now}`);
      now = Math.min(end, due);
      watch.run(isFlushing, now);
    }
  };
  /** The process sleeps. */
  const sleep = (ms: number): void => {
    now += ms;
  };
  const turn = (isFlushing = false) => watch.run(isFlushing, now);
  const handed = (seq: number) => watch.handed(seq, now);
  const written = (seq: number) => watch.written(seq, now);
  const notes = () => watch.takeNotes().map(({ text }) => text);
  return { watch, raft, able, others, done, isHeard, elapse, sleep, turn, handed, written, notes };
}

describe("a batch of the log", () => {
  test("that comes back in time is nothing to speak of", () => {
    const { watch, done, elapse, handed, written, notes } = setup();
    handed(1);
    expect(watch.owesLog).toBe(true);
    elapse(STALL - 1);
    written(1);
    elapse(10 * STALL);
    expect([watch.owesLog, watch.nextDeadline(), done, notes()]).toEqual([
      false,
      Number.POSITIVE_INFINITY,
      [],
      [],
    ]);
  });

  test("that does not makes a leader hand over, and then resign", () => {
    const { done, elapse, handed } = setup();
    handed(1);
    elapse(STALL - 1);
    expect(done).toEqual([]);
    elapse(1);
    expect(done).toEqual(["stalled"]);
    elapse(DISK_RESIGN_MS - 1);
    expect(done).toEqual(["stalled"]);
    elapse(1);
    expect(done).toEqual(["stalled", "resign"]);
    elapse(100 * STALL);
    expect(done).toEqual(["stalled", "resign"]);
  });

  test("makes it resign also when nobody is heard who could take over", () => {
    const { done, elapse, handed, isHeard } = setup();
    isHeard.value = false;
    handed(1);
    elapse(STALL + DISK_RESIGN_MS);
    expect(done).toEqual(["stalled", "resign"]);
  });

  test("has longer in a cluster whose elections are patient", () => {
    const { done, elapse, handed } = setup({ electionTimeoutMs: 3_000 });
    handed(1);
    elapse(5_999);
    expect(done).toEqual([]);
    elapse(1);
    expect(done).toEqual(["stalled"]);
  });

  test("one after another, each in less time, is a slow disk, not one that hangs", () => {
    const { done, elapse, handed, written } = setup();
    for (const seq of [1, 2, 3, 4]) handed(seq);
    for (const seq of [1, 2, 3, 4]) {
      elapse(STALL - 1);
      written(seq);
    }
    expect(done).toEqual([]);
  });

  test("is not answered by what was answered before", () => {
    const { done, elapse, handed, written } = setup();
    handed(1);
    written(1);
    handed(2);
    elapse(STALL - 1);
    written(1);
    elapse(1);
    expect(done).toEqual(["stalled"]);
  });

  test("that comes back at last ends it, and is told once as it was before", () => {
    const { done, elapse, handed, written, turn, notes } = setup();
    handed(1);
    elapse(STALL);
    expect(notes()).toEqual([expect.stringContaining("the disk has not answered for 2.0 s")]);
    elapse(500);
    written(1);
    turn();
    expect(done).toEqual(["stalled", "well"]);
    expect(notes()).toEqual(["the disk answers again, after 2.5 s"]);
    elapse(10 * STALL);
    expect([done, notes()]).toEqual([["stalled", "well"], []]);
    handed(2);
    elapse(STALL);
    expect(done).toEqual(["stalled", "well", "stalled"]);
  });

  test("does not count what a process slept that finds the answer when it wakes up", () => {
    const { done, sleep, turn, elapse, handed, written } = setup();
    handed(1);
    sleep(10 * STALL);
    turn();
    elapse(DISK_LATE_MS - 1);
    expect(done).toEqual([]);
    written(1);
    turn();
    elapse(10 * STALL);
    expect(done).toEqual([]);
  });

  test("counts it when there is no answer then", () => {
    const { done, sleep, turn, elapse, handed } = setup();
    handed(1);
    sleep(10 * STALL);
    turn();
    elapse(DISK_LATE_MS);
    expect(done).toEqual(["stalled"]);
  });

  test("of a follower makes it want no office, and nothing else", () => {
    const { done, raft, elapse, handed } = setup();
    raft.role = "follower";
    handed(1);
    elapse(100 * STALL);
    expect(done).toEqual(["stalled"]);
  });
});

describe("a flush", () => {
  test("that does not come back makes a leader hand over, and resign if another is heard", () => {
    const { done, elapse, turn } = setup();
    turn(true);
    elapse(FLUSH_STALL_MS - 1, true);
    expect(done).toEqual([]);
    elapse(1, true);
    expect(done).toEqual(["stalled"]);
    elapse(DISK_RESIGN_MS, true);
    expect(done).toEqual(["stalled", "resign"]);
  });

  test("makes nobody resign who alone can go on acknowledging", () => {
    const { done, elapse, turn, isHeard } = setup();
    isHeard.value = false;
    turn(true);
    elapse(20 * FLUSH_STALL_MS, true);
    expect(done).toEqual(["stalled"]);
    isHeard.value = true;
    elapse(DISK_RESIGN_MS, true);
    expect(done).toEqual(["stalled", "resign"]);
  });

  test("right behind another one has time of its own", () => {
    const { done, elapse, turn, watch } = setup();
    turn(true);
    for (let i = 0; i < 5; i++) {
      elapse(FLUSH_STALL_MS - 1, true);
      watch.flushed();
      turn(true);
    }
    expect(done).toEqual([]);
  });

  test("that still hangs keeps a node stalled when the log has come back", () => {
    const { done, elapse, turn, handed, written } = setup();
    turn(true);
    elapse(FLUSH_STALL_MS - STALL, true);
    handed(1);
    elapse(STALL, true);
    written(1);
    turn(true);
    expect(done).toEqual(["stalled"]);
    turn(false);
    expect(done).toEqual(["stalled", "well"]);
  });
});

describe("a leader whose disk hangs stays while the others", () => {
  test("do not have on disk either what it owes: their disks are no better", () => {
    const { able, done, elapse, handed } = setup();
    able.durable = 6;
    handed(1);
    elapse(10 * STALL);
    expect(done).toEqual([]);
    able.durable = 7;
    elapse(DISK_LATE_MS);
    expect(done).toEqual(["stalled"]);
  });

  test("are no quorum without it", () => {
    const { done, elapse, handed, others } = setup();
    others.pop();
    handed(1);
    elapse(10 * STALL);
    expect(done).toEqual([]);
    others.push("c");
    elapse(DISK_LATE_MS);
    expect(done).toEqual(["stalled"]);
  });

  test("become unable before it has resigned", () => {
    const { done, elapse, handed, others } = setup();
    handed(1);
    elapse(STALL);
    others.pop();
    elapse(10 * DISK_RESIGN_MS);
    expect(done).toEqual(["stalled"]);
  });
});

describe("the only voter", () => {
  test("stays leader, and says that writes wait", () => {
    const { done, elapse, handed, notes } = setup({ voters: ["a"] });
    handed(1);
    elapse(100 * STALL);
    expect(done).toEqual([]);
    expect(notes()).toEqual([expect.stringContaining("writes wait for it")]);
  });

  test("that is not the only one any more hands over", () => {
    const { done, elapse, turn, handed, raft } = setup({ voters: ["a"] });
    handed(1);
    elapse(STALL);
    raft.membership.voters.push("b", "c");
    turn();
    expect(done).toEqual(["stalled"]);
    elapse(DISK_RESIGN_MS);
    expect(done).toEqual(["stalled", "resign"]);
  });
});

describe("in a cluster", () => {
  let serial = 0;
  const submit = () => submitOf(makeId(++serial, WALL));

  function hanging(options?: (id: string) => NodeOptions) {
    const cluster = new Cluster(3, "durable", options);
    const leader = cluster.elect();
    leader.disk = "slow";
    leader.holdFlushes = true;
    leader.request(submit());
    cluster.settle();
    return { cluster, leader };
  }

  test("another leader acknowledges writes within five seconds, also if none is handed to", () => {
    for (const lost of [undefined, "timeoutNow"]) {
      const { cluster, leader } = hanging();
      if (lost !== undefined) cluster.lost.add(lost);
      const hangs = cluster.now;
      const other = cluster.nodes.find(({ id }) => id !== leader.id)!;
      const outcomes = [];
      while (outcomes.length === 0 && cluster.now - hangs < 5_000) {
        outcomes.push(...other.request(submit()).filter(({ kind }) => kind === "applied"));
        cluster.elapse(100);
        if (cluster.leader?.id === leader.id || cluster.leader === undefined) continue;
        const write = other.request(submit());
        cluster.elapse(50);
        outcomes.push(...write);
      }
      expect(outcomes).toMatchObject([{ kind: "applied" }]);
      expect(leader.replica.leads).toBe(false);
    }
  });

  test("no read is confirmed by a leader that has resigned", () => {
    const { cluster, leader } = hanging();
    cluster.lost.add("timeoutNow");
    cluster.elapse(STALL + DISK_RESIGN_MS);
    expect(leader.replica.raft.leader).toBeUndefined();
    const answers: (number | undefined)[] = [];
    leader.input((replica) => replica.read((applied) => answers.push(applied), true, 0));
    cluster.settle();
    expect(answers).toEqual([]);
  });

  test("a node that drains wants no office either when its disk answers again", () => {
    const { cluster, leader } = hanging();
    leader.input((replica) => replica.drain());
    cluster.elapse(STALL + 500);
    leader.resume();
    cluster.elapse(500);
    const outcomes = cluster.leader.transfer(leader.id);
    cluster.settle();
    expect(outcomes).toMatchObject([{ kind: "refused", code: "state_conflict" }]);
    for (const { id } of cluster.nodes) if (id !== leader.id) cluster.cut.add(id);
    cluster.elapse(10_000);
    expect(leader.replica.raft.role).toBe("follower");
  });

  test("with the flush of the leader hung and nobody else there, it goes on acknowledging", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    leader.holdFlushes = true;
    for (const node of cluster.nodes) if (node !== leader) node.holdFlushes = true;
    leader.request(submit());
    cluster.elapse(FLUSH_STALL_MS + 3 * DISK_RESIGN_MS);
    const write = leader.request(submit());
    cluster.settle();
    expect(write).toMatchObject([{ kind: "applied" }]);
    expect(cluster.leader.id).toBe(leader.id);
  });

  test("flushes that follow each other without a break are no disk that hangs", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    leader.holdFlushes = true;
    leader.request(submit());
    for (let flushes = 0; flushes < 5; flushes++) {
      cluster.elapse(FLUSH_STALL_MS / 2);
      leader.request(submit());
      cluster.elapse(FLUSH_STALL_MS / 4);
      leader.flushed();
      leader.holdFlushes = true;
      leader.turn();
      expect(leader.isFlushing).toBe(true);
    }
    expect(leader.replica.leads).toBe(true);
    expect(leader.notes).toEqual([]);
  });

  test("the process is never kept busy by it", () => {
    const { cluster } = hanging();
    for (const node of cluster.nodes) {
      node.disk = "slow";
      node.holdFlushes = true;
    }
    cluster.nodes[1]!.request(submit());
    for (let left = 8_000; left > 0; left -= 10) {
      cluster.elapse(10);
      for (const { replica } of cluster.nodes) {
        expect(replica.nextDeadline()).toBeGreaterThan(cluster.now);
      }
    }
  });
});
