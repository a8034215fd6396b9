/**
 * Fetches a snapshot from another member into a state beside the live one, and loads it. One fetch
 * at a time: the sources are tried in order, a broken stream goes on where it was, and after a
 * bounded number of attempts the fetch is given up; the leader asks for it again. Nothing of it
 * shows anywhere before all of it has been checked.
 */
import type { LogIndex, NodeId, SnapshotFetch } from "task-queue-raft";
import { BadState, loadQueue } from "../load-queue.ts";
import type { LogBase, StagedState, StateDirectory, StateStore } from "../ports.ts";
import type { QueueMachine } from "../queue/index.ts";
import { SnapshotDecoder, type SnapshotPart } from "./decoder.ts";
import type { Checkpoint, SnapshotHeader } from "./format.ts";
import { SnapshotDamage } from "./frame-reader.ts";
import { ATTEMPTS_MAX, FRUITLESS_ATTEMPTS_MAX, RETRY_PAUSE_MS } from "./limits.ts";
import { encodeRequest } from "./request.ts";
import { RowWriter } from "./row-writer.ts";

export interface SnapshotReceiverOptions {
  readonly clusterId: string;
  readonly states: Pick<StateDirectory, "stage">;
  /** See `Bus.fetchSnapshot`. */
  readonly fetch: (from: NodeId, request: Uint8Array) => AsyncIterable<Uint8Array>;
  /** Throws when this node could not go on with these, encoded, as its members. */
  readonly checkMembers: (membership: Uint8Array) => void;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
  readonly logger: {
    info(fields: object, text: string): void;
    warn(fields: object, text: string): void;
  };
  /** All of it is here. False: it is not needed any more, and is deleted. */
  readonly install: (snapshot: StagedSnapshot) => boolean;
  /** The disk has failed: nothing can be promised any more. */
  readonly onFault: (what: string, error: unknown) => void;
}

/** A snapshot on disk beside the live state, checked and loaded. */
export interface StagedSnapshot {
  readonly staged: StagedState;
  readonly store: StateStore;
  readonly queue: QueueMachine;
  readonly base: LogBase;
  /** Members in force at `base`, encoded. */
  readonly membership: Uint8Array;
}

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #current: Fetch | undefined;
  #ended: Promise<void> = Promise.resolve();
  #received = 0;
  #receivedBytes = 0;
  #lastDurationMs: number | undefined;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  get stats() {
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      lastDurationMs: this.#lastDurationMs,
    };
  }

  /** A snapshot is on its way. */
  get isBusy(): boolean {
    return this.#current !== undefined;
  }

  /** Repeated by the leader as long as it sees no progress: what is under way already goes on. */
  want(wish: SnapshotFetch): void {
    if (this.#current !== undefined) {
      if (wish.index <= this.#current.index) return;
      // What is being fetched would not be enough: the log begins behind it by now.
      this.#current.cancel();
    }
    const fetch = new Fetch(this.#options, wish, (bytes) => {
      this.#receivedBytes += bytes;
    });
    this.#current = fetch;
    // One after the other: the next stage drops what an earlier one has left.
    this.#ended = this.#ended.then(() => this.#run(fetch));
  }

  /** Ends what is under way; resolves when nothing of it is being written any more. */
  async close(): Promise<void> {
    this.#current?.cancel();
    await this.#ended;
  }

  async #run(fetch: Fetch): Promise<void> {
    const { now, logger, install, onFault } = this.#options;
    const began = now();
    try {
      const snapshot = await fetch.run();
      if (snapshot === undefined) return;
      this.#received++;
      this.#lastDurationMs = now() - began;
      const { index } = snapshot.base;
      logger.info({ index, rows: fetch.rows }, `received a snapshot of entry ${index}`);
      if (!install(snapshot)) await snapshot.staged.discard();
    } catch (error) {
      onFault("a snapshot could not be stored", error);
    } finally {
      if (this.#current === fetch) this.#current = undefined;
    }
  }
}

/** The other side, or the way to it, failed: another attempt may succeed. */
class Broken extends Error {}

class Fetch {
  readonly #options: SnapshotReceiverOptions;
  readonly #wish: SnapshotFetch;
  readonly #count: (bytes: number) => void;
  readonly #cancel = new AbortController();
  #staged: StagedState | undefined;
  #writer: RowWriter | undefined;
  #header: SnapshotHeader | undefined;
  /** undefined: not a single row yet. */
  #reached: Checkpoint | undefined;

  constructor(
    options: SnapshotReceiverOptions,
    wish: SnapshotFetch,
    count: (bytes: number) => void,
  ) {
    this.#options = options;
    this.#wish = wish;
    this.#count = count;
  }

  /** The entry that this snapshot will reach, as far as is known. */
  get index(): LogIndex {
    return Math.max(this.#wish.index, this.#header?.index ?? 0);
  }

  get rows(): number {
    return this.#reached?.rows ?? 0;
  }

  cancel(): void {
    this.#cancel.abort(new Error("it is not wanted any more"));
  }

  get #cancelled(): boolean {
    return this.#cancel.signal.aborted;
  }

