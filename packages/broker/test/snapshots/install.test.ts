/**
 * A runtime that is sent a snapshot goes on with it: state, queue and log change together, whatever
 * the disk was doing, and a crash between any two writes leaves one of the two, never a mixture.
 */
import type { Message } from "task-queue-raft";
import { afterEach, describe, expect, test } from "vitest";
import { bootReplica } from "../../src/boot.ts";
import { LocalBroker } from "../../src/local-broker.ts";
import type { Bus, Envelope } from "../../src/ports.ts";
import { encodeBatch } from "../../src/queue/index.ts";
import { Runtime } from "../../src/runtime.ts";
import { encodeRequest } from "../../src/snapshots/request.ts";
import { MemoryIdentityStore } from "../../src/storage/memory-identity-store.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { MemoryStateDirectory } from "../../src/storage/memory-state-directory.ts";
import { redoReset } from "../../src/storage/redo-reset.ts";
import { makeId, RETRY, START, submitOf } from "../queue/harness.ts";
import {
  CLUSTER,
  digestOf,
  directly,
  FilledNode,
  filledNode,
  LOGGER,
  nextTurn,
  sourceOf,
} from "./harness.ts";

const MEMBERS = ["a", "b", "c"].map((id) => {
  return { id, incarnation: id, bus: `${id}:1`, address: `${id}:2`, voter: true };
});

/** What a node keeps over a crash. */
interface Disk {
  readonly identity: MemoryIdentityStore;
  readonly log: MemoryLogStore;
  readonly states: MemoryStateDirectory;
}

function emptyDisk(): Disk {
  const identity = new MemoryIdentityStore({
    nodeId: "b",
    incarnation: "b",
    formation: { clusterId: CLUSTER, revision: 0, members: MEMBERS },
    founded: true,
    boots: 1,
    hardState: { term: 0, vote: undefined },
  });
  return { identity, log: new MemoryLogStore(), states: new MemoryStateDirectory() };
}

/** What a start finds after the end of a node, at whatever point that came. */
async function afterCrash({ identity, log, states }: Disk): Promise<Disk> {
  const found = {
    identity: new MemoryIdentityStore(identity.identity),
    log: log.reopened(),
    states: states.reopened(),
  };
  await redoReset(found.log, found.states.installed);
  return found;
}

const running: Runtime[] = [];

afterEach(async () => {
  for (const runtime of running.splice(0)) await runtime.close();
});

async function start(disk: Disk, leader: FilledNode) {
  const faults: unknown[] = [];
  const sent: Message[] = [];
  const rosters: number[] = [];
  const { source } = sourceOf(leader);
  const bus: Bus = {
    send: ({ message }) => sent.push(message),
    forward() {},
    forwardReply() {},
    fetchSnapshot: directly(source),
    setRoster: ({ revision }) => rosters.push(revision),
    async close() {},
  };
  const replica = await bootReplica({
    ...disk,
    identity: disk.identity.identity,
    formation: { clusterId: CLUSTER, revision: 0, members: MEMBERS },
    self: MEMBERS[1]!,
    state: disk.states.live,
    settings: { retry: RETRY, depthLimit: 0, snapshotEntries: 100, priority: 0 },
    electionTimeoutMs: 60_000,
    heartbeatIntervalMs: 100,
    commitUnsynced: false,
  });
  const runtime = new Runtime({
    ...disk,
    replica,
    clusterId: CLUSTER,
    bus,
    raiseFormat: async () => {},
    walSyncIntervalMs: 0,
    logger: LOGGER,
    onFatal: (_what, error) => faults.push(error),
    onRemoved: () => faults.push("removed"),
    onLost: (reason) => faults.push(reason),
  });
  running.push(runtime);
  runtime.start();
  const facts = {
    clusterId: CLUSTER,
    version: "1",
    walSyncIntervalMs: 0,
    isConnected: () => true,
    programOf: () => "",
    leader: { appliedBy: () => 0, firstHeard: 0 },
    isDraining: () => false,
  };
  const broker = new LocalBroker(runtime, facts, () => Promise.reject(new Error("no")));
  const hear = (envelope: Envelope): void => runtime.input((it) => it.receive("a", envelope));
  return { runtime, broker, disk, faults, sent, rosters, hear };
}

