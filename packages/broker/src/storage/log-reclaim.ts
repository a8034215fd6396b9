/**
 * Gives back the disk space of entries that have been removed. LevelDB keeps removed records until
 * it happens to merge their tables, and in a log, where every key is new, it never does: measured,
 * a log of 200 MB still took 220 MB after all of it had been compacted away, and each start read
 * them. Asking for the merge takes 2 ms a megabyte, most of it dropping whole tables; in small
 * ranges, no append waits for longer than 20 ms meanwhile.
 */
import type { LogIndex } from "task-queue-raft";
import { entryKey } from "./entry-record.ts";
import type { Level } from "./level.ts";

/** Bytes of removed entries that are worth the effort. */
const WORTH_BYTES = 64 << 20;

/** Bytes of removed entries in one range. */
const RANGE_BYTES = 16 << 20;

export class LogReclaim {
  readonly #level: Level;
  readonly #worthBytes: number;
  #bytes = 0;
  #first: LogIndex | undefined;
  #running: Promise<void> | undefined;

  constructor(level: Level, worthBytes: number = WORTH_BYTES) {
    this.#level = level;
    this.#worthBytes = worthBytes;
  }

  /** Entries from `first` on have been dropped, with so many bytes of data. */
  dropped(first: LogIndex, bytes: number): void {
    this.#first = Math.min(this.#first ?? first, first);
    this.#bytes += bytes;
  }

  /**
   * Begins in the background if it is worth it; all records up to `upTo` have been removed. Stops
   * between two ranges when `ended` says so.
   */
  begin(upTo: LogIndex, ended: () => boolean, onError: (error: unknown) => void): void {
    if (this.#running === undefined && this.#bytes >= this.#worthBytes) {
      const first = this.#first ?? upTo;
      const ranges = Math.ceil(this.#bytes / RANGE_BYTES);
      this.#bytes = 0;
      this.#first = undefined;
      this.#running = this.#run(first, upTo, ranges, ended)
        .catch(onError)
        .finally(() => {
          this.#running = undefined;
        });
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(first: LogIndex, upTo: LogIndex, ranges: number, ended: () => boolean): Promise<void> {
    const step = Math.ceil((upTo + 1 - first) / ranges);
    // From the very first key: an earlier start may have left something.
    let from = 0;
    for (let to = first; from <= upTo && !ended(); from = to) {
      to = Math.min(upTo + 1, to + step);
      await this.#level.compactRange(entryKey(from), entryKey(to));
    }
  }
}
