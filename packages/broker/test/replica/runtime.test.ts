import { DEFAULTS } from "task-queue-raft";
import { afterEach, describe, expect, test, vi } from "vitest";
import { LocalBroker } from "../../src/local-broker.ts";
import type { Outcome, SessionChannel } from "../../src/operations/broker.ts";
import type { Bus, LogStore } from "../../src/ports.ts";
import { type Command, QueueMachine } from "../../src/queue/index.ts";
import { encodeRoster, Replica, SUPPORTED } from "../../src/replica/index.ts";
import { Runtime } from "../../src/runtime.ts";
import { MemoryIdentityStore } from "../../src/storage/memory-identity-store.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { MemoryStateDirectory } from "../../src/storage/memory-state-directory.ts";
import { MemoryStateStore } from "../../src/storage/memory-state-store.ts";
import { makeId, RETRY, registerOf, submitOf } from "../queue/harness.ts";

const SILENT: Bus = {
  send() {},
  forward() {},
  forwardReply() {},
  fetchSnapshot() {
    throw new Error("nobody is there");
  },
  setRoster() {},
  async close() {},
};
const LOGGER = { info() {}, warn() {} };

/** A log that counts its fsyncs, and whose next write can be made to fail. */
class Log extends MemoryLogStore {
  syncs = 0;
  failing = false;

  override async append(...given: Parameters<LogStore["append"]>): Promise<void> {
    if (this.failing) throw new Error("no space left");
    if (given[1]) this.syncs++;
    return super.append(...given);
  }

  override async sync(): Promise<void> {
    this.syncs++;
  }
}

class State extends MemoryStateStore {
  broken = false;

  override get(key: Uint8Array): Uint8Array | undefined {
    if (this.broken) throw new Error("a record fails its checksum");
    return super.get(key);
  }
}

const running: Runtime[] = [];

afterEach(async () => {
  for (const runtime of running.splice(0)) await runtime.close();
});

function start(walSyncIntervalMs = 0) {
  const log = new Log();
  const state = new State();
  const where = { bus: "a:1", address: "a:2" };
  const member = { id: "a", incarnation: "a", ...where, versions: SUPPORTED };
  const hardState = { term: 0, vote: undefined };
  const replica: Runtime["replica"] = new Replica({
    raft: {
      ...DEFAULTS,
      id: "a",
      hardState,
      log: { base: 0, prev: { term: 0, index: 0 }, tail: [] },
      random: Math.random,
      commitBy: walSyncIntervalMs === 0 ? "durable" : "match",
    },
    queue: new QueueMachine(state),
    applied: { term: 0, index: 0 },
    membership: encodeRoster({ revision: 0, members: [{ ...member, voter: true }] }),
    settings: { retry: RETRY, depthLimit: 0, snapshotEntries: 1000, priority: 0 },
    supports: SUPPORTED,
    self: member,
    logBytes: 0,
    now: performance.now(),
    wallMs: Date.now(),
    firstForwardId: 0,
  });
  const faults: string[] = [];
  const runtime = new Runtime({
    replica,
    clusterId: "c",
    log,
    states: new MemoryStateDirectory(state),
    identity: new MemoryIdentityStore({
      nodeId: "a",
      incarnation: "a",
      formation: undefined,
      founded: true,
      boots: 1,
      hardState,
    }),
    bus: SILENT,
    raiseFormat: async () => {},
    walSyncIntervalMs,
    logger: LOGGER,
    onFatal: (what) => faults.push(what),
    onRemoved: () => faults.push("removed"),
    onLost: (reason) => faults.push(reason),
  });
  running.push(runtime);
  const facts = {
    clusterId: "c",
    version: "1",
    walSyncIntervalMs,
    isConnected: () => false,
    programOf: () => "",
    leader: { appliedBy: () => 0, firstHeard: 0 },
    isDraining: () => false,
  };
  const greet = () => Promise.reject(new Error("nobody is there"));
  const broker = new LocalBroker(runtime, facts, greet);
  runtime.start();
  const perform = (command: Command): Promise<Outcome> =>
    new Promise((resolve) => broker.request(command, resolve));
  return { runtime, broker, log, state, faults, perform };
}

/** A worker's connection that notes what it hears. */
function channel(): SessionChannel & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    deliver: (deliveries) => heard.push(...deliveries.map(({ token }) => `task ${token}`)),
    leaseLost: (events) => heard.push(...events.map(({ token }) => `lost ${token}`)),
    renewed: () => heard.push("renewed"),
    ended: () => heard.push("ended"),
    leaderChanged: () => heard.push("leader changed"),
  };
}

let serial = 0;
const submit = () => submitOf(makeId(++serial, Date.now()));
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe("a worker that registers again", () => {
  test("hears of each task once, on its new connection", async () => {
    const { broker, perform } = start();
    await perform(registerOf("w1"));
    const [before, after] = [channel(), channel()];
    broker.attach("w1", [], before);
    broker.setWindow("w1", 1);
    const answered = perform(submit());
    // In the same entry as the task and its lease; so its answer and the task come in one turn.
    broker.request(registerOf("w1"), () => {
      broker.detach("w1", before);
      broker.attach("w1", [], after);
    });
    await answered;
    await turns(10);
    expect([...before.heard, ...after.heard]).toEqual(["task 1"]);
  });

  test("does not hear of the end that it has answered by registering", async () => {
    const { broker, perform } = start();
    await perform(registerOf("w1"));
    const [before, after] = [channel(), channel()];
    broker.attach("w1", [], before);
    broker.request({ type: "unregister", session: "w1" }, () => {});
    await new Promise<void>((resolve) => {
      broker.request(registerOf("w1"), () => {
        broker.attach("w1", [], after);
        resolve();
      });
    });
    await turns(10);
    expect(after.heard).toEqual([]);
  });
});