type Started = Awaited<ReturnType<typeof start>>;

/** What the leader `a` of term 1 says. */
const says = (message: object): Envelope => {
  const addressed = { from: "a", to: "b", term: 1, ...message } as Message;
  return { message: addressed, beacon: undefined };
};
const fetchFrom = (index: number) => says({ type: "installSnapshot", index, sources: ["a"] });

/** The log of the leader grows by one entry that `b` gets to see, committed. */
function appendAfter(leader: FilledNode, serial: number): Envelope {
  const { term, index } = leader.log.last;
  const data = encodeBatch({ at: START, commands: [submitOf(makeId(serial))] });
  const entries = [{ term: 1, index: index + 1, kind: "normal" as const, data }];
  return says({ type: "append", prev: { term, index }, entries, commit: index + 1 });
}

const reaches = (node: Started, index: number) => {
  return expect.poll(() => node.runtime.replica.queue.applied, { timeout: 20_000 }).toBe(index);
};

describe("a snapshot that the leader wants fetched", () => {
  test("replaces state, queue and log, and the leader hears of it", async () => {
    const leader = await filledNode(300);
    const node = await start(emptyDisk(), leader);
    const former = node.runtime.state;
    node.hear(fetchFrom(1));
    const { index, term, chain } = await leader.base;
    await reaches(node, index);
    await expect.poll(() => node.disk.log.base).toEqual({ index, term });
    expect(await node.disk.log.chainAt(index)).toBe(chain);
    expect(node.runtime.state).not.toBe(former);
    expect(node.disk.states.live).toBe(node.runtime.state);
    await expect.poll(() => node.runtime.isReceivingSnapshot).toBe(false);
    expect(await digestOf(node.runtime.state)).toBe(await digestOf(leader.states.live));
    expect(node.runtime.replica.queue.effectHash).toBe(leader.queue.effectHash);
    expect(node.rosters.at(-1)).toBe(3);
    // The log is reset a turn before the leader hears of it.
    const reply = () => node.sent.findLast((message) => message.type === "appendReply");
    await expect.poll(reply).toMatchObject({ to: "a", match: index, durable: index });
    expect(node.faults).toEqual([]);
  });

  test("is gone on with: entries behind it are applied and flushed to its store", async () => {
    const leader = await filledNode();
    const node = await start(emptyDisk(), leader);
    node.hear(fetchFrom(1));
    const { index } = await leader.base;
    await reaches(node, index);
    node.hear(appendAfter(leader, 9_999));
    await reaches(node, index + 1);
    await expect.poll(() => node.disk.states.live.mark.applied).toBe(index + 1);
    expect(node.broker.task(makeId(9_999))?.state).toBe("pending");
    expect(node.broker.task(makeId(20))?.state).toBe("pending");
    expect(await node.broker.listFinished({}, undefined, 10)).toEqual({
      tasks: [],
      next: undefined,
    });
    const again = await start(await afterCrash(node.disk), leader);
    expect(again.runtime.replica.queue.effectHash).toBe(node.runtime.replica.queue.effectHash);
  });

  test("that is no longer needed when it is here is dropped", async () => {
    const leader = await filledNode(20);
    const node = await start(emptyDisk(), leader);
    const { stage } = node.disk.states;
    let discarded = 0;
    node.disk.states.stage = async () => {
      const staged = await stage.call(node.disk.states);
      const { discard } = staged;
      staged.discard = () => {
        discarded++;
        return discard.call(staged);
      };
      // Meanwhile the leader has found the entries in its log.
      const { entries, last } = leader.log;
      const prev = { term: 0, index: 0 };
      node.hear(says({ type: "append", prev, entries, commit: last.index }));
      await reaches(node, last.index);
      return staged;
    };
    const former = node.runtime.state;
    node.hear(fetchFrom(1));
    await expect.poll(() => discarded).toBe(1);
    expect(node.runtime.state).toBe(former);
    expect(node.disk.log.base.index).toBe(0);
    expect(node.faults).toEqual([]);
  });
});

