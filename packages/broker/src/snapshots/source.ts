/**
 * Sends this node's state to members that ask for it: the rows of one flush, read from a view that
 * stays the same while flushes go on, at a pace that leaves the event loop to its work. A stream
 * that broke goes on where it was as long as its view is kept.
 */
import { randomBytes } from "node:crypto";
import type { LogIndex, NodeId } from "task-queue-raft";
import {
  type LogStore,
  type StateDirectory,
  type StateRow,
  type StateStore,
  type StateView,
  StoreUnavailable,
} from "../ports.ts";
import { successor } from "../queue/index.ts";
import {
  type Checkpoint,
  type Encoded,
  encodeHeader,
  encodeRows,
  encodeTrailer,
  rowBytes,
  type SnapshotHeader,
} from "./format.ts";
import {
  CHUNK_BYTES,
  FLUSH_POLL_MS,
  FLUSH_WAIT_MS,
  FRAME_BYTES,
  PIN_ATTEMPTS_MAX,
  SLICE_ROWS_MAX,
  SLICE_ROWS_MIN,
} from "./limits.ts";
import { turnMs } from "./pace.ts";
import { Pin, Pins } from "./pins.ts";
import { decodeRequest, type SnapshotRequest } from "./request.ts";

export interface SnapshotSourceOptions {
  readonly clusterId: string;
  readonly states: Pick<StateDirectory, "live">;
  readonly log: Pick<LogStore, "base" | "chainAt">;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
  readonly logger: { info(fields: object, text: string): void };
  /** The disk has failed: nothing can be promised any more. */
  readonly onFault: (what: string, error: unknown) => void;
}

/** A snapshot that is read here, at the pace of its reader. */
export interface OpenSnapshot {
  readonly header: SnapshotHeader;
  /** What it is a snapshot of. */
  readonly view: StateView;
  readonly frames: AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/** Above every key of a record. */
const END = Uint8Array.of(0xff);
const BUSY = "other members are being sent snapshots already; try again later";
const GONE = "this snapshot is no longer kept";

export class SnapshotSource {
  readonly #options: SnapshotSourceOptions;
  readonly #pins: Pins;
  #sent = 0;
  /** Why nothing is sent now. */
  #closedFor: string | undefined;
  #isOver = false;

  constructor(options: SnapshotSourceOptions) {
    this.#options = options;
    this.#pins = new Pins(options.now);
  }

  /** Whole snapshots sent since the start. */
  get sent(): number {
    return this.#sent;
  }

  /**
   * The answer to a member's request, in pieces; ends when `signal` says that it has gone. What is
   * thrown is for the asker.
   */
  async *serve(from: NodeId, request: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const wanted = decodeRequest(request);
    const { pin, after } = await this.#pinFor(from, wanted, signal);
    const stream = this.#pins.enter(pin);
    try {
      yield* this.#frames(pin, stream, after, signal);
      // All of it has been taken, and nobody will come back for it.
      this.#sent++;
      const { index, id } = pin.header;
      this.#options.logger.info({ to: from, index, id }, `sent a snapshot of entry ${index}`);
      await this.#pins.drop(pin);
    } finally {
      this.#pins.leave(pin);
    }
  }

