import { describe, expect, test, vi } from "vitest";
import { type Command, DEFAULT_SETTINGS } from "../../src/queue/index.ts";
import {
  ENTRIES_UNCOMMITTED_MAX,
  FLUSH_ENTRIES_MAX,
  FLUSH_OVERDUE_MS,
  QUEUED_BYTES_MAX,
  REQUEST_DEADLINE_MS,
} from "../../src/replica/limits.ts";
import { completeOf, makeId, registerOf, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { type TestNode, WALL } from "./harness.ts";

let serial = 0;
const submit = () => submitOf(makeId(++serial, WALL));

/** A leader with a worker session `w1` that is willing to hold `window` tasks. */
function withWorker(cluster: Cluster, window: number, leaseMs = 30_000): TestNode {
  const node = cluster.elect();
  node.request(registerOf("w1", { leaseMs }));
  cluster.settle();
  attach(node, window);
  return node;
}

function attach(node: TestNode, window: number): void {
  node.input((replica) => {
    replica.attach("w1", []);
    replica.setWindow("w1", window);
  });
}

/** Completes all that the session holds, as its worker would. */
function completions(node: TestNode): Command[] {
  return node.queue.leases("w1").map(({ id, token }) => completeOf(id, token));
}

describe("a leader whose followers do not answer", () => {
  test("keeps writes out of the log, and promises that those were not done", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    for (const { id } of cluster.nodes) if (id !== leader.id) cluster.cut.add(id);
    const outcomes = [];
    for (let i = 0; i < 20; i++) {
      outcomes.push(leader.request(submit()));
      cluster.settle();
    }
    const { raft } = leader.replica;
    expect(raft.lastIndex - raft.commit).toBe(ENTRIES_UNCOMMITTED_MAX);
    cluster.elapse(REQUEST_DEADLINE_MS + 100);
    const kinds = outcomes.map(([outcome]) => outcome?.kind);
    const unknown = Array(ENTRIES_UNCOMMITTED_MAX).fill("unknown");
    const refused = Array(20 - ENTRIES_UNCOMMITTED_MAX).fill("refused");
    expect(kinds).toEqual([...unknown, ...refused]);
  });
});

describe("credit", () => {
  test("a task that an operator took back is not given to the same worker before it answers", () => {
    const cluster = new Cluster(1);
    const node = withWorker(cluster, 1);
    node.change({ kind: "raise", to: 4 });
    const task = submit();
    node.request(task);
    cluster.settle();
    node.request({ type: "recall", id: task.id, token: 1 });
    cluster.settle();
    expect(node.queue.leaseCount("w1")).toBe(0);
    node.input((replica) => replica.setWindow("w1", 1));
    cluster.settle();
    expect(node.queue.leases("w1")).toMatchObject([{ token: 2 }]);
  });

  test("a task that is submitted goes out in the same entry, and its completion makes room", () => {
    const cluster = new Cluster(1);
    const node = withWorker(cluster, 1);
    node.request(submit());
    node.request(submit());
    cluster.settle();
    expect(node.delivered.get("w1")).toEqual([1]);
    for (const command of completions(node)) node.request(command, "w1");
    cluster.settle();
    expect(node.delivered.get("w1")).toEqual([1, 2]);
  });

  test("never exceeds the window while completions are applied", () => {
    const cluster = new Cluster(1);
    const node = withWorker(cluster, 4);
    for (let i = 0; i < 40; i++) node.request(submit());
    cluster.settle();
    expect(node.queue.leaseCount("w1")).toBe(4);
    for (const command of completions(node)) node.request(command, "w1");
    cluster.settle();
    expect(node.queue.leaseCount("w1")).toBe(4);
  });

  test("is not won twice by reports that are sent again", () => {
    const cluster = new Cluster(1);
    const node = withWorker(cluster, 2);
    for (let i = 0; i < 10; i++) node.request(submit());
    cluster.settle();
    const reports = completions(node);
    for (const command of reports) node.request(command, "w1");
    cluster.settle();
    node.disk = "slow";
    for (const command of reports) node.request(command, "w1");
    cluster.settle();
    node.write();
    cluster.settle();
    expect(node.queue.leaseCount("w1")).toBe(2);
  });
});

