/**
 * A state that is being received: a database of its own, which no pointer names. Each write is
 * durable before the next one begins; the flush record that makes a database a state comes last, so
 * that a torn one can never be opened. It must never go on after an error.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { FlushMark, LogBase, StagedState, StateRow } from "../ports.ts";
import { syncDirectory } from "./durable-file.ts";
import { FailStop } from "./fail-stop.ts";
import { encodeFlush } from "./flush-record.ts";
import { Gate } from "./gate.ts";
import type { Level } from "./level.ts";
import { flushKey, recordKey, wrapValue } from "./state-record.ts";
import { LevelStateStore, openStateLevel } from "./state-store.ts";

interface Finished {
  readonly store: LevelStateStore;
  /** The entry after which the state was finished; flushes may have gone on from there. */
  readonly applied: number;
}

/** Makes the directory, which must not exist. */
export async function stageState(directory: string, number: number): Promise<LevelStagedState> {
  const level = await openStateLevel(directory, { mode: "create" });
  return new LevelStagedState(level, number);
}

export class LevelStagedState implements StagedState {
  /** Of its directory, `state-<number>`. */
  readonly number: number;
  readonly #level: Level;
  readonly #stop = new FailStop("state");
  readonly #gate = new Gate("the staged state");
  #finishing = false;
  #finished: Finished | undefined;
  #installed = false;
  #discarded: Promise<void> | undefined;

  /** Use `stageState`. */
  constructor(level: Level, number: number) {
    this.#level = level;
    this.number = number;
  }

  async write(rows: readonly StateRow[]): Promise<void> {
    assert(!this.#finishing, "the staged state is finished");
    await this.#run("write", async () => {
      const batch = this.#level.batch();
      for (const [key, value] of rows) {
        const prefixed = recordKey(key);
        batch.put(prefixed, wrapValue(prefixed, value));
      }
      await batch.write({ sync: true });
    });
  }

  async finish(mark: FlushMark): Promise<LevelStateStore> {
    assert(!this.#finishing, "the staged state is finished");
    this.#finishing = true;
    const flush = { sequence: 0, mark: { ...mark, membership: mark.membership.slice() } };
    await this.#run("finish", async () => {
      await this.#level.batch().put(flushKey(0), encodeFlush(flush)).write({ sync: true });
      // LevelDB syncs its own directory, not the one that this directory is in.
      await syncDirectory(dirname(this.#level.location));
    });
    const store = new LevelStateStore(this.#level, flush);
    this.#finished = { store, applied: mark.applied };
    return store;
  }

  async discard(): Promise<void> {
    assert(!this.#installed, "an installed state is not staged any more");
    this.#discarded ??= this.#remove();
    await this.#discarded;
  }

  /** Its store, which is about to become the live one and then lives on without it. */
  install(base: LogBase): LevelStateStore {
    assert(!this.#gate.closed, "the staged state was discarded");
    assert(this.#finished !== undefined, "the staged state is not finished");
    const { store, applied } = this.#finished;
    assert(applied === base.index, `state after entry ${applied}, log after ${base.index}`);
    this.#installed = true;
    return store;
  }

  async #remove(): Promise<void> {
    await this.#gate.close();
    await (this.#finished?.store ?? this.#level).close();
    await this.#stop.run("discard", () => removeState(this.#level.location));
  }

  async #run(operation: string, action: () => Promise<void>): Promise<void> {
    await this.#gate.run(() => this.#stop.run(operation, action));
  }
}

/** Removes the directory of a state that is closed and that no pointer names. */
export async function removeState(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}