  /** undefined: cancelled or given up. Throws only what the disk throws. */
  async run(): Promise<StagedSnapshot | undefined> {
    for (const source of this.#wish.sources) {
      if (await this.#receiveFrom(source)) {
        const snapshot = await this.#finish(source);
        if (snapshot !== undefined) return snapshot;
      }
      if (this.#cancelled) break;
    }
    await this.#startOver();
    return undefined;
  }

  /** All rows that one source has; false if it does not send them. */
  async #receiveFrom(source: NodeId): Promise<boolean> {
    const { logger, pause } = this.#options;
    // What another one sends is another snapshot.
    await this.#startOver();
    let fruitless = 0;
    for (let attempt = 0; attempt < ATTEMPTS_MAX && !this.#cancelled; attempt++) {
      const before = this.rows;
      const trouble = await this.#attempt(source);
      if (trouble === undefined) return true;
      if (this.#cancelled) return false;
      const fields = { from: source, index: this.#wish.index, rows: this.rows };
      logger.warn(fields, `no snapshot from ${source} yet: ${trouble.message}`);
      fruitless = this.rows > before ? 0 : fruitless + 1;
      if (fruitless === FRUITLESS_ATTEMPTS_MAX) return false;
      await pause(RETRY_PAUSE_MS);
    }
    return false;
  }

  async #startOver(): Promise<void> {
    await this.#writer?.stop();
    await this.#staged?.discard();
    this.#writer = undefined;
    this.#staged = undefined;
    this.#header = undefined;
    this.#reached = undefined;
  }

  /** One stream, to its end; or why it broke. */
  async #attempt(source: NodeId): Promise<Broken | undefined> {
    const decoder = new SnapshotDecoder((header, first) => this.#startOf(header, first));
    let stream: AsyncIterator<Uint8Array> | undefined;
    try {
      const opened = await fromOutside(() => this.#open(source)[Symbol.asyncIterator]());
      stream = opened;
      for (;;) {
        const piece = await fromOutside(() => this.#next(opened));
        if (piece.done === true) break;
        this.#count(piece.value.length);
        for (const part of partsOf(decoder, piece.value)) await this.#take(part);
      }
      await fromOutside(() => decoder.end());
      return undefined;
    } catch (error) {
      if (error instanceof Broken) return error;
      throw error;
    } finally {
      // Leaves the other side nothing to wait for; that it is gone already is no news.
      Promise.resolve(stream?.return?.()).catch(() => {});
    }
  }

  /**
   * Ends with the wish for it as well, whatever the other side does. The listener goes with the
   * wait: a race against one promise for all waits would keep every piece for as long as that.
   */
  #next(stream: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const { signal } = this.#cancel;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
      const rest = (): void => signal.removeEventListener("abort", abort);
      stream.next().then(resolve, reject).finally(rest);
    });
  }

  #open(source: NodeId): AsyncIterable<Uint8Array> {
    const { id } = this.#header ?? {};
    const lastKey = this.#reached?.lastKey;
    const resume = id === undefined || lastKey === undefined ? undefined : { id, lastKey };
    const request = encodeRequest({ minIndex: this.#wish.index, resume });
    return this.#options.fetch(source, request);
  }

  /** Where the rows of a stream with this header go on. */
  #startOf(header: SnapshotHeader, first: Checkpoint): Checkpoint {
    if (header.clusterId !== this.#options.clusterId) {
      throw new SnapshotDamage(`it is of cluster ${header.clusterId}`);
    }
    if (header.index < this.#wish.index) {
      throw new SnapshotDamage(`it is of entry ${header.index}, ${this.#wish.index} is needed`);
    }
    try {
      this.#options.checkMembers(header.membership);
    } catch (error) {
      throw new SnapshotDamage(`its members: ${(error as Error).message}`, { cause: error });
    }
    return (header.id === this.#header?.id ? this.#reached : undefined) ?? first;
  }

  async #take(part: SnapshotPart): Promise<void> {
    switch (part.kind) {
      case "header":
        if (part.header.id !== this.#header?.id) {
          // The source no longer had the one before: all of it comes anew.
          await this.#startOver();
          this.#header = part.header;
        }
        return;
      case "rows":
        this.#staged ??= await this.#options.states.stage();
        this.#writer ??= new RowWriter(this.#staged);
        await this.#writer.add(part.rows);
        this.#reached = part.reached;
        return;
      case "end":
        return;
    }
  }

  /** undefined: the rows make no state; the next source may have better ones. */
  async #finish(source: NodeId): Promise<StagedSnapshot | undefined> {
    const { index, term, chain, membership } = this.#header as SnapshotHeader;
    const staged = this.#staged ?? (await this.#options.states.stage());
    this.#staged = staged;
    await this.#writer?.written();
    const base = { index, term, chain };
    const store = await staged.finish({ applied: index, logDurable: { index, term }, membership });
    try {
      const queue = await loadQueue(store);
      if (queue.applied !== index) throw new BadState(`its records are of entry ${queue.applied}`);
      // Another one is fetched already, and would drop this one from the disk.
      if (this.#cancelled) return undefined;
      this.#staged = undefined;
      return { staged, store, queue, base, membership };
    } catch (error) {
      if (!(error instanceof BadState)) throw error;
      const text = `the snapshot from ${source} is no state: ${error.message}`;
      this.#options.logger.warn({ from: source, index }, text);
      return undefined;
    }
  }
}

/** Whatever the other side, or the way to it, does wrong. */
async function fromOutside<T>(act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw new Broken((error as Error).message, { cause: error });
  }
}

/** The parts that a piece completes, one by one, each taken before the next one is read. */
function* partsOf(decoder: SnapshotDecoder, piece: Uint8Array): Generator<SnapshotPart> {
  const parts = decoder.push(piece);
  for (;;) {
    let next: IteratorResult<SnapshotPart>;
    try {
      next = parts.next();
    } catch (error) {
      throw new Broken((error as Error).message, { cause: error });
    }
    if (next.done === true) return;
    yield next.value;
  }
}
