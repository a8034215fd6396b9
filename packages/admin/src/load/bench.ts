/**
 * So many tasks into one queue, so many at a time, and out of it again through a worker of its own.
 * A submit is durable when its answer says so; a task is handled when its handler is called for the
 * first time. Clearing up is the caller's business.
 */
import { TqError } from "task-queue-client";
import type { AdminClient, Io } from "../io.ts";
import { Latencies, type Summary } from "./latencies.ts";
import { STALL_MS } from "./limits.ts";

export interface BenchOptions {
  readonly queue: string;
  readonly count: number;
  readonly outstanding: number;
  /** Of a payload, in bytes. */
  readonly size: number;
  /** undefined: as quickly as it goes. */
  readonly perSecond: number | undefined;
  readonly priority: "low" | "normal" | "high" | "critical" | undefined;
  /** Nobody does the tasks. */
  readonly submitOnly: boolean;
  readonly signal: AbortSignal;
  /** After so long in which nothing was answered or handled it is given up. */
  readonly stallMs?: number;
  /** Told how many are durable and how many handled, again and again. */
  readonly onProgress: (durable: number, handled: number) => void;
}

export interface Figures {
  readonly submitted: number;
  readonly durable: number;
  readonly handled: number;
  readonly seconds: number;
  readonly submit: Summary | undefined;
  readonly handle: Summary | undefined;
  /** How many submits ended with which code. */
  readonly errors: Readonly<Record<string, number>>;
}

export const TYPE = "bench";
const PACE_MS = 5;
const LOOK_MS = 20;

export class Bench {
  readonly #io: Pick<Io, "sleep">;
  readonly #client: Pick<AdminClient, "submit">;
  readonly #options: BenchOptions;
  /** When each was submitted, by its number; 0: it has been handled. */
  readonly #begun: Float64Array;
  readonly #durable: Latencies;
  readonly #handled: Latencies;
  readonly #errors = new Map<string, number>();
  readonly #over = new AbortController();
  #submitted = 0;
  /** What every other task would be refused with too. */
  #refusal: unknown;
  #startedAt = 0;
  #isStalled = false;

  constructor(io: Pick<Io, "sleep">, client: Pick<AdminClient, "submit">, options: BenchOptions) {
    this.#io = io;
    this.#client = client;
    this.#options = options;
    this.#begun = new Float64Array(options.count);
    this.#durable = new Latencies(options.count);
    this.#handled = new Latencies(options.count);
    options.signal.addEventListener("abort", () => this.#over.abort());
    if (options.signal.aborted) this.#over.abort();
  }

  /** What the worker calls for each task. */
  readonly handle = (payload: unknown): null => {
    const { n } = payload as { readonly n: number };
    const begun = this.#begun[n] ?? 0;
    // A task may run again, and only its first run is of interest.
    if (begun > 0) this.#handled.add(begun, performance.now());
    this.#begun[n] = 0;
    return null;
  };

  /** It was given up, because nothing happened any more. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /**
   * Resolves when all is done, when the signal has come first, or when nothing happens any more.
   * Throws what no other task could do better than.
   */
  async run(): Promise<Figures> {
    this.#startedAt = performance.now();
    const { count, outstanding, submitOnly, onProgress, stallMs = STALL_MS } = this.#options;
    const lanes = Array.from({ length: Math.min(outstanding, count) }, () => this.#lane());
    let isSubmitted = false;
    const answered = Promise.all(lanes).then(() => {
      isSubmitted = true;
    });
    const isDone = () => {
      return isSubmitted && (submitOnly || this.#handled.count >= this.#durable.count);
    };
    let moved = { sum: 0, at: this.#startedAt };
    while (!isDone() && !this.#over.signal.aborted) {
      const sum = this.#durable.count + this.#handled.count;
      const now = performance.now();
      if (sum !== moved.sum) moved = { sum, at: now };
      this.#isStalled = now - moved.at >= stallMs;
      if (this.#isStalled) this.#over.abort();
      onProgress(this.#durable.count, this.#handled.count);
      await this.#io.sleep(LOOK_MS, this.#over.signal);
    }
    // Of what a stalled cluster has not answered it answers nothing soon.
    if (!this.#isStalled) await answered;
    if (this.#refusal !== undefined) throw this.#refusal;
    return this.#figures();
  }

  /** One after the other, each when the one before has its answer. */
  async #lane(): Promise<void> {
    const { count, perSecond } = this.#options;
    while (this.#submitted < count && !this.#over.signal.aborted) {
      const n = this.#submitted;
      const due = perSecond === undefined ? 0 : this.#startedAt + (n / perSecond) * 1_000;
      if (performance.now() < due) await this.#io.sleep(PACE_MS);
      else {
        this.#submitted++;
        await this.#submit(n);
      }
    }
  }

  async #submit(n: number): Promise<void> {
    const { queue, size, priority } = this.#options;
    const begun = performance.now();
    this.#begun[n] = begun;
    try {
      const options = { queue, ...(priority && { priority }) };
      await this.#client.submit(TYPE, payloadOf(n, size), options);
      this.#durable.add(begun, performance.now());
    } catch (error) {
      this.#begun[n] = 0;
      if (error instanceof TqError && error.retryable) {
        this.#errors.set(error.code, (this.#errors.get(error.code) ?? 0) + 1);
        return;
      }
      this.#refusal ??= error;
      this.#over.abort();
    }
  }

  #figures(): Figures {
    return {
      submitted: this.#submitted,
      durable: this.#durable.count,
      handled: this.#handled.count,
      seconds: Math.round(performance.now() - this.#startedAt) / 1_000,
      submit: this.#durable.summary(this.#startedAt),
      handle: this.#handled.summary(this.#startedAt),
      errors: Object.fromEntries(this.#errors),
    };
  }
}

/** `size` bytes of JSON. */
function payloadOf(n: number, size: number): { readonly n: number; readonly padding: string } {
  const bare = { n, padding: "" };
  return { n, padding: "x".repeat(Math.max(0, size - JSON.stringify(bare).length)) };
}
