/**
 * An event loop whose clock is a number, for this whole process: what the real runtime and the real
 * edges ask of timers, immediates and clocks they get from here. Work takes no time, only waiting
 * does, so that a run is the same on every machine: whatever is due at one moment is heard first,
 * then the immediates run, as in Node's own loop.
 */

interface Event {
  readonly at: number;
  readonly act: () => void;
}

/** What `setTimeout` gives back: just enough of Node's. */
interface Timer {
  event: Event;
  ref(): Timer;
  unref(): Timer;
}

const WALL_MS = 1_700_000_000_000;
/** Sums of fractions that should be one moment are one. */
const TICKS_PER_MS = 1_000;
/** Rounds at one and the same moment: beyond it something spins. */
const ROUNDS_MAX = 10_000;

export class VirtualTime {
  #now = 0;
  /** By time; those of one time in the order in which they came. */
  readonly #events: Event[] = [];
  #immediates: (() => void)[] = [];
  readonly #nextTurn = setImmediate;

  get now(): number {
    return this.#now;
  }

  /** From now on the globals of this process are these. */
  install(): void {
    Object.assign(globalThis, {
      setImmediate: (act: () => void) => void this.#immediates.push(act),
      setTimeout: (act: () => void, ms = 1) => this.#timer(act, Math.max(1, ms), false),
      setInterval: (act: () => void, ms = 1) => this.#timer(act, Math.max(1, ms), true),
      clearTimeout: (timer?: Timer) => this.#clear(timer),
      clearInterval: (timer?: Timer) => this.#clear(timer),
    });
    performance.now = () => this.#now;
    Date.now = () => WALL_MS + Math.floor(this.#now);
  }

  after(ms: number, act: () => void): Event {
    const event = { at: Math.round((this.#now + ms) * TICKS_PER_MS) / TICKS_PER_MS, act };
    let place = this.#events.length;
    while (place > 0 && this.#events[place - 1]!.at > event.at) place--;
    this.#events.splice(place, 0, event);
    return event;
  }

  elapsed(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Runs until `isDone`, which is asked after each round. */
  async until(isDone: () => boolean): Promise<void> {
    let rounds = 0;
    while (!isDone()) {
      if (++rounds > ROUNDS_MAX) throw new Error(`time stands still at ${this.#now} ms`);
      while (this.#events[0] !== undefined && this.#events[0].at <= this.#now) {
        await this.#run((this.#events.shift() as Event).act);
      }
      const immediates = this.#immediates;
      this.#immediates = [];
      for (const act of immediates) await this.#run(act);
      if (this.#immediates.length > 0) continue;
      const [next] = this.#events;
      if (next === undefined) throw new Error("nothing will ever happen any more");
      if (next.at > this.#now) rounds = 0;
      this.#now = next.at;
    }
  }

  async pass(ms: number): Promise<void> {
    const { at } = this.after(ms, () => {});
    await this.until(() => this.#now >= at);
  }

  /** The promises that it settles have had their turn when this resolves. */
  async #run(act: () => void): Promise<void> {
    act();
    await new Promise<void>((resolve) => this.#nextTurn(() => resolve()));
  }

  #timer(act: () => void, ms: number, repeats: boolean): Timer {
    const fire = (): void => {
      if (repeats) timer.event = this.after(ms, fire);
      act();
    };
    const event = this.after(ms, fire);
    const timer: Timer = { event, ref: () => timer, unref: () => timer };
    return timer;
  }

  #clear(timer: Timer | undefined): void {
    if (timer === undefined) return;
    const place = this.#events.indexOf(timer.event);
    if (place >= 0) this.#events.splice(place, 1);
  }
}
