/**
 * The nonces of signed requests, remembered for as long as a request with them could come again. By
 * their digests, and in typed arrays: a million of them as objects would cost pauses of the
 * collector. Those of about the same date are in one generation, which is forgotten as a whole;
 * what is older than anything forgotten is never taken for new.
 */
import { NONCE_GENERATIONS, NONCES_MAX } from "./limits.ts";

/** `unsure`: it is from a time of which this process knows nothing (any more). */
export type Verdict = "new" | "seen" | "unsure" | "full";

export class Nonces {
  readonly #windowMs: number;
  readonly #spanMs: number;
  readonly #max: number;
  /** By date divided by span. */
  readonly #generations = new Map<number, Generation>();
  #size = 0;
  /** A request with an older date may have come, and left no trace. */
  #forgottenBeforeMs: number;

  /** Dates and `nowMs` are of the wall clock. */
  constructor(windowMs: number, nowMs: number, max = NONCES_MAX) {
    this.#windowMs = windowMs;
    this.#spanMs = Math.ceil(windowMs / NONCE_GENERATIONS);
    this.#max = max;
    this.#forgottenBeforeMs = nowMs;
  }

  get size(): number {
    return this.#size;
  }

  /** `digest`: 16 bytes or more, evenly spread. `dateMs`: within the window of `nowMs`. */
  add(digest: Buffer, dateMs: number, nowMs: number): Verdict {
    this.#forget(nowMs);
    if (dateMs < this.#forgottenBeforeMs) return "unsure";
    const at = Math.floor(dateMs / this.#spanMs);
    const generation = this.#generations.get(at) ?? new Generation();
    if (generation.has(digest)) return "seen";
    if (this.#size >= this.#max) return "full";
    this.#generations.set(at, generation);
    generation.add(digest);
    this.#size++;
    return "new";
  }

  #forget(nowMs: number): void {
    for (const [at, generation] of this.#generations) {
      const endMs = (at + 1) * this.#spanMs;
      if (endMs + this.#windowMs >= nowMs) continue;
      this.#generations.delete(at);
      this.#size -= generation.size;
      this.#forgottenBeforeMs = Math.max(this.#forgottenBeforeMs, endMs);
    }
  }
}

/** In parts, so that none of them takes long to grow. */
const PARTS = 16;
const SLOTS_FIRST = 64;

class Generation {
  readonly #parts = Array.from({ length: PARTS }, () => new Part());

  get size(): number {
    return this.#parts.reduce((sum, part) => sum + part.size, 0);
  }

  has(digest: Buffer): boolean {
    return this.#partOf(digest).has(digest.readUInt32LE(0), lowOf(digest));
  }

  add(digest: Buffer): void {
    this.#partOf(digest).add(digest.readUInt32LE(0), lowOf(digest));
  }

  #partOf(digest: Buffer): Part {
    return this.#parts[digest[8]! % PARTS]!;
  }
}

/** Never 0, which marks an empty slot. */
function lowOf(digest: Buffer): number {
  return digest.readUInt32LE(4) || 1;
}

/** A table with open addresses, at most half full. */
class Part {
  size = 0;
  #highs = new Uint32Array(SLOTS_FIRST);
  #lows = new Uint32Array(SLOTS_FIRST);

  has(high: number, low: number): boolean {
    return this.#lows[this.#slotOf(high, low)] !== 0;
  }

  add(high: number, low: number): void {
    if (2 * this.size >= this.#lows.length) this.#grow();
    this.#put(high, low);
    this.size++;
  }

  #grow(): void {
    const [highs, lows] = [this.#highs, this.#lows];
    this.#highs = new Uint32Array(2 * highs.length);
    this.#lows = new Uint32Array(2 * lows.length);
    for (const [slot, low] of lows.entries()) if (low !== 0) this.#put(highs[slot]!, low);
  }

  #put(high: number, low: number): void {
    const slot = this.#slotOf(high, low);
    this.#highs[slot] = high;
    this.#lows[slot] = low;
  }

  /** Where it stands, or would. */
  #slotOf(high: number, low: number): number {
    const mask = this.#lows.length - 1;
    let slot = low & mask;
    while (this.#lows[slot] !== 0 && (this.#lows[slot] !== low || this.#highs[slot] !== high)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
