/**
 * The states in memory, for tests of what stands on them: the same order of steps and the same
 * refusals as on disk. `reopened` stands for a restart after a crash, at whichever step.
 */
import assert from "node:assert/strict";
import type {
  FlushMark,
  LogBase,
  StagedState,
  StateDirectory,
  StateRow,
  StateStore,
} from "../ports.ts";
import { checkBase } from "./entry-record.ts";
import { MemoryStateStore } from "./memory-state-store.ts";

export class MemoryStateDirectory implements StateDirectory {
  #live: MemoryStateStore;
  #staged: MemoryStagedState | undefined;
  #installed: LogBase | undefined;

  constructor(live: MemoryStateStore = new MemoryStateStore(), installed?: LogBase) {
    this.#live = live;
    this.#installed = installed;
  }

  /** What a restart finds; to be followed by `redoReset(log, states.installed)`. */
  reopened(): MemoryStateDirectory {
    return new MemoryStateDirectory(this.#live.reopened(), this.#installed);
  }

  get live(): MemoryStateStore {
    return this.#live;
  }

  /** Where the log goes on that the newest installed state asks for. */
  get installed(): LogBase | undefined {
    return this.#installed;
  }

  async stage(): Promise<StagedState> {
    await this.#staged?.discard();
    this.#staged = new MemoryStagedState();
    return this.#staged;
  }

  async install(staged: StagedState, base: LogBase): Promise<void> {
    checkBase(base);
    assert(staged === this.#staged, "only the state that was staged last can be installed");
    const store = this.#staged.install(base);
    const former = this.#live;
    this.#installed = { term: base.term, index: base.index, chain: base.chain };
    this.#live = store;
    this.#staged = undefined;
    await former.close();
  }

  async close(): Promise<void> {
    await this.#staged?.discard();
    await this.#live.close();
  }
}

class MemoryStagedState implements StagedState {
  readonly #records = new Map<string, Uint8Array>();
  #store: MemoryStateStore | undefined;
  #finished: FlushMark | undefined;
  #phase: "open" | "dropped" | "installed" = "open";

  async write(rows: readonly StateRow[]): Promise<void> {
    this.#checkUnfinished();
    for (const [key, value] of rows) {
      this.#records.set(Buffer.from(key).toString("hex"), value.slice());
    }
  }

  async finish(mark: FlushMark): Promise<StateStore> {
    this.#checkUnfinished();
    this.#finished = { ...mark, membership: mark.membership.slice() };
    this.#store = new MemoryStateStore(this.#records, this.#finished);
    return this.#store;
  }

  async discard(): Promise<void> {
    assert(this.#phase !== "installed", "an installed state is not staged any more");
    this.#phase = "dropped";
    await this.#store?.close();
  }

  install(base: LogBase): MemoryStateStore {
    assert(this.#phase === "open", "the staged state was discarded");
    assert(this.#store !== undefined, "the staged state is not finished");
    const { applied } = this.#finished!;
    assert(applied === base.index, `state after ${applied}, log after ${base.index}`);
    this.#phase = "installed";
    return this.#store;
  }

  #checkUnfinished(): void {
    if (this.#phase === "dropped") {
      throw new Error("the staged state is closed");
    }
    assert(this.#finished === undefined, "the staged state is finished");
  }
}