  /**
   * A snapshot of at least `minIndex`, for who keeps it rather than works with it. It ends when the
   * state is replaced; whoever has opened it closes it, however far it was read.
   */
  async take(reader: string, minIndex: LogIndex, signal: AbortSignal): Promise<OpenSnapshot> {
    const { pin } = await this.#pinFor(reader, { minIndex, resume: undefined }, signal);
    const stream = this.#pins.enter(pin);
    const close = async () => {
      this.#pins.leave(pin);
      await this.#pins.drop(pin);
    };
    const { header, view } = pin;
    return { header, view, frames: this.#frames(pin, stream, undefined, signal), close };
  }

  /** No view is kept and none is opened until `open`: the state is being replaced. */
  async shut(reason: string): Promise<void> {
    if (!this.#isOver) this.#closedFor = reason;
    await this.#pins.dropAll();
  }

  open(): void {
    if (!this.#isOver) this.#closedFor = undefined;
  }

  /** For ever, also if the replacing of the state ends only after this. */
  async close(): Promise<void> {
    this.#closedFor = "this node is stopping";
    this.#isOver = true;
    await this.#pins.dropAll();
  }

  /** `after` undefined: from the first row on. */
  async #pinFor(
    from: NodeId,
    { minIndex, resume }: SnapshotRequest,
    signal: AbortSignal,
  ): Promise<{ readonly pin: Pin; readonly after: Checkpoint | undefined }> {
    this.#checkOpen();
    const known = resume && this.#pins.find(resume.id);
    if (known !== undefined && known.reader === from && known.header.index >= minIndex) {
      const after = known.checkpointAt((resume as NonNullable<typeof resume>).lastKey);
      if (after !== undefined) {
        known.rewind(after);
        return { pin: known, after };
      }
    }
    await this.#flushed(minIndex, signal);
    if (!(await this.#pins.promise(from))) throw new Error(BUSY);
    let pin: Pin | undefined;
    try {
      pin = await this.#pin(from, signal);
    } finally {
      if (pin === undefined) this.#pins.giveBack();
    }
    return { pin, after: undefined };
  }

  /** Waits for the flush that includes `minIndex`. */
  async #flushed(minIndex: LogIndex, signal: AbortSignal): Promise<void> {
    const { states, now, pause } = this.#options;
    const until = now() + FLUSH_WAIT_MS;
    while (states.live.mark.applied < Math.max(1, minIndex)) {
      signal.throwIfAborted();
      if (now() >= until) {
        const { applied } = states.live.mark;
        throw new Error(`this node's state is that of entry ${applied}, ${minIndex} was asked for`);
      }
      await pause(FLUSH_POLL_MS);
      this.#checkOpen();
    }
  }

  /** One more, in the place that is kept for it. */
  async #pin(from: NodeId, signal: AbortSignal): Promise<Pin> {
    const { states, pause, onFault } = this.#options;
    for (let attempt = 0; attempt < PIN_ATTEMPTS_MAX; attempt++) {
      const { live } = states;
      try {
        const pin = await this.#tryPin(live, from, signal);
        if (pin !== undefined) return pin;
      } catch (error) {
        this.#checkOpen();
        if (error instanceof StoreUnavailable && live === states.live) {
          throw new Error(BUSY, { cause: error });
        }
        // One that was replaced meanwhile is closed; anything else is the disk.
        if (live === states.live) {
          onFault("the state could not be read for a snapshot", error);
          throw error;
        }
      }
      await pause(FLUSH_POLL_MS);
      signal.throwIfAborted();
      this.#checkOpen();
    }
    throw new Error(BUSY);
  }

  /**
   * undefined: not to be had of this state; a newer flush has come, and the log was compacted
   * beyond this one, or another state has taken its place.
   */
  async #tryPin(live: StateStore, from: NodeId, signal: AbortSignal): Promise<Pin | undefined> {
    const { clusterId, states } = this.#options;
    const view = await live.view();
    let pin: Pin | undefined;
    try {
      const { applied, logDurable, membership } = view.mark;
      const chain = await this.#chainAt(applied);
      const isWanted = !signal.aborted && this.#closedFor === undefined && live === states.live;
      if (!isWanted || chain === undefined || logDurable.index !== applied) return undefined;
      const id = randomBytes(16).toString("hex");
      const { term } = logDurable;
      pin = new Pin({ clusterId, id, index: applied, term, chain, membership }, view, from);
      // Before anything else can happen: who replaces the state drops the pins that it finds here.
      this.#pins.add(pin);
      return pin;
    } finally {
      if (pin === undefined) await view.close();
    }
  }

  /** undefined: that entry was compacted away meanwhile. */
  async #chainAt(index: LogIndex): Promise<string | undefined> {
    const { log } = this.#options;
    if (index < log.base.index) return undefined;
    try {
      return await log.chainAt(index);
    } catch (error) {
      if (index < log.base.index) return undefined;
      throw error;
    }
  }

