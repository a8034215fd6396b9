/**
 * Hands out a backup piece by piece, to who asks for one after the other by its offset. It is the
 * asker who names the backup and the place: an answer that was lost on the way is given again, and
 * a connection that broke is no loss. In memory is one piece, however slowly it is read.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { TqError } from "task-queue-protocol";
import type { BackupPiece } from "../operations/broker.ts";
import { IDLE_MS_MAX, IDLE_MS_REPLACED, PIECE_BYTES, TAKING_MS_MAX } from "./limits.ts";
import type { OpenBackup } from "./take.ts";

export interface DeskOptions {
  /** See `Backups.open`. */
  readonly open: (minIndex: number, signal: AbortSignal) => Promise<OpenBackup>;
  /** Monotonic, ms. */
  readonly now: () => number;
}

/** Looks at what nobody asks for any more. */
const SWEEP_MS = 1_000;

export class BackupDesk {
  readonly #options: DeskOptions;
  #download: Download | undefined;
  #sweep: NodeJS.Timeout | undefined;
  /** Resolves when the former one has let go of its view. */
  #released: Promise<void> = Promise.resolve();

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /**
   * The piece at `offset` of the backup that the asker calls `id`; the one at 0 begins it, and then
   * it includes at least entry `minIndex`. Rejects with `TqError`: `overloaded` when none can be
   * had now, `position_compacted` when that one is no longer kept.
   */
  async read(id: string, offset: number, minIndex: number): Promise<BackupPiece> {
    const download = this.#find(id) ?? this.#begin(id, offset, minIndex);
    try {
      return await download.read(offset);
    } catch (error) {
      // One that goes wrong on its way can only be begun anew.
      if (!(error instanceof TqError && error.code === "invalid_request")) this.#drop(download);
      throw error;
    }
  }

  #find(id: string): Download | undefined {
    return this.#download?.id === id ? this.#download : undefined;
  }

  #begin(id: string, offset: number, minIndex: number): Download {
    if (offset > 0) throw new TqError("position_compacted", GONE);
    const former = this.#download;
    if (former !== undefined) {
      if (!former.isDone && former.idleMs < IDLE_MS_REPLACED) throw new TqError("overloaded", BUSY);
      this.#drop(former);
    }
    const released = this.#released;
    const open = async (signal: AbortSignal): Promise<OpenBackup> => {
      await released;
      return await this.#options.open(minIndex, signal);
    };
    this.#download = new Download(id, open, this.#options.now);
    this.#sweep ??= setInterval(() => this.#dropIdle(), SWEEP_MS).unref();
    return this.#download;
  }

  #dropIdle(): void {
    const download = this.#download;
    if (download !== undefined && download.idleMs >= IDLE_MS_MAX) this.#drop(download);
  }

  #drop(download: Download): void {
    const released = download.close();
    if (this.#download !== download) return;
    this.#released = released;
    this.#download = undefined;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

const GONE = "this backup is no longer kept here; begin anew";
const BUSY = "another backup is being taken from this node; try again";

interface Current {
  readonly offset: number;
  readonly piece: Promise<BackupPiece>;
}

class Download {
  readonly id: string;
  readonly #open: (signal: AbortSignal) => Promise<OpenBackup>;
  readonly #now: () => number;
  readonly #digest = createHash("sha256");
  readonly #over = new AbortController();
  readonly #beganAt: number;
  #askedAt: number;
  #opened: Promise<OpenBackup> | undefined;
  #released: Promise<void> | undefined;
  #current: Current | undefined;
  #pulling = false;
  isDone = false;

  constructor(id: string, open: (signal: AbortSignal) => Promise<OpenBackup>, now: () => number) {
    this.id = id;
    this.#open = open;
    this.#now = now;
    this.#beganAt = now();
    this.#askedAt = this.#beganAt;
  }

  /** How long nobody has wanted anything of it. */
  get idleMs(): number {
    const now = this.#now();
    if (now - this.#beganAt > TAKING_MS_MAX) return Number.POSITIVE_INFINITY;
    return this.#pulling ? 0 : now - this.#askedAt;
  }

  /** Asked twice for the same one, it gives the same one. */
  async read(offset: number): Promise<BackupPiece> {
    this.#askedAt = this.#now();
    const before = this.#current;
    const next = before === undefined ? 0 : endOf(await before.piece);
    // Also one that somebody has asked for during this wait.
    if (this.#current?.offset === offset) return this.#current.piece;
    if (offset !== next || this.#current !== before || this.isDone) {
      const message = `offset: ${offset} is neither the last piece's nor the next one's, ${next}`;
      throw new TqError("invalid_request", message, { field: "offset" });
    }
    const piece = this.#pull(offset);
    this.#current = { offset, piece };
    return piece;
  }

  /** Resolves when its view is let go; whoever waits for a piece is told that it is gone. */
  close(): Promise<void> {
    this.#over.abort(new Error(GONE));
    return this.#release();
  }

  async #pull(offset: number): Promise<BackupPiece> {
    this.#pulling = true;
    try {
      this.#opened ??= this.#open(this.#over.signal);
      const backup = await this.#opened;
      const gathered: Uint8Array[] = [];
      let bytes = 0;
      while (bytes < PIECE_BYTES) {
        const next = await backup.bytes.next();
        this.#over.signal.throwIfAborted();
        if (next.done === true) return this.#last(offset, Buffer.concat(gathered));
        this.#digest.update(next.value);
        gathered.push(next.value);
        bytes += next.value.length;
      }
      const piece = Buffer.concat(gathered);
      return { offset, bytes: piece, crc32: crc32(piece), sha256: undefined };
    } catch (error) {
      if (error instanceof TqError) throw error;
      const code = offset === 0 ? "overloaded" : "position_compacted";
      throw new TqError(code, (error as Error).message, { cause: error });
    } finally {
      this.#pulling = false;
      this.#askedAt = this.#now();
    }
  }

  /** The view is let go; the last piece stays for who has not received it. */
  #last(offset: number, bytes: Uint8Array): BackupPiece {
    this.isDone = true;
    void this.#release();
    return { offset, bytes, crc32: crc32(bytes), sha256: this.#digest.digest("hex") };
  }

  /** Never rejects: what could not be opened need not be closed, and a disk that fails says so. */
  #release(): Promise<void> {
    this.#released ??= (this.#opened ?? Promise.resolve(undefined)).then(
      (backup) => backup?.close(),
      () => undefined,
    );
    return this.#released;
  }
}

function endOf({ offset, bytes }: BackupPiece): number {
  return offset + bytes.length;
}
