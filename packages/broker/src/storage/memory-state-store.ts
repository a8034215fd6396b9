/**
 * The queue machine's records in memory, for tests of what stands on them: the same order of keys
 * and the same refusals as on disk, but nothing outlives the object.
 */
import assert from "node:assert/strict";
import type { FlushMark, KeyRange, StateStore } from "../ports.ts";
import type { Flush } from "../queue/records.ts";
import { NO_MARK } from "./flush-record.ts";

export class MemoryStateStore implements StateStore {
  /** Keys as hex: its order is the order of the bytes. */
  readonly #records = new Map<string, Uint8Array>();
  #mark: FlushMark = NO_MARK;
  #flushing = false;

  get mark(): FlushMark {
    return this.#mark;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#records.get(hex(key));
  }

  async load(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.get(key);
  }

  async flush(flush: Flush, mark: FlushMark): Promise<void> {
    assert(!this.#flushing, "a flush is already running");
    assert(flush.applied === mark.applied, `flush of ${flush.applied}, mark of ${mark.applied}`);
    assert(mark.applied >= this.#mark.applied, `flush goes back to entry ${mark.applied}`);
    this.#flushing = true;
    // A turn passes before anything is visible, as with a disk.
    await Promise.resolve();
    for (const { key, value } of flush.writes) {
      if (value === undefined) {
        this.#records.delete(hex(key));
      } else {
        this.#records.set(hex(key), value.slice());
      }
    }
    this.#mark = { ...mark, membership: mark.membership.slice() };
    this.#flushing = false;
  }

  async scan(
    range: KeyRange,
    limit: number,
  ): Promise<readonly (readonly [Uint8Array, Uint8Array])[]> {
    const gte = hex(range.gte);
    const lt = hex(range.lt);
    const keys = [...this.#records.keys()].filter((key) => gte <= key && key < lt).sort();
    if (range.reverse === true) {
      keys.reverse();
    }
    return keys
      .slice(0, limit)
      .map((key) => [Uint8Array.from(Buffer.from(key, "hex")), this.#records.get(key)!]);
  }

  async stats(): Promise<Readonly<Record<string, string>>> {
    return { records: String(this.#records.size) };
  }

  async close(): Promise<void> {}
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