describe("a session that completes with children", () => {
  /** Its one run is under way, two tasks wait for it, and of `full` one more task is too many. */
  function withRun() {
    const cluster = new Cluster(1);
    const node = cluster.elect();
    node.change({ kind: "raise", to: 3 });
    cluster.settle();
    const settings = { ...DEFAULT_SETTINGS, depthLimit: 1 };
    node.request({ type: "configureQueue", queue: "full", settings });
    node.request(submitOf(makeId(++serial, WALL), { queue: "full", type: "other" }));
    withWorker(cluster, 1);
    for (let i = 0; i < 3; i++) node.request(submit());
    cluster.settle();
    const [run] = completions(node);
    const complete = (queue: string) => {
      const { type: _, ...child } = submitOf(makeId(++serial, WALL), { queue, type: "other" });
      const outcomes = node.request({ ...run, children: [child] } as Command, "w1");
      cluster.settle();
      return outcomes;
    };
    return { node, complete };
  }

  test("is given nothing more while it is refused for their sake", () => {
    const { node, complete } = withRun();
    for (let tries = 0; tries < 3; tries++) {
      expect(complete("full")).toMatchObject([{ reply: { code: "queue_full" } }]);
      expect(node.queue.leaseCount("w1")).toBe(1);
    }
    expect(node.delivered.get("w1")).toEqual([1]);
  });

  test("is given the next one once it has been applied", () => {
    const { node, complete } = withRun();
    expect(complete("default")).toMatchObject([{ reply: { code: "ok" } }]);
    expect(node.delivered.get("w1")).toEqual([1, 2]);
  });
});

describe("a session that is attached anew", () => {
  /** Its one task's content is on disk only, and was asked for. */
  function withColdTask() {
    const cluster = new Cluster(1);
    const node = withWorker(cluster, 0);
    node.request(submit());
    cluster.elapse(200);
    node.input((replica) => replica.setWindow("w1", 1));
    cluster.settle();
    expect(node.loads).toHaveLength(1);
    return { cluster, node };
  }

  test("gets a lease once, though its content was loaded for the connection before as well", () => {
    const { cluster, node } = withColdTask();
    attach(node, 1);
    cluster.settle();
    for (const load of [...node.loads]) node.load(load);
    cluster.settle();
    expect(node.delivered.get("w1")).toEqual([1]);
  });

  test("gets a lease once, though a delivery was on its way in the same turn", () => {
    const { cluster, node } = withColdTask();
    for (const load of [...node.loads]) node.load(load);
    attach(node, 1);
    cluster.settle();
    for (const load of [...node.loads]) node.load(load);
    cluster.settle();
    expect(node.delivered.get("w1")).toEqual([1]);
  });

  test("never waits for a content that the disk does not have: that is damage", () => {
    const { node } = withColdTask();
    node.store.records.clear();
    expect(() => node.load(node.loads[0]!)).toThrow("missing from the store");
  });
});

test("a heartbeat that comes before the lease is over saves it, committed or not", () => {
  const cluster = new Cluster(1);
  const node = withWorker(cluster, 1, 5_000);
  node.request(submit());
  cluster.settle();
  cluster.elapse(4_900);
  node.input((replica) => replica.beat("w1"));
  cluster.elapse(300);
  expect(node.queue.leaseCount("w1")).toBe(1);
  expect(node.renewed).toEqual(["w1"]);
});

test("a lapse that one command cannot end is proposed until it has, and grants nothing", () => {
  const cluster = new Cluster(1);
  const leader = cluster.elect();
  leader.change({ kind: "raise", to: 3 });
  cluster.settle();
  const node = withWorker(cluster, 3_000, 5_000);
  for (let count = 0; count < 2_500; count++) node.request(submit());
  cluster.settle();
  expect(node.queue.leaseCount("w1")).toBe(2_500);
  const granted = node.delivered.get("w1")!.length;
  const due = vi.spyOn(node.queue, "dueCommands");
  cluster.elapse(6_000);
  const demanded = due.mock.results.flatMap(({ value }) => value as Command[]);
  expect(demanded.filter(({ type }) => type === "lapse")).toHaveLength(3);
  expect(node.queue.session("w1")).toBeUndefined();
  expect(node.queue.counts()).toMatchObject({ running: 0, pending: 2_500 });
  expect(node.delivered.get("w1")).toHaveLength(granted);
});

