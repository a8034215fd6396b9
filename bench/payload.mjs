/**
 * The payload that every system carries: a JSON object whose text has exactly 200 bytes, with the
 * task's number in it, so that the handler's side can tell which task it sees.
 */

export const PAYLOAD_BYTES = 200;
/** Added to the number, so that each has ten digits. */
const BASE = 1_000_000_000;
const pad = "x".repeat(PAYLOAD_BYTES - JSON.stringify({ n: BASE, pad: "" }).length);

/** @param {number} number of the task, from 0 */
export function makePayload(number) {
  return { n: BASE + number, pad };
}

/** @param {{ n: number }} payload */
export function numberOf(payload) {
  return payload.n - BASE;
}