describe("a task that somebody waits for", () => {
  test("is looked at again with a snapshot, in which it may have finished", async () => {
    const leader = new FilledNode();
    await leader.submit(20);
    const entries = [...leader.log.entries];
    await leader.apply({ type: "cancel", id: makeId(7), reason: "" });
    await leader.apply({ type: "cancel", id: makeId(8), reason: "" });
    await leader.flush();
    const node = await start(emptyDisk(), leader);
    node.hear(says({ type: "append", prev: { term: 0, index: 0 }, entries, commit: 2 }));
    await reaches(node, 2);
    const over = new AbortController();
    const waits = [7, 8, 9].map((serial) => {
      return node.broker.waitFinished(makeId(serial), 600_000, over.signal);
    });
    // The last of them is in the state, and goes on.
    const settled: number[] = [];
    waits.forEach((wait, at) => void wait.then(() => settled.push(at)));
    await nextTurn();
    node.hear(fetchFrom(4));
    const ended = await Promise.all(waits.slice(0, 2));
    expect(ended.map((task) => task?.state)).toEqual(["cancelled", "cancelled"]);
    await expect.poll(() => node.disk.log.base.index).toBe(4);
    expect(settled).toEqual([0, 1]);
    over.abort();
    expect(await waits[2]).toBeUndefined();
    expect(node.faults).toEqual([]);
  });
});

test("a stop while a snapshot is installed leaves the source closed, and is no fault", async () => {
  const leader = await filledNode();
  const node = await start(emptyDisk(), leader);
  const { states } = node.disk;
  const install = states.install.bind(states);
  let release: (() => void) | undefined;
  states.install = async (...given) => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return install(...given);
  };
  node.hear(fetchFrom(1));
  await expect.poll(() => release).toBeDefined();
  const closed = node.runtime.close();
  await nextTurn();
  release?.();
  await closed;
  const request = encodeRequest({ minIndex: 1, resume: undefined });
  const stream = node.runtime.serveSnapshot("c", request, new AbortController().signal);
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow("is stopping");
  expect(node.faults).toEqual([]);
});

describe("a flush that is under way when a snapshot comes", () => {
  test("ends before its store is closed, and is not told to the new queue", async () => {
    const leader = await filledNode(100);
    const node = await start(emptyDisk(), leader);
    const former = node.disk.states.live;
    const { flush } = former;
    let release: (() => void) | undefined;
    former.flush = async (...given) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await flush.apply(former, given);
    };
    // The leader's first entries, which the snapshot includes as well.
    const entries = leader.log.entries.slice(0, 3);
    node.hear(says({ type: "append", prev: { term: 0, index: 0 }, entries, commit: 3 }));
    await expect.poll(() => release).toBeDefined();
    node.hear(fetchFrom(5));
    const { index } = await leader.base;
    await reaches(node, index);
    expect(node.disk.states.live).toBe(former);
    node.hear(appendAfter(leader, 9_999));
    release?.();
    await expect.poll(() => node.disk.states.live).not.toBe(former);
    await expect.poll(() => node.disk.states.live.mark.applied).toBe(index + 1);
    expect(former.mark.applied).toBe(3);
    node.runtime.replica.queue.checkInvariants();
    expect(node.faults).toEqual([]);
  });
});

