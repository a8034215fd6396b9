/**
 * Milliseconds on a clock that all processes and threads of one machine share and that nobody sets: a
 * time taken in one may be subtracted from a time taken in another.
 *
 * It is one read of that clock each time. `performance.now()` would be cheaper, but each thread counts
 * it from a zero of its own, and finding that zero takes two reads: a thread that is held up between
 * them is wrong by that long ever after, which on a busy machine was 70 ms.
 */

/** @returns {number} milliseconds with fractions, since the machine was started */
export function now() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
