/**
 * Reads the tables of the running stores again and again, less than a millisecond's worth at
 * once into one buffer, and holds them against LevelDB's checksums. A bit that flips in a value is
 * found when that is read; one in a key or a filter makes a record look absent, and only this finds
 * it before the next start does. What it finds ends the process, as any damage. It only reads.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { LOG_DIRECTORY } from "./data-dir.ts";
import { readManifest } from "./manifest.ts";
import { stateNames } from "./state-pointer.ts";
import { StorageDamage, type StoreName } from "./storage-error.ts";
import { TableWindow } from "./table-window.ts";

export interface ScrubOptions {
  readonly dataDir: string;
  readonly onDamage: (damage: StorageDamage) => void;
  /** Between two tables. */
  readonly intervalMs?: number;
}

interface Table {
  readonly store: StoreName;
  readonly directory: string;
  readonly number: number;
}

/** A table has 2 MB as a rule: a gigabyte is read in about an hour. */
const INTERVAL_MS = 7_000;

export class Scrub {
  readonly #options: ScrubOptions;
  readonly #window = new TableWindow();
  #queue: Table[] = [];
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  #closed = false;

  /** Begins after the first interval. */
  constructor(options: ScrubOptions) {
    this.#options = options;
    this.#arm();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#working;
  }

  #arm(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      // What cannot be read is told by whoever needs it.
      this.#working = this.#next()
        .catch(() => {})
        .then(() => this.#arm());
    }, this.#options.intervalMs ?? INTERVAL_MS);
    this.#timer.unref();
  }

  async #next(): Promise<void> {
    if (this.#queue.length === 0) this.#queue = await tablesIn(this.#options.dataDir);
    const table = this.#queue.shift();
    if (table === undefined) return;
    const where = pathOf(table);
    const what = await this.#window.damageIn(where);
    if (what === undefined || this.#closed) return;
    // LevelDB may have been done with it meanwhile.
    const { store, directory, number } = table;
    const isInUse = (await readManifest(store, directory)).tables.has(number);
    if (isInUse) this.#options.onDamage(new StorageDamage(store, { what, where }));
  }
}

async function tablesIn(dataDir: string): Promise<Table[]> {
  const states = stateNames(await readdir(dataDir));
  const tables: Table[] = [];
  for (const name of [LOG_DIRECTORY, ...states]) {
    const store: StoreName = name === LOG_DIRECTORY ? "log" : "state";
    const directory = join(dataDir, name);
    const numbers = (await readManifest(store, directory)).tables.keys();
    tables.push(...[...numbers].map((number) => ({ store, directory, number })));
  }
  return tables;
}

function pathOf({ directory, number }: Table): string {
  return join(directory, `${String(number).padStart(6, "0")}.ldb`);
}