/** Counts what is written to the disk; write number `at` never ends, with or without its effect. */
function crashing(disk: Disk, at: number, effect: "before" | "after"): { readonly hit: boolean } {
  const state = { count: 0, hit: false };
  const guarded = <A extends unknown[], R>(write: (...given: A) => Promise<R>) => {
    return async (...given: A): Promise<R> => {
      if (state.hit) return new Promise<R>(() => {});
      if (++state.count !== at) return write(...given);
      state.hit = true;
      if (effect === "after") await write(...given);
      return new Promise<R>(() => {});
    };
  };
  const { identity, log, states } = disk;
  identity.save = guarded(identity.save.bind(identity));
  log.append = guarded(log.append.bind(log));
  log.reset = guarded(log.reset.bind(log));
  states.install = guarded(states.install.bind(states));
  const stage = states.stage.bind(states);
  states.stage = async () => {
    const staged = await stage();
    staged.write = guarded(staged.write.bind(staged));
    staged.finish = guarded(staged.finish.bind(staged));
    return staged;
  };
  return state;
}

describe("a crash", () => {
  /** Hard state, entries, rows, end of the rows, the switch, the log's reset, an entry behind it. */
  const WRITES = 7;
  const points = Array.from({ length: WRITES }, (_, at) => at + 1).flatMap((at) => {
    return (["before", "after"] as const).map((effect) => [effect, at] as const);
  });
  test.each(points)(
    "%s write %i of an installation leaves the old or the new",
    async (effect, at) => {
      const leader = await filledNode(100);
      const disk = emptyDisk();
      const node = await start(disk, leader);
      const crash = crashing(disk, at, effect);
      // Not waited for at the end: what its disk is doing never ends.
      running.splice(running.indexOf(node.runtime), 1);
      const entries = leader.log.entries.slice(0, 2);
      node.hear(says({ type: "append", prev: { term: 0, index: 0 }, entries, commit: 0 }));
      node.hear(fetchFrom(5));
      node.hear(says({ type: "heartbeat", commit: 0, round: 1 }));
      const { index } = await leader.base;
      const isOver = () => crash.hit || node.runtime.replica.queue.applied >= index;
      await expect.poll(isOver, { timeout: 20_000 }).toBe(true);
      if (!crash.hit) node.hear(appendAfter(leader, 9_999));
      await expect.poll(() => crash.hit, { timeout: 20_000 }).toBe(true);

      void node.runtime.close();
      const found = await afterCrash(disk);
      const { mark } = found.states.live;
      expect([0, index, index + 1]).toContain(mark.applied);
      expect(found.log.base.index).toBe(mark.applied === 0 ? 0 : index);
      const again = await start(found, leader);
      expect(again.runtime.replica.raft.commit).toBe(mark.applied);
      again.hear(fetchFrom(5));
      await expect.poll(() => again.runtime.replica.queue.applied).toBeGreaterThanOrEqual(index);
      const { pending } = again.runtime.replica.queue.counts();
      expect(pending).toBeGreaterThanOrEqual(leader.queue.counts().pending);
      again.runtime.replica.queue.checkInvariants();
      expect(again.faults).toEqual([]);
    },
  );
});

test("a node whose state differs says its last words, and does nothing after them", async () => {
  const node = await start(emptyDisk(), await filledNode(1));
  const { replica } = node.runtime;
  const turn = replica.turn.bind(replica);
  const done: string[] = [];
  const [message] = [says({ type: "heartbeat", commit: 0, round: 9 }).message];
  replica.turn = () => {
    const outputs = turn();
    const outcome = { kind: "unknown", message: "" } as const;
    outputs.outcomes.push({ waiter: () => done.push("answered"), outcome });
    outputs.envelopes.push({ message, beacon: undefined });
    return { ...outputs, diverged: { index: 3, own: "aa", leaders: "bb" } };
  };
  node.runtime.input(() => {});
  await expect
    .poll(() => node.faults.map((fault) => (fault as Error).name))
    .toEqual(["DivergedState"]);
  expect(node.sent.at(-1)).toBe(message);
  expect(node.runtime.closed).toBe(true);
  expect(done).toEqual([]);
});

test("a disk that fails while a snapshot is installed ends the process", async () => {
  const node = await start(emptyDisk(), await filledNode());
  node.disk.log.reset = async () => {
    throw new Error("no space left");
  };
  node.hear(fetchFrom(1));
  await expect.poll(() => node.faults.map(String)).toEqual(["Error: no space left"]);
});
