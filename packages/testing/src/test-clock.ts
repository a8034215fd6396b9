/**
 * Time that stands still until the test moves it, for broker and workers alike. It moves from timer
 * to timer, and after each it waits until nothing is said or done any more, so that a retry that is
 * due in a minute happens in that minute and not at its end.
 */
import { QUIET_TURNS, TURNS_MAX } from "./limits.ts";

export interface Timer {
  cancel(): void;
}

interface Due {
  readonly at: number;
  readonly act: () => void;
}

export class TestClock {
  readonly #epochMs: number;
  readonly #timers = new Set<Due>();
  #now = 0;
  /** Grows with everything that is said or done. */
  #activity = 0;
  /** What a timer has begun and what is to end before time goes on. */
  #work: Promise<void> = Promise.resolve();
  #moving: Promise<void> = Promise.resolve();

  /** `epochMs`: what the wall clock shows at first, milliseconds since 1970. */
  constructor(epochMs: number) {
    this.#epochMs = epochMs;
  }

  /** Milliseconds since the beginning of the test's broker. */
  now(): number {
    return this.#now;
  }

  /** Milliseconds since 1970. */
  wallMs(): number {
    return this.#epochMs + this.#now;
  }

  date(): Date {
    return new Date(this.wallMs());
  }

  after(delayMs: number, act: () => void): Timer {
    const due = { at: this.#now + Math.max(0, delayMs), act };
    this.#timers.add(due);
    return { cancel: () => this.#timers.delete(due) };
  }

  soon(act: () => void): void {
    setImmediate(() => {
      this.stir();
      act();
    });
  }

  /** Something was said or done. */
  stir(): void {
    this.#activity++;
  }

  /** Time does not go on before `work` has ended. */
  hold(work: Promise<void>): void {
    this.#work = Promise.all([this.#work, work]).then(() => {});
  }

  /**
   * Moves the hands by `ms`, and lets happen what is due until then. Handlers that wait for the
   * world outside are not waited for: see `idle` of the broker.
   */
  advance(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0) {
      return Promise.reject(new RangeError(`the clock is moved by 0 ms or more, not by ${ms}`));
    }
    return this.#queued(() => this.#advance(ms));
  }

  /** Moves on to the next timer, whatever that is for; at most by `msMax`. */
  step(msMax: number): Promise<void> {
    return this.#queued(() => {
      const ms = (this.#next()?.at ?? Number.POSITIVE_INFINITY) - this.#now;
      return this.#advance(Math.min(Math.max(ms, 0), msMax));
    });
  }

  /** One after the other: two that moved the hands at once would pull them back. */
  #queued(move: () => Promise<void>): Promise<void> {
    const moved = this.#moving.then(move);
    this.#moving = moved.catch(() => {});
    return moved;
  }

  async #advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#quiet();
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.act();
      await this.#quiet();
    }
    this.#now = end;
  }

  /** The one that is due first; of several the one that was set first. */
  #next(): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#timers) if (first === undefined || due.at < first.at) first = due;
    return first;
  }

  async #quiet(): Promise<void> {
    let heard = this.#activity;
    let quietTurns = 0;
    for (let turns = 0; quietTurns < QUIET_TURNS; turns++) {
      if (turns > TURNS_MAX) throw new Error(`nothing comes to rest at ${this.#now} ms`);
      await this.#work;
      await new Promise((resolve) => setImmediate(resolve));
      quietTurns = this.#activity === heard ? quietTurns + 1 : 0;
      heard = this.#activity;
    }
  }
}
