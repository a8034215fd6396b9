/**
 * The process that works, for any system, with a handler that does nothing but note when it was
 * called and for which task. A task that is delivered twice counts once, and is reported.
 */
import { now } from "../clock.mjs";
import { numberOf } from "../payload.mjs";
import { serve } from "./serve.mjs";

/** @type {{ settled: () => Promise<unknown>, close: () => unknown }} */
let driver;
/** When each task was handled first, by its number; 0 = not yet. */
let handledAt = new Float64Array(1 << 16);
let handled = 0;
let repeated = 0;

/** @param {{ driver: string, connection: any, concurrency: number }} params */
async function connect(params) {
  const { openWorker } = await import(`../drivers/${params.driver}.mjs`);
  driver = await openWorker(params.connection, { concurrency: params.concurrency, handle });
}

function handle(/** @type {{ n: number }} */ payload) {
  const number = numberOf(payload);
  if (number >= handledAt.length) grow(number);
  if (handledAt[number] !== 0) {
    repeated++;
    return;
  }
  handledAt[number] = now();
  handled++;
}

function grow(/** @type {number} */ number) {
  const larger = new Float64Array(2 ** Math.ceil(Math.log2(number + 1)));
  larger.set(handledAt);
  handledAt = larger;
}

function progress() {
  return { handled, repeated };
}

/** Resolves with the time at which all completions are settled, in the sense of the driver. */
async function settled() {
  await driver.settled();
  return now();
}

/** @param {{ first: number, next: number }} params */
function times({ first, next }) {
  if (next > handledAt.length) grow(next);
  return handledAt.slice(first, next);
}

serve({ connect, progress, settled, times, close: () => driver?.close() });
