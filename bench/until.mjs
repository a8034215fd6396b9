/** Waits for a condition, with a limit: nothing here sleeps and hopes. */
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Polls until `condition` gives something truthy and resolves with it; throws with `what` after
 * `limitMs`. A condition that throws counts as not met; its last error becomes the cause.
 *
 * @template T
 * @param {string} what
 * @param {() => Promise<T> | T} condition
 * @param {{ limitMs?: number, pollMs?: number }} limits
 * @returns {Promise<T>}
 */
export async function until(what, condition, { limitMs = 60_000, pollMs = 50 } = {}) {
  const end = performance.now() + limitMs;
  let cause;
  while (performance.now() < end) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      cause = error;
    }
    await sleep(pollMs);
  }
  throw new Error(`waited ${limitMs} ms in vain until ${what}`, { cause });
}