describe("a log that is fsynced later", () => {
  test("takes the next entry though the fsync that has ended was for an earlier one", () => {
    const cluster = new Cluster(1, "match");
    const node = cluster.elect();
    node.disk = "interval";
    node.request(submit());
    cluster.settle();
    const { writtenSeq } = node;
    node.request(submit());
    cluster.settle();
    node.input((replica) => replica.persisted(writtenSeq, true));
    const outcomes = node.request(submit());
    cluster.settle();
    expect(outcomes).toMatchObject([{ kind: "applied" }]);
  });

  test("is fsynced early when a flush has waited too long for it", () => {
    const cluster = new Cluster(1, "match");
    const node = cluster.elect();
    node.disk = "interval";
    const flushes = node.flushes.length;
    const write = () => {
      const outcomes = node.request(submit());
      cluster.elapse(50);
      return outcomes;
    };
    while (node.syncsWanted === 0 && cluster.now < 10 * FLUSH_OVERDUE_MS) write();
    expect(node.syncsWanted).toBeGreaterThan(0);
    expect(node.flushes).toHaveLength(flushes);
    const held = write();
    expect(held).toEqual([]);
    node.sync();
    cluster.settle();
    expect(node.flushes).toHaveLength(flushes + 1);
    expect(held).toMatchObject([{ kind: "applied" }]);
  });
});

test("no flush is newer than the log on disk", () => {
  const cluster = new Cluster(3);
  const leader = cluster.elect();
  leader.disk = "slow";
  for (let i = 0; i < 40; i++) {
    leader.request(submit());
    cluster.elapse(20);
    if (i % 3 === 0) leader.write();
    cluster.settle();
    const mark = leader.flushes.at(-1)?.mark;
    expect(mark?.applied ?? 0).toBeLessThanOrEqual(leader.replica.raft.durableIndex);
    expect(mark?.applied).toBe(mark?.logDurable.index);
  }
  expect(leader.flushes.length).toBeGreaterThan(1);
});

test("entries that change nothing are flushed now and then: their log must not grow for ever", () => {
  const cluster = new Cluster(1);
  const node = cluster.elect();
  cluster.elapse(200);
  const { length } = node.flushes;
  for (let i = 0; i < FLUSH_ENTRIES_MAX + 10; i++) {
    node.request({ type: "cancel", id: makeId(9_999_999), reason: "" });
    cluster.settle();
  }
  cluster.elapse(200);
  expect(node.flushes).toHaveLength(length + 1);
});

describe("a write on a node that does not lead", () => {
  test("is answered once", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    const outcomes = follower.request(submit());
    cluster.settle();
    expect(outcomes).toMatchObject([{ kind: "applied", reply: { code: "ok", duplicate: false } }]);
  });

  test("is sent again when the network has lost it", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    follower.lossy = true;
    const outcomes = follower.request(submit());
    cluster.elapse(500);
    expect(outcomes).toEqual([]);
    follower.lossy = false;
    cluster.elapse(1_000);
    expect(outcomes).toMatchObject([{ kind: "applied" }]);
  });

  test("goes to the next leader when the first is lost, and is done once", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    leader.lossy = true;
    const outcomes = follower.request(submit());
    cluster.settle();
    expect(leader.queue.counts().pending).toBe(1);
    cluster.cut.add(leader.id);
    cluster.elapse(4_000);
    expect(outcomes).toMatchObject([{ kind: "applied", reply: { code: "ok", duplicate: true } }]);
    expect(cluster.leader.queue.counts().pending).toBe(1);
  });

  test("does not go to and fro while the leader has no room for it", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    leader.disk = "slow";
    leader.request(submit());
    cluster.settle();
    const result = new Uint8Array(QUEUED_BYTES_MAX);
    leader.request({ ...completeOf(makeId(1), 1), result });
    const outcomes = follower.request(submit());
    cluster.elapse(40);
    expect(follower.forwarded).toBeLessThanOrEqual(2);
    leader.write();
    leader.disk = "instant";
    cluster.elapse(200);
    expect(outcomes).toMatchObject([{ kind: "applied" }]);
  });
});
