/**
 * What the tests of snapshots share: a node with a filled state in memory, its source, a receiver
 * that fetches over a way which can be broken, and the rows of a store to compare.
 */
import { createHash } from "node:crypto";
import type { SnapshotFetch } from "task-queue-raft";
import { checkMembers } from "../../src/check-members.ts";
import type { LogBase, StateRow, StateStore } from "../../src/ports.ts";
import { type Command, encodeBatch, QueueMachine } from "../../src/queue/index.ts";
import { encodeRoster } from "../../src/replica/index.ts";
import { SnapshotReceiver, type StagedSnapshot } from "../../src/snapshots/receiver.ts";
import { SnapshotSource } from "../../src/snapshots/source.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { MemoryStateDirectory } from "../../src/storage/memory-state-directory.ts";
import { bytesOf, makeId, registerOf, START, submitOf } from "../queue/harness.ts";

export const CLUSTER = "c0ffee";
export const LOGGER = { info() {}, warn() {}, error() {} };
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const MEMBERSHIP = encodeRoster({
  revision: 3,
  members: ["a", "b"].map((id) => {
    return { id, incarnation: id, bus: `${id}:1`, address: `${id}:2`, voter: true };
  }),
});

/** A node that has applied, flushed and kept in its log one entry for each batch. */
export class FilledNode {
  readonly log = new MemoryLogStore();
  readonly states = new MemoryStateDirectory();
  queue = new QueueMachine(this.states.live, 0);
  membership: Uint8Array = MEMBERSHIP;
  #serial = 0;

  async apply(...commands: Command[]): Promise<void> {
    const index = this.log.last.index + 1;
    const batch = { at: START, commands };
    const entry = { term: 1, index, kind: "normal", data: encodeBatch(batch) } as const;
    await this.log.append({ truncateFrom: undefined, entries: [entry] }, true);
    this.queue.apply(index, batch);
    this.queue.events.length = 0;
  }

  async flush(): Promise<void> {
    const flush = this.queue.beginFlush();
    const logDurable = { term: 1, index: flush.applied };
    const mark = { applied: flush.applied, logDurable, membership: this.membership };
    await this.states.live.flush(flush, mark);
    this.queue.flushed();
  }

  /** Tasks with payloads of `bytes`, ten to an entry. */
  async submit(count: number, bytes = 10): Promise<void> {
    for (let done = 0; done < count; done += 10) {
      const ids = Array.from({ length: Math.min(10, count - done) }, () => makeId(++this.#serial));
      const payload = bytesOf(JSON.stringify("x".repeat(bytes)));
      await this.apply(...ids.map((id) => submitOf(id, { payload, queue: `q${done % 7}` })));
    }
  }

  get base(): Promise<LogBase> {
    const { applied } = this.states.live.mark;
    return this.log.chainAt(applied).then((chain) => ({ term: 1, index: applied, chain }));
  }
}

export async function filledNode(tasks = 50, bytes = 10): Promise<FilledNode> {
  const node = new FilledNode();
  await node.apply(registerOf("w1"));
  await node.submit(tasks, bytes);
  await node.apply({ type: "lease", session: "w1", count: 3 });
  await node.flush();
  return node;
}

/** Time passes only by pauses, each of which takes one turn of the loop. */
export class TestClock {
  nowMs = 0;
  readonly pauses: number[] = [];
  readonly now = (): number => this.nowMs;
  readonly pause = async (ms: number): Promise<void> => {
    this.nowMs += ms;
    this.pauses.push(ms);
    await nextTurn();
  };
}

export function sourceOf(node: FilledNode, clock = new TestClock()) {
  const faults: string[] = [];
  const source = new SnapshotSource({
    clusterId: CLUSTER,
    states: node.states,
    log: node.log,
    now: clock.now,
    pause: clock.pause,
    logger: LOGGER,
    onFault: (what) => faults.push(what),
  });
  return { source, faults, clock };
}

export type Fetch = (from: string, request: Uint8Array) => AsyncIterable<Uint8Array>;

/** What a source says to whoever asks it, without a network between them. */
export function directly(source: SnapshotSource, reader = "b"): Fetch {
  return (_from, request) => source.serve(reader, request, new AbortController().signal);
}

export interface Receiving {
  readonly receiver: SnapshotReceiver;
  readonly states: MemoryStateDirectory;
  readonly received: StagedSnapshot[];
  readonly warnings: string[];
  readonly faults: unknown[];
  /** Wants this, and waits for how it ends. */
  fetch(wish: SnapshotFetch): Promise<StagedSnapshot | undefined>;
}

export function receiverOf(fetch: Fetch, clock = new TestClock()): Receiving {
  const states = new MemoryStateDirectory();
  const received: StagedSnapshot[] = [];
  const warnings: string[] = [];
  const faults: unknown[] = [];
  const receiver = new SnapshotReceiver({
    clusterId: CLUSTER,
    states,
    fetch,
    checkMembers,
    now: clock.now,
    pause: clock.pause,
    logger: { info() {}, warn: (_fields, text) => warnings.push(text) },
    install: (snapshot) => received.push(snapshot) > 0,
    onFault: (_what, error) => faults.push(error),
  });
  const ended = async (wish: SnapshotFetch) => {
    const before = received.length;
    receiver.want(wish);
    while (receiver.isBusy) await nextTurn();
    return received[before];
  };
  return { receiver, states, received, warnings, faults, fetch: ended };
}

export async function rowsOf(store: StateStore): Promise<readonly StateRow[]> {
  return await store.scan({ gte: new Uint8Array(0), lt: Uint8Array.of(0xff) }, 1_000_000);
}

/** All rows of a store in short, to be compared. */
export async function digestOf(store: StateStore): Promise<string> {
  const hash = createHash("sha256");
  const rows = await rowsOf(store);
  for (const [key, value] of rows)
    hash.update(`${key.length} ${value.length} `).update(key).update(value);
  return `${rows.length} rows, ${hash.digest("hex")}`;
}
