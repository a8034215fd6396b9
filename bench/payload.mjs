/**
 * The payload that every system carries: a JSON object whose text has so many bytes, with the task's
 * number in it, so that the handler's side can tell which task it sees. `--size` says how many; every
 * process of a measurement inherits it in its environment.
 */

const BYTES_VARIABLE = "BENCH_PAYLOAD_BYTES";
const USUAL_BYTES = 200;
/** Added to the number, so that each has ten digits. */
const BASE = 1_000_000_000;
/** Bytes of a payload with a number and nothing else. */
export const PAYLOAD_BYTES_MIN = JSON.stringify({ n: BASE, pad: "" }).length;
/** The longest that all systems take by default. */
export const PAYLOAD_BYTES_MAX = 512 * 1024;

const bytes = Number(process.env[BYTES_VARIABLE] ?? USUAL_BYTES);
const pad = "x".repeat(bytes - PAYLOAD_BYTES_MIN);

/** @param {number} size bytes of each payload that processes carry which start from now on */
export function inheritSize(size) {
  process.env[BYTES_VARIABLE] = String(size);
}

/** @param {number} number of the task, from 0 */
export function makePayload(number) {
  return { n: BASE + number, pad };
}

/** @param {{ n: number }} payload */
export function numberOf(payload) {
  return payload.n - BASE;
}
