/**
 * The last things that happened, for a person. Switched off it costs a function call and no more:
 * a seed that fails is simply run once more with the trace on.
 */

const KEPT = 50;

export class Trace {
  readonly #on: boolean;
  readonly #live: boolean;
  readonly #lines: string[] = [];
  #next = 0;
  readonly #now: () => number;

  /** `live`: every line is printed at once as well. */
  constructor(on: boolean, live: boolean, now: () => number) {
    this.#on = on || live;
    this.#live = live;
    this.#now = now;
  }

  note(who: string, text: () => string): void {
    if (!this.#on) return;
    const line = `${(this.#now() / 1000).toFixed(6).padStart(11)}s ${who.padEnd(8)} ${text()}`;
    this.#lines[this.#next] = line;
    this.#next = (this.#next + 1) % KEPT;
    if (this.#live) process.stdout.write(`${line}\n`);
  }

  /** Oldest first. */
  last(): readonly string[] {
    return [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
  }
}
