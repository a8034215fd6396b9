/** Times from a beginning to an end, of as many things as were announced, and what they come to. */

export interface Summary {
  /** From the first beginning to the last end. */
  readonly per_second: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

export class Latencies {
  readonly #took: Float64Array;
  #count = 0;
  #lastEnd = 0;

  constructor(size: number) {
    this.#took = new Float64Array(size);
  }

  get count(): number {
    return this.#count;
  }

  /** Both in ms of the same clock. */
  add(begin: number, end: number): void {
    this.#took[this.#count++] = end - begin;
    this.#lastEnd = Math.max(this.#lastEnd, end);
  }

  /** `firstBegin`: from when on there was anything to do. undefined: nothing has ended. */
  summary(firstBegin: number): Summary | undefined {
    const count = this.#count;
    if (count === 0) return undefined;
    const sorted = this.#took.slice(0, count).sort();
    // The nearest rank: the smallest that so large a share is not above of.
    const at = (share: number) => sorted[Math.max(0, Math.ceil(share * count) - 1)] as number;
    return {
      per_second: Math.round((count / Math.max(this.#lastEnd - firstBegin, 1)) * 1_000),
      p50_ms: rounded(at(0.5)),
      p99_ms: rounded(at(0.99)),
      max_ms: rounded(at(1)),
    };
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
