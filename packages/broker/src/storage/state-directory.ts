/**
 * The states of a data directory: the live one, which the pointer names, and at most one that is
 * being received. Replacing the pointer is the one step of an installation that counts: before it
 * a crash leaves the old state, after it the new one, and a directory that the pointer does not
 * name is only ever removed. It must never go on after an error.
 */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { LogBase, StagedState, StateDirectory } from "../ports.ts";
import { checkBase } from "./entry-record.ts";
import { FailStop } from "./fail-stop.ts";
import type { OpenMode } from "./level.ts";
import { type LevelStagedState, removeState, stageState } from "./staged-state.ts";
import {
  readStatePointer,
  STATE_POINTER,
  type StatePointer,
  stateName,
  stateNames,
  writeStatePointer,
} from "./state-pointer.ts";
import { type LevelStateStore, openStateStore } from "./state-store.ts";
import { StorageDamage } from "./storage-error.ts";

/**
 * Opens the state that the pointer names; `create` may make the first one. What is left of others
 * is removed, but only after that. Throws `StorageDamage` or `StorageFault`.
 */
export async function openStateDirectory(
  dataDir: string,
  mode: OpenMode,
  writeBufferSize?: number,
): Promise<LevelStateDirectory> {
  const pointer = await pointerOf(dataDir, mode);
  const directory = join(dataDir, stateName(pointer.number));
  const live = await openStateStore(directory, { mode, writeBufferSize });
  try {
    checkInstalled(dataDir, pointer, live);
    await removeOthers(dataDir, pointer.number);
    return new LevelStateDirectory(dataDir, pointer, live);
  } catch (error) {
    await live.close();
    throw error;
  }
}

export class LevelStateDirectory implements StateDirectory {
  readonly #dataDir: string;
  readonly #stop = new FailStop("state");
  #pointer: StatePointer;
  #live: LevelStateStore;
  #staged: LevelStagedState | undefined;
  /** Never used twice, so that a directory that is being removed is in nobody's way. */
  #nextNumber: number;
  #tail: Promise<unknown> = Promise.resolve();
  #removing: Promise<void> = Promise.resolve();

  /** Use `openStateDirectory`. */
  constructor(dataDir: string, pointer: StatePointer, live: LevelStateStore) {
    this.#dataDir = dataDir;
    this.#pointer = pointer;
    this.#live = live;
    this.#nextNumber = pointer.number + 1;
  }

  get live(): LevelStateStore {
    return this.#live;
  }

  /** The log must begin here, or have begun here before it was compacted further. */
  get installed(): LogBase | undefined {
    return this.#pointer.base;
  }

  stage(): Promise<StagedState> {
    return this.#inTurn("stage", async () => {
      // Three databases may be open at once, not four: see the file limit.
      await this.#removing;
      await this.#staged?.discard();
      this.#staged = undefined;
      const number = this.#nextNumber++;
      this.#staged = await stageState(join(this.#dataDir, stateName(number)), number);
      return this.#staged;
    });
  }

  install(staged: StagedState, base: LogBase): Promise<void> {
    return this.#inTurn("install", async () => {
      checkBase(base);
      const next = this.#staged;
      assert(
        next !== undefined && staged === next,
        "only the state that was staged last can be installed",
      );
      const store = next.install(base);
      const { index, term, chain } = base;
      const pointer = { number: next.number, base: { index, term, chain } };
      await writeStatePointer(this.#dataDir, pointer);
      const former = this.#live;
      const directory = join(this.#dataDir, stateName(this.#pointer.number));
      this.#live = store;
      this.#pointer = pointer;
      this.#staged = undefined;
      this.#removing = this.#retire(former, directory);
    });
  }

  /** The staged state goes, as a crash would make it go. */
  async close(): Promise<void> {
    await this.#tail;
    await this.#removing;
    await this.#staged?.discard();
    await this.#live.close();
  }

  /**
   * Nothing waits for it, and it may take as long as the longest read. What it cannot remove is
   * removed at the next start; only a disk that fails stops the store.
   */
  async #retire(former: LevelStateStore, directory: string): Promise<void> {
    await this.#removing;
    try {
      await former.close();
      await removeState(directory);
    } catch (error) {
      if (/^(EIO|EROFS)$/.test((error as NodeJS.ErrnoException).code ?? "EIO")) {
        this.#stop.trip("removing the former state", error);
      }
    }
  }

  #inTurn<T>(operation: string, action: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(() => this.#stop.run(operation, action));
    this.#tail = done.catch(() => undefined);
    return done;
  }
}

async function pointerOf(dataDir: string, mode: OpenMode): Promise<StatePointer> {
  const pointer = await readStatePointer(dataDir);
  if (pointer !== undefined) {
    return pointer;
  }
  if (mode === "existing") {
    const where = join(dataDir, STATE_POINTER);
    throw new StorageDamage("state", { what: "the state pointer is missing", where });
  }
  const first = { number: 1, base: undefined };
  await writeStatePointer(dataDir, first);
  return first;
}

/** The pointer was switched after the whole state was synced. */
function checkInstalled(dataDir: string, pointer: StatePointer, live: LevelStateStore): void {
  const { applied } = live.mark;
  if (pointer.base !== undefined && applied < pointer.base.index) {
    const installed = `was installed as that after ${pointer.base.index}`;
    const what = `it is that after entry ${applied}, but ${installed}`;
    throw new StorageDamage("state", { what, where: join(dataDir, stateName(pointer.number)) });
  }
}

async function removeOthers(dataDir: string, live: number): Promise<void> {
  for (const name of stateNames(await readdir(dataDir))) {
    if (name !== stateName(live)) {
      await removeState(join(dataDir, name));
    }
  }
}
