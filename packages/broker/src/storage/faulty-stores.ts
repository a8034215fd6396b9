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
  LogBase,
  LogBatch,
  LogSlice,
  LogStore,
  StagedState,
  StateDirectory,
  StateRow,
  StateStore,
  StateView,
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

class InjectedFault extends Error {
  readonly code: Fault["code"];

  constructor(code: Fault["code"]) {
    super(`${code}: injected, write`);
    this.code = code;
  }
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

  async write<T>(action: () => Promise<T>): Promise<T> {
    this.#writes += 1;
    if (this.#writes !== this.#fault.at) {
      return await action();
    }
    if (this.#fault.effect === "kept") {
      await action();
    }
    throw new InjectedFault(this.#fault.code);
  }
}

/** Runs writes through the plan, and nothing after the first injected error. */
class FaultyWrites {
  readonly #plan: FaultPlan;
  readonly #stop: FailStop;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(store: StoreName, plan: FaultPlan) {
    this.#plan = plan;
    this.#stop = new FailStop(store);
  }

  /** Throws `StorageStopped` after the first injected error. */
  check(): void {
    this.#stop.check();
  }

  /** At once. What the wrapped store itself refuses is passed on. */
  async run<T>(operation: string, action: () => Promise<T>): Promise<T> {
    this.check();
    try {
      return await this.#plan.write(action);
    } catch (error) {
      throw error instanceof InjectedFault ? this.#stop.trip(operation, error) : error;
    }
  }

  /** Behind the writes that were asked for before. */
  runInTurn<T>(operation: string, action: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(() => this.run(operation, action));
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async read<T>(action: () => Promise<T>): Promise<T> {
    this.check();
    return await action();
  }
}

export class FaultyLogStore implements LogStore {
  readonly #inner: LogStore;
  readonly #writes: FaultyWrites;

  constructor(inner: LogStore, plan: FaultPlan) {
    this.#inner = inner;
    this.#writes = new FaultyWrites("log", plan);
  }

  get base(): EntryId {
    return this.#inner.base;
  }

  get last(): EntryId {
    return this.#inner.last;
  }

  get bytes(): number {
    return this.#inner.bytes;
  }

  append(batch: LogBatch, sync: boolean): Promise<void> {
    return this.#writes.runInTurn("append", () => this.#inner.append(batch, sync));
  }

  sync(): Promise<void> {
    return this.#writes.runInTurn("sync", () => this.#inner.sync());
  }

  read(from: LogIndex, maxBytes: number): Promise<LogSlice> {
    return this.#writes.read(() => this.#inner.read(from, maxBytes));
  }

  chainAt(index: LogIndex): Promise<string> {
    return this.#writes.read(() => this.#inner.chainAt(index));
  }

  compact(upTo: LogIndex): Promise<void> {
    return this.#writes.runInTurn("compact", () => this.#inner.compact(upTo));
  }

  reset(base: LogBase): Promise<void> {
    return this.#writes.runInTurn("reset", () => this.#inner.reset(base));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

export class FaultyStateStore implements StateStore {
  readonly #inner: StateStore;
  readonly #writes: FaultyWrites;

  constructor(inner: StateStore, plan: FaultPlan, writes = new FaultyWrites("state", plan)) {
    this.#inner = inner;
    this.#writes = writes;
  }

  get mark(): FlushMark {
    return this.#inner.mark;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#writes.check();
    return this.#inner.get(key);
  }

  load(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#writes.read(() => this.#inner.load(key));
  }

  flush(flush: Flush, mark: FlushMark): Promise<void> {
    // Not behind one another: two flushes at once are the caller's bug, which the store shows.
    return this.#writes.run("flush", () => this.#inner.flush(flush, mark));
  }

  scan(range: KeyRange, limit: number): Promise<readonly StateRow[]> {
    return this.#writes.read(() => this.#inner.scan(range, limit));
  }

  view(): Promise<StateView> {
    return this.#writes.read(() => this.#inner.view());
  }

  stats(): Promise<Readonly<Record<string, number>>> {
    return this.#inner.stats();
  }

  compact(): ReturnType<StateStore["compact"]> {
    return this.#writes.run("compact", () => this.#inner.compact());
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** The directory, its states and what is staged count as one store: one error stops them all. */
export class FaultyStateDirectory implements StateDirectory {
  readonly #inner: StateDirectory;
  readonly #plan: FaultPlan;
  readonly #writes: FaultyWrites;
  readonly #stores = new WeakMap<StateStore, StateStore>();
  readonly #staged = new WeakMap<StagedState, StagedState>();

  constructor(inner: StateDirectory, plan: FaultPlan) {
    this.#inner = inner;
    this.#plan = plan;
    this.#writes = new FaultyWrites("state", plan);
  }

  get live(): StateStore {
    return this.#faulty(this.#inner.live);
  }

  async stage(): Promise<StagedState> {
    const inner = await this.#writes.runInTurn("stage", () => this.#inner.stage());
    const staged: StagedState = {
      write: (rows) => this.#writes.runInTurn("write", () => inner.write(rows)),
      finish: async (mark) =>
        this.#faulty(await this.#writes.runInTurn("finish", () => inner.finish(mark))),
      discard: () => this.#writes.runInTurn("discard", () => inner.discard()),
    };
    this.#staged.set(staged, inner);
    return staged;
  }

  install(staged: StagedState, base: LogBase): Promise<void> {
    const inner = this.#staged.get(staged) ?? staged;
    return this.#writes.runInTurn("install", () => this.#inner.install(inner, base));
  }

  /** The same wrapper for the same store, so that it can be told by identity. */
  #faulty(inner: StateStore): StateStore {
    const known = this.#stores.get(inner);
    const store = known ?? new FaultyStateStore(inner, this.#plan, this.#writes);
    this.#stores.set(inner, store);
    return store;
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
    return this.#writes.runInTurn("save", () => this.#inner.save(change));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