  /** `after` undefined: from the first row on. */
  async *#frames(
    pin: Pin,
    stream: number,
    after: Checkpoint | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const header = encodeHeader(pin.header);
    yield header.frame;
    yield* this.#rows(pin, stream, after ?? header.checkpoint, signal);
  }

  async *#rows(
    pin: Pin,
    stream: number,
    after: Checkpoint,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { now, pause } = this.#options;
    const gathering = new Gathering(after);
    let limit = SLICE_ROWS_MIN;
    let from = after.lastKey === undefined ? new Uint8Array(0) : successor(after.lastKey);
    for (;;) {
      signal.throwIfAborted();
      const began = now();
      const slice = await this.#scan(pin, from, limit);
      const isLast = slice.length < limit;
      for (const encoded of gathering.add(slice, isLast)) yield* send(pin, stream, encoded);
      if (isLast) break;
      from = successor((slice.at(-1) as StateRow)[0]);
      const bytes = slice.reduce((sum, row) => sum + rowBytes(row), 0);
      limit = nextLimit(limit, bytes);
      const restMs = began + turnMs(slice.length, bytes, this.#pins.streams) - now();
      if (restMs > 0) await pause(restMs);
    }
    yield encodeTrailer(gathering.reached);
  }

  async #scan(pin: Pin, gte: Uint8Array, limit: number): Promise<readonly StateRow[]> {
    if (pin.dropped) throw new Error(GONE);
    try {
      return await pin.view.scan({ gte, lt: END }, limit);
    } catch (error) {
      if (pin.dropped || error instanceof StoreUnavailable) throw new Error(GONE, { cause: error });
      this.#options.onFault("the state could not be read for a snapshot", error);
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#closedFor !== undefined) throw new Error(this.#closedFor);
  }
}

/** Rows on their way into frames. */
class Gathering {
  #rows: StateRow[] = [];
  #bytes = 0;
  reached: Checkpoint;

  constructor(after: Checkpoint) {
    this.reached = after;
  }

  /** The frames that these rows fill; of the last ones, the one that they do not fill as well. */
  *add(rows: readonly StateRow[], isLast: boolean): Generator<Encoded, void> {
    for (const row of rows) {
      if (this.#bytes + rowBytes(row) > FRAME_BYTES && this.#rows.length > 0) yield this.#take();
      this.#rows.push(row);
      this.#bytes += rowBytes(row);
    }
    if (isLast && this.#rows.length > 0) yield this.#take();
  }

  #take(): Encoded {
    const encoded = encodeRows(this.#rows, this.reached);
    this.reached = encoded.checkpoint;
    this.#rows = [];
    this.#bytes = 0;
    return encoded;
  }
}

function* send(pin: Pin, stream: number, { frame, checkpoint }: Encoded): Generator<Uint8Array> {
  // Its reader has come back already, before this side noticed that it had gone.
  if (pin.streams !== stream) throw new Error("another stream goes on with this snapshot");
  // Noted before it leaves: who has received it may come back to this point at once.
  pin.reached(checkpoint);
  for (let at = 0; at < frame.length; at += CHUNK_BYTES) {
    yield frame.subarray(at, at + CHUNK_BYTES);
  }
}

/** More rows at a time while they are small, fewer as soon as they are large. */
function nextLimit(limit: number, bytes: number): number {
  const fitting = bytes * 2 <= FRAME_BYTES ? limit * 2 : Math.floor((limit * FRAME_BYTES) / bytes);
  return Math.max(SLICE_ROWS_MIN, Math.min(SLICE_ROWS_MAX, fitting));
}
