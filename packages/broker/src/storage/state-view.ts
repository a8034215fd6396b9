/**
 * A consistent view of the state in LevelDB: one of its snapshots, taken while no flush was being
 * written, so that it shows exactly what one flush left. An open view keeps old records on disk.
 */
import {
  type FlushMark,
  type KeyRange,
  type StateRow,
  type StateView,
  StoreUnavailable,
} from "../ports.ts";
import type { Level } from "./level.ts";
import { keyOfRecord, recordKey } from "./state-record.ts";

/** Open at a time; the next one is refused. Two are enough for sending snapshots. */
export const VIEWS_MAX = 16;

/** Bytes read ahead by a scan: LevelDB's default of 16 KiB costs a thread's turn every 50 rows. */
const SCAN_AHEAD_BYTES = 1 << 20;
/** Rows handed over in one step: ten times as many hold up the event loop for 65 ms. */
const SCAN_ROWS_MAX = 1000;

export type LevelSnapshot = ReturnType<Level["snapshot"]>;

type Scan = (range: KeyRange, limit: number) => Promise<readonly StateRow[]>;

export class LevelStateView implements StateView {
  readonly mark: FlushMark;
  readonly #scan: Scan;
  readonly #release: () => Promise<void>;
  #closed = false;

  /** Use `LevelStateStore.view`. */
  constructor(mark: FlushMark, scan: Scan, release: () => Promise<void>) {
    this.mark = mark;
    this.#scan = scan;
    this.#release = release;
  }

  async scan(range: KeyRange, limit: number): Promise<readonly StateRow[]> {
    if (this.#closed) {
      throw new StoreUnavailable("the view of the state is closed");
    }
    return await this.#scan(range, limit);
  }

  /** A scan under way finishes first. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      await this.#release();
    }
  }
}

/** Rows in key order, from the snapshot or, without one, from the state as of this call. */
export async function scanRows(
  level: Level,
  range: KeyRange,
  limit: number,
  unwrap: (prefixed: Buffer, value: Buffer) => Uint8Array,
  snapshot?: LevelSnapshot,
): Promise<readonly StateRow[]> {
  const rows = level.iterator({
    gte: recordKey(range.gte),
    lt: recordKey(range.lt),
    reverse: range.reverse ?? false,
    limit,
    highWaterMarkBytes: SCAN_AHEAD_BYTES,
    fillCache: false,
    ...(snapshot === undefined ? {} : { snapshot }),
  });
  const found: StateRow[] = [];
  try {
    let batch = await rows.nextv(SCAN_ROWS_MAX);
    while (batch.length > 0) {
      for (const [key, value] of batch) {
        found.push([keyOfRecord(key), unwrap(key, value)]);
      }
      batch = await rows.nextv(SCAN_ROWS_MAX);
    }
  } finally {
    await rows.close();
  }
  return found;
}
