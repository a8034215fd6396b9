/**
 * How long a broker has answered that it knows no leader: after a while it may be the one that is
 * cut off from the others, and another is worth trying.
 */

const LEADERLESS_MS_MAX = 1_000;

export class Leaderless {
  readonly #leave: () => void;
  #since = 0;

  /** `leave` is called when it has been long enough. */
  constructor(leave: () => void) {
    this.#leave = leave;
  }

  /** How a request has ended, by its code. */
  note(code: string): void {
    const now = performance.now();
    if (code !== "no_leader") this.#since = 0;
    else if (this.#since === 0) this.#since = now;
    else if (now - this.#since > LEADERLESS_MS_MAX) {
      this.#since = 0;
      this.#leave();
    }
  }
}
