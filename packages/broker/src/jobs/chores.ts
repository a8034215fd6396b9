/**
 * What the leader does of its own accord: rounds of small pieces of work, one after the other, with
 * a pause between them, for as long as it leads. A follower does nothing.
 */
import { BETWEEN_ROUNDS_MS, FAULT_PAUSE_MS, IDLE_MS } from "./limits.ts";

/** One piece of work; false: there is nothing to do for now. */
export type Chore = () => Promise<boolean>;

export interface ChoresOptions {
  readonly chores: readonly Chore[];
  readonly leads: () => boolean;
  readonly log: { warn(fields: object, text: string): void };
}

export class Chores {
  readonly #options: ChoresOptions;
  #closed = false;
  #wake: () => void = () => {};

  constructor(options: ChoresOptions) {
    this.#options = options;
    void this.#run();
  }

  /** What is under way does no harm when it is answered later, or not at all. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#closed) await this.#pause(await this.#round());
  }

  /** How long to wait then. */
  async #round(): Promise<number> {
    const { chores, leads, log } = this.#options;
    let worked = false;
    for (const chore of chores) {
      if (this.#closed || !leads()) return IDLE_MS;
      try {
        worked = (await chore()) || worked;
      } catch (error) {
        // A disk that cannot be read has ended the process already.
        if (!this.#closed) log.warn({ err: error }, "a chore of the leader failed; it goes on");
        return FAULT_PAUSE_MS;
      }
    }
    return worked ? BETWEEN_ROUNDS_MS : IDLE_MS;
  }

  #pause(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
