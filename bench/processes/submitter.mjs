/**
 * The process that submits, for any system. It numbers its tasks from 0 through all its phases. A
 * submit that fails ends the measurement: a rate with errors in it says nothing.
 */
import { now } from "../clock.mjs";
import { makePayload } from "../payload.mjs";
import { distribution } from "../statistics.mjs";
import { pace } from "./pacer.mjs";
import { serve } from "./serve.mjs";

/** A system this far behind a fixed rate does not hold it; going on would only fill memory. */
const UNANSWERED_MAX = 20_000;

/**
 * @typedef {(payload: object) => Promise<unknown>} Submit
 * @type {{ submit: Submit, store: Submit, close: () => unknown }}
 */
let driver;
let next = 0;
/** When the burst under way ends. */
let endAt = 0;

/** @param {{ driver: string, connection: any }} params */
async function connect(params) {
  const { openSubmitter } = await import(`../drivers/${params.driver}.mjs`);
  driver = await openSubmitter(params.connection);
}

/**
 * Keeps `outstanding` submits under way until `count` tasks are submitted, `forMs` is over, or
 * `endBurst` is called.
 *
 * @param {{ outstanding: number, count?: number, forMs?: number }} params
 */
async function burst({ outstanding, count = Number.POSITIVE_INFINITY, forMs }) {
  const first = next;
  const startAt = now();
  endAt = startAt + (forMs ?? Number.POSITIVE_INFINITY);
  /** @type {number[]} */
  const latencies = [];
  const lane = async () => {
    for (let at = now(); next - first < count && at < endAt; ) {
      await driver.submit(makePayload(next++));
      const answeredAt = now();
      latencies.push(answeredAt - at);
      at = answeredAt;
    }
  };
  await Promise.all(Array.from({ length: outstanding }, lane));
  const durable = distribution(latencies);
  return { first, next, count: next - first, startAt, durableAt: now(), durable };
}

function endBurst() {
  endAt = now();
}

/**
 * Submits tasks that nobody handles, which have no number.
 *
 * @param {{ outstanding: number, count: number }} params
 */
async function store({ outstanding, count }) {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await driver.store(makePayload(left));
  };
  await Promise.all(Array.from({ length: outstanding }, lane));
}

/**
 * Submits at a fixed rate, whatever the answers do, and measures each from the time at which it was
 * due: a system that stalls pays for everything that it holds up.
 *
 * @param {{ rate: number, count: number }} params
 */
async function paced({ rate, count }) {
  const first = next;
  const dueAt = new Float64Array(count);
  const latencies = new Float64Array(count);
  const intervalMs = 1_000 / rate;
  /** @type {Error | undefined} */
  let failure;
  let unanswered = 0;
  let answered = () => {};
  const send = async (/** @type {number} */ i) => {
    unanswered++;
    await driver.submit(makePayload(next++)).catch((error) => {
      failure ??= error;
    });
    latencies[i] = now() - /** @type {number} */ (dueAt[i]);
    unanswered--;
    answered();
  };
  let sent = 0;
  await pace({
    rate,
    count,
    onDue: (due, startAt) => {
      if (unanswered > UNANSWERED_MAX) failure ??= new Error(`it does not hold ${rate} a second`);
      for (; sent < due && failure === undefined; sent++) {
        dueAt[sent] = startAt + sent * intervalMs;
        void send(sent);
      }
    },
  });
  await new Promise((resolve) => {
    answered = () => unanswered === 0 && resolve(undefined);
    answered();
  });
  if (failure !== undefined) throw failure;
  return { first, next, dueAt, latencies };
}

serve({ connect, burst, endBurst, store, paced, close: () => driver?.close() });
