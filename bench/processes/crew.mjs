/**
 * The processes that work, as one: they share the handlers, and a task counts when any of them has
 * handled it. One that two of them were given counts once, and is reported.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Remote } from "./remote.mjs";

/** How exactly the end of a measurement is known; it is small against the seconds that one takes. */
const POLL_MS = 5;
/** Long beyond every honest pause: tasks that have not come by then are lost. */
const STALLED_MS_MAX = 60_000;

export class Crew {
  #remotes;
  /** Number of the first task that is theirs. */
  #first;

  /**
   * @param {readonly Remote[]} remotes
   * @param {number} first
   */
  constructor(remotes, first) {
    this.#remotes = remotes;
    this.#first = first;
  }

  /**
   * @param {{ count: number, node: string, first: number }} options `first`: number of the first
   *   task that they will see
   */
  static spawn({ count, node, first }) {
    return new Crew(
      Array.from({ length: count }, () => new Remote("worker.mjs", node)),
      first,
    );
  }

  get pids() {
    return this.#remotes.map(({ pid }) => pid);
  }

  /** @param {{ driver: string, connection: any, concurrency: number }} place `concurrency`: of all */
  async connect({ concurrency, ...place }) {
    const share = Math.ceil(concurrency / this.#remotes.length);
    await this.#all("connect", { ...place, concurrency: share });
  }

  /**
   * Resolves once all tasks before number `next` are handled and their completions settled.
   *
   * @param {{ next: number }} params
   */
  async reached({ next }) {
    const count = next - this.#first;
    let twice = 0;
    for (;;) {
      const repeated = await this.#handled(count + twice);
      const settledAt = Math.max(...(await this.#all("settled")));
      // What two processes have handled is in both their counts.
      const missing = await this.#missing(next);
      if (missing === 0) return { settledAt, repeated: repeated + twice };
      twice += missing;
    }
  }

  /**
   * When each task was handled first; 0 = not yet.
   *
   * @param {{ first: number, next: number }} params
   * @returns {Promise<Float64Array>}
   */
  async times(params) {
    /** @type {Float64Array[]} */
    const [times = new Float64Array(0), ...others] = await this.#all("times", params);
    for (const other of others) {
      for (let i = 0; i < times.length; i++) {
        const [mine = 0, theirs = 0] = [times[i], other[i]];
        if (mine === 0 || (theirs !== 0 && theirs < mine)) times[i] = theirs;
      }
    }
    return times;
  }

  async end() {
    await Promise.all(this.#remotes.map((remote) => remote.end()));
  }

  /** Resolves with how often a process was given a task again, when they count `count` tasks. */
  async #handled(/** @type {number} */ count) {
    let best = 0;
    let since = performance.now();
    for (;;) {
      const all = await this.#all("progress");
      const handled = all.reduce((sum, each) => sum + each.handled, 0);
      if (handled >= count) return all.reduce((sum, each) => sum + each.repeated, 0);
      if (handled > best) [best, since] = [handled, performance.now()];
      if (performance.now() - since > STALLED_MS_MAX) {
        throw new Error(`only ${handled} of ${count} tasks were handled`);
      }
      await sleep(POLL_MS);
    }
  }

  async #missing(/** @type {number} */ next) {
    if (this.#remotes.length === 1) return 0;
    const times = await this.times({ first: this.#first, next });
    return times.filter((at) => at === 0).length;
  }

  /**
   * @param {string} verb
   * @param {object} params
   * @returns {Promise<any[]>}
   */
  #all(verb, params = {}) {
    return Promise.all(this.#remotes.map((remote) => remote.call(verb, params)));
  }
}
