/**
 * The queue machine's records in memory, for tests of what stands on them: the same order of keys
 * and the same refusals as on disk, but nothing outlives the object: `reopened` stands for a
 * restart.
 */
import assert from "node:assert/strict";
import {
  type FlushMark,
  type KeyRange,
  type StateRow,
  type StateStore,
  type StateView,
  StoreUnavailable,
} from "../ports.ts";
import type { Flush, RecordWrite } from "../queue/records.ts";
import { NO_MARK } from "./flush-record.ts";
import { Gate } from "./gate.ts";
import { VIEWS_MAX } from "./state-view.ts";

/** Keys as hex: its order is the order of the bytes. Values are never changed in place. */
type Records = ReadonlyMap<string, Uint8Array>;

export class MemoryStateStore implements StateStore {
  readonly #gate = new Gate("the state");
  readonly #records: Map<string, Uint8Array>;
  #mark: FlushMark;
  #flushing: Promise<void> | undefined;
  #views = 0;

  constructor(records: Records = new Map(), mark: FlushMark = NO_MARK) {
    this.#records = new Map(records);
    this.#mark = mark;
  }

  /** What a restart finds: every completed flush. */
  reopened(): MemoryStateStore {
    return new MemoryStateStore(this.#records, this.#mark);
  }

  get mark(): FlushMark {
    return this.#mark;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#gate.check();
    return this.#records.get(hex(key));
  }

  async load(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.get(key);
  }

  async flush(flush: Flush, mark: FlushMark): Promise<void> {
    this.#gate.check();
    assert(this.#flushing === undefined, "a flush is already running");
    assert(flush.applied === mark.applied, `flush of ${flush.applied}, mark of ${mark.applied}`);
    assert(mark.applied >= this.#mark.applied, `flush goes back to entry ${mark.applied}`);
    this.#flushing = this.#gate.run(() => this.#write(flush.writes, mark));
    await this.#flushing;
  }

  async scan(range: KeyRange, limit: number): Promise<readonly StateRow[]> {
    this.#gate.check();
    return rowsIn(this.#records, range, limit);
  }

  async view(): Promise<StateView> {
    this.#gate.check();
    if (this.#views >= VIEWS_MAX) {
      throw new StoreUnavailable(`at most ${VIEWS_MAX} views of the state may be open`);
    }
    this.#views += 1;
    await this.#flushing;
    return this.#viewNow();
  }

  async stats(): Promise<Readonly<Record<string, number>>> {
    return { records: this.#records.size };
  }

  async compact(): Promise<{ readonly beforeBytes: number; readonly afterBytes: number }> {
    this.#gate.check();
    return { beforeBytes: 0, afterBytes: 0 };
  }

  async close(): Promise<void> {
    await this.#gate.close();
  }

  async #write(writes: readonly RecordWrite[], mark: FlushMark): Promise<void> {
    // A turn passes before anything is visible, as with a disk.
    await Promise.resolve();
    for (const { key, value } of writes) {
      if (value === undefined) {
        this.#records.delete(hex(key));
      } else {
        this.#records.set(hex(key), value.slice());
      }
    }
    this.#mark = { ...mark, membership: mark.membership.slice() };
    this.#flushing = undefined;
  }

  #viewNow(): StateView {
    const records = new Map(this.#records);
    let open = true;
    return {
      mark: this.#mark,
      scan: async (range, limit) => {
        this.#gate.check();
        if (!open) {
          throw new StoreUnavailable("the view of the state is closed");
        }
        return rowsIn(records, range, limit);
      },
      close: async () => {
        this.#views -= open ? 1 : 0;
        open = false;
      },
    };
  }
}

function rowsIn(records: Records, range: KeyRange, limit: number): readonly StateRow[] {
  const gte = hex(range.gte);
  const lt = hex(range.lt);
  const keys = [...records.keys()].filter((key) => gte <= key && key < lt).sort();
  if (range.reverse === true) {
    keys.reverse();
  }
  return keys
    .slice(0, limit)
    .map((key): StateRow => [Uint8Array.from(Buffer.from(key, "hex")), records.get(key)!]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
