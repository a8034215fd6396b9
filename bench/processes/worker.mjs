/**
 * The process that works, for any system, with a handler that does nothing but note when it was
 * called and for which task. A task that is delivered twice counts once, and is reported.
 */
import { now } from "../clock.mjs";
import { numberOf } from "../payload.mjs";
import { serve } from "./serve.mjs";

/** Long beyond every honest backlog: a task that has not come by then is lost. */
const REACHED_MS_MAX = 180_000;

/** @type {{ settled: () => Promise<unknown>, close: () => unknown }} */
let driver;
/** When each task was handled first, by its number; 0 = not yet. */
let handledAt = new Float64Array(1 << 16);
let handled = 0;
let repeated = 0;
/** @type {{ count: number, resolve: () => void } | undefined} */
let awaited;

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
  if (handled === awaited?.count) awaited.resolve();
}

function grow(/** @type {number} */ number) {
  const larger = new Float64Array(2 ** Math.ceil(Math.log2(number + 1)));
  larger.set(handledAt);
  handledAt = larger;
}

/**
 * Resolves once `count` tasks are handled and their completions settled, in the sense of the driver.
 *
 * @param {{ count: number }} params
 */
async function reached({ count }) {
  if (handled < count) {
    await new Promise((resolve, reject) => {
      const giveUp = () => reject(new Error(`only ${handled} of ${count} tasks were handled`));
      const timer = setTimeout(giveUp, REACHED_MS_MAX);
      const resolved = () => resolve(clearTimeout(timer));
      awaited = { count, resolve: resolved };
    });
  }
  await driver.settled();
  return { settledAt: now(), repeated };
}

/** @param {{ first: number, next: number }} params */
function times({ first, next }) {
  return handledAt.slice(first, next);
}

serve({ connect, reached, times, close: () => driver?.close() });
