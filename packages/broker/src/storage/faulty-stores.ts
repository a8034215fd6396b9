/**
 * Wrappers that make the n-th write of a store fail the way a disk does, once, and the store stop
 * from then on, as the real ones do. A rejected write may or may not have happened: tests choose,
 * because the code above must cope with both.
 */
import type { EntryId, LogIndex } from "task-queue-raft";
import type {
  FlushMark,
  Identity,
  IdentityStore,
  KeyRange,
  LogBatch,
  LogSlice,
  LogStore,
  StateStore,
} from "../ports.ts";
import type { Flush } from "../queue/records.ts";
import { FailStop } from "./fail-stop.ts";
import type { StoreName } from "./storage-error.ts";

export interface Fault {
  /** Which write fails, from 1; `Infinity` = none. Share one plan to count over several stores. */
  readonly at: number;
  readonly code: "EIO" | "ENOSPC";
  /** `lost`: nothing was written. `kept`: it was written all the same. */
  readonly effect: "lost" | "kept";
}

/** Counts writes and makes one of them fail. */
export class FaultPlan {
  readonly #fault: Fault;
  #writes = 0;

  constructor(fault: Fault) {
    this.#fault = fault;
  }

  get writes(): number {
    return this.#writes;
  }

  async write(action: () => Promise<void>): Promise<void> {
    this.#writes += 1;
    if (this.#writes !== this.#fault.at) {
      return await action();
    }
    if (this.#fault.effect === "kept") {
      await action();
    }
    const error: NodeJS.ErrnoException = new Error(`${this.#fault.code}: injected, write`);
    error.code = this.#fault.code;
    throw error;
  }
}

/** Runs writes through the plan one after the other, and nothing after the first error. */
class FaultyWrites {
  readonly plan: FaultPlan;
  readonly stop: FailStop;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(store: StoreName, plan: FaultPlan) {
    this.plan = plan;
    this.stop = new FailStop(store);
  }

  run(operation: string, action: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(() => this.stop.run(operation, () => this.plan.write(action)));
    this.#tail = done.catch(() => undefined);
    return done;
  }
}

export class FaultyLogStore implements LogStore {
  readonly #inner: LogStore;
  readonly #writes: FaultyWrites;

  constructor(inner: LogStore, plan: FaultPlan) {
    this.#inner = inner;
    this.#writes = new FaultyWrites("log", plan);
  }

  get last(): EntryId {
    return this.#inner.last;
  }

  append(batch: LogBatch, sync: boolean): Promise<void> {
    return this.#writes.run("append", () => this.#inner.append(batch, sync));
  }

  sync(): Promise<void> {
    return this.#writes.run("sync", () => this.#inner.sync());
  }

  read(from: LogIndex, maxBytes: number): Promise<LogSlice> {
    return this.#writes.stop.run("read", () => this.#inner.read(from, maxBytes));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

export class FaultyStateStore implements StateStore {
  readonly #inner: StateStore;
  readonly #writes: FaultyWrites;

  constructor(inner: StateStore, plan: FaultPlan) {
    this.#inner = inner;
    this.#writes = new FaultyWrites("state", plan);
  }

  get mark(): FlushMark {
    return this.#inner.mark;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#writes.stop.runSync("get", () => this.#inner.get(key));
  }

  load(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#writes.stop.run("load", () => this.#inner.load(key));
  }

  flush(flush: Flush, mark: FlushMark): Promise<void> {
    // Not behind one another: two flushes at once are the caller's bug, which the store shows.
    const write = () => this.#inner.flush(flush, mark);
    return this.#writes.stop.run("flush", () => this.#writes.plan.write(write));
  }

  scan(range: KeyRange, limit: number): Promise<readonly (readonly [Uint8Array, Uint8Array])[]> {
    return this.#writes.stop.run("scan", () => this.#inner.scan(range, limit));
  }

  stats(): Promise<Readonly<Record<string, string>>> {
    return this.#inner.stats();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

export class FaultyIdentityStore implements IdentityStore {
  readonly #inner: IdentityStore;
  readonly #writes: FaultyWrites;

  constructor(inner: IdentityStore, plan: FaultPlan) {
    this.#inner = inner;
    this.#writes = new FaultyWrites("identity", plan);
  }

  get identity(): Identity {
    return this.#inner.identity;
  }

  save(change: Partial<Identity>): Promise<void> {
    return this.#writes.run("save", () => this.#inner.save(change));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
