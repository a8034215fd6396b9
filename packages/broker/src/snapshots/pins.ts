/**
 * Views of the state that are kept open while they are read over the network, and for a while after
 * a stream broke, so that the reader can go on where it was. Each holds back space on disk: there
 * are few, and none outlives its time.
 */
import type { NodeId } from "task-queue-raft";
import type { StateView } from "../ports.ts";
import type { Checkpoint, SnapshotHeader } from "./format.ts";
import { CHECKPOINTS_MAX, PIN_MS_MAX, PINS_MAX } from "./limits.ts";

export class Pin {
  readonly header: SnapshotHeader;
  readonly view: StateView;
  readonly reader: NodeId;
  /** Streams that read it now: one, and those before it that have not noticed their end yet. */
  users = 0;
  /** Grows with each stream; only the newest goes on. */
  streams = 0;
  /** When the last stream ended. */
  idleSince = 0;
  dropped = false;
  readonly #checkpoints: Checkpoint[] = [];

  constructor(header: SnapshotHeader, view: StateView, reader: NodeId) {
    this.header = header;
    this.view = view;
    this.reader = reader;
  }

  reached(checkpoint: Checkpoint): void {
    this.#checkpoints.push(checkpoint);
    if (this.#checkpoints.length > CHECKPOINTS_MAX) this.#checkpoints.shift();
  }

  /** The point behind this key, if the snapshot was cut there and the point is still known. */
  checkpointAt(lastKey: Uint8Array): Checkpoint | undefined {
    return this.#checkpoints.findLast((checkpoint) => {
      return checkpoint.lastKey !== undefined && Buffer.compare(checkpoint.lastKey, lastKey) === 0;
    });
  }

  /** What a new stream sends again will be noted again. */
  rewind({ rows }: Checkpoint): void {
    const later = this.#checkpoints.findIndex((checkpoint) => checkpoint.rows > rows);
    if (later >= 0) this.#checkpoints.splice(later);
  }
}

export class Pins {
  readonly #now: () => number;
  readonly #pins = new Set<Pin>();
  /** Places that are kept for pins being made. */
  #promised = 0;
  #expiry: NodeJS.Timeout | undefined;

  /** `now`: monotonic, ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  find(id: string): Pin | undefined {
    for (const pin of this.#pins) if (pin.header.id === id) return pin;
    return undefined;
  }

  /**
   * Keeps a place for one more, by dropping what nobody reads; false = all are being read. To be
   * followed by `add` or `giveBack`.
   */
  async promise(reader: NodeId): Promise<boolean> {
    for (const pin of this.#pins) {
      // It asks for another one, so it has given this one up.
      if (pin.reader === reader) await this.drop(pin);
    }
    if (this.#isFull) {
      const idle = [...this.#pins].filter((pin) => pin.users === 0);
      const [oldest] = idle.sort((a, b) => a.idleSince - b.idleSince);
      if (oldest === undefined) return false;
      await this.drop(oldest);
    }
    // Others may have been quicker.
    if (this.#isFull) return false;
    this.#promised++;
    return true;
  }

  giveBack(): void {
    this.#promised--;
  }

  /** In the place that was kept for it. */
  add(pin: Pin): void {
    this.#promised--;
    this.#pins.add(pin);
  }

  /** How many are being sent. */
  get streams(): number {
    let streams = 0;
    for (const { users } of this.#pins) streams += users;
    return streams;
  }

  /** The number of this stream. */
  enter(pin: Pin): number {
    pin.users++;
    return ++pin.streams;
  }

  leave(pin: Pin): void {
    pin.users--;
    pin.idleSince = this.#now();
    this.#expiry ??= setInterval(() => this.#expire(), PIN_MS_MAX / 4).unref();
  }

  /** Streams that still read it find it gone. */
  async drop(pin: Pin): Promise<void> {
    if (!this.#pins.delete(pin)) return;
    pin.dropped = true;
    await pin.view.close();
  }

  async dropAll(): Promise<void> {
    clearInterval(this.#expiry);
    this.#expiry = undefined;
    for (const pin of [...this.#pins]) await this.drop(pin);
  }

  get #isFull(): boolean {
    return this.#pins.size + this.#promised >= PINS_MAX;
  }

  #expire(): void {
    const before = this.#now() - PIN_MS_MAX;
    for (const pin of this.#pins) {
      // A view that cannot be closed is closed with its store.
      if (pin.users === 0 && pin.idleSince < before) this.drop(pin).catch(() => {});
    }
  }
}