describe("a fault", () => {
  test("of the log ends it at once: nothing more is answered or taken in", async () => {
    const { runtime, broker, log, faults, perform } = start();
    await perform(submit());
    log.failing = true;
    let answered = false;
    broker.request(submit(), () => {
      answered = true;
    });
    await expect.poll(() => faults).toEqual(["the log could not be written"]);
    log.failing = false;
    const { lastIndex } = runtime.replica.raft;
    broker.request(submit(), () => {
      answered = true;
    });
    await turns(10);
    expect(answered).toBe(false);
    expect(runtime.replica.raft.lastIndex).toBe(lastIndex);
  });

  test("inside the replica ends it, whoever called, and is told once", async () => {
    const { runtime, faults } = start();
    const bug = () => {
      throw new Error("an invariant");
    };
    runtime.input(bug);
    runtime.input(bug);
    expect(faults).toEqual(["broken invariant"]);
  });

  test("of a read ends it, though only a question wanted the record", async () => {
    const { broker, state, faults, perform } = start();
    await perform(submit());
    state.broken = true;
    expect(() => broker.task(makeId(999_999))).toThrow("checksum");
    expect(faults).toEqual(["the state could not be read"]);
  });
});

describe("a log that is fsynced at intervals", () => {
  test("answers before the fsync, which follows", async () => {
    const { log, perform } = start(50);
    await perform(submit());
    expect(log.syncs).toBe(0);
    await expect.poll(() => log.syncs).toBeGreaterThan(0);
  });

  test("is fsynced before a clean end", async () => {
    const { runtime, log, perform } = start(60_000);
    await perform(submit());
    expect(log.syncs).toBe(0);
    await runtime.close();
    expect(log.syncs).toBe(1);
  });
});

test("closing waits for what the disk is doing", async () => {
  const { runtime, log, faults, perform } = start(1);
  let release: (() => void) | undefined;
  log.sync = () =>
    new Promise((resolve) => {
      release = resolve;
      log.sync = async () => {};
    });
  await perform(submit());
  await expect.poll(() => release).toBeDefined();
  let closed = false;
  const closing = runtime.close().then(() => {
    closed = true;
  });
  await turns(5);
  expect(closed).toBe(false);
  release?.();
  await closing;
  expect(faults).toEqual([]);
});

test("a question that outlasts a clean stop is no fault", async () => {
  const { runtime, broker, state, faults } = start();
  await runtime.close();
  state.broken = true;
  expect(() => broker.task(makeId(999_999))).toThrow("checksum");
  expect(faults).toEqual([]);
});

test("what was applied here is read without a turn, what was not is waited for", async () => {
  const { runtime, broker, perform } = start();
  await perform(submit());
  const input = vi.spyOn(runtime, "input");
  const { applied } = broker;
  await expect(broker.readBarrier("stale", applied)).resolves.toBe(applied);
  expect(input).not.toHaveBeenCalled();
  const later = broker.readBarrier("stale", applied + 1);
  const known = broker.readBarrier("linearizable");
  expect(input).toHaveBeenCalledTimes(2);
  await expect(known).resolves.toBe(applied);
  await perform(submit());
  await expect(later).resolves.toBe(applied + 1);
});

test("what every answer carries is what the status says", async () => {
  const { broker, perform } = start(50);
  await perform(submit());
  expect(broker.status()).toMatchObject({
    applied: broker.applied,
    durability: broker.durability,
  });
  expect(broker.durability).toBe("single");
});

test("a wait whose caller has gone already does not wait", async () => {
  const { broker, perform } = start();
  const command = submit();
  await perform(command);
  const gone = AbortSignal.abort();
  await expect(broker.waitFinished(command.id, 60_000, gone)).resolves.toBeUndefined();
});

describe("changes of members and leader", () => {
  test("of a single node are refused in words", async () => {
    const { broker, perform } = start();
    await perform(submit());
    await expect(broker.addMember("b@b:1")).rejects.toMatchObject({
      code: "state_conflict",
      message: "nobody is there",
    });
    await expect(broker.removeMember("z", false)).rejects.toMatchObject({ code: "not_found" });
    await expect(broker.removeMember("a", true)).rejects.toMatchObject({ code: "state_conflict" });
    await expect(broker.transferLeadership(undefined)).rejects.toMatchObject({
      code: "state_conflict",
    });
  });

  test("are not for a node that does not lead", async () => {
    const { broker, runtime } = start();
    expect(runtime.replica.leads).toBe(false);
    await expect(broker.addMember("b@b:1")).rejects.toMatchObject({ code: "no_leader" });
    await expect(broker.transferLeadership("a")).rejects.toMatchObject({ code: "no_leader" });
  });
});
