/**
 * A client that goes on through failures: submits become due at a fixed rate, and each is tried until
 * the system acknowledges it. So it can tell how long a system took no work.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { now } from "../clock.mjs";
import { makePayload } from "../payload.mjs";
import { until } from "../until.mjs";
import { serve } from "./serve.mjs";

/** Exact enough for a load whose submits are ten milliseconds apart. */
const TICK_MS = 2;
/**
 * Between two tries of one submit: long, for what finds the end of an outage are the new ones that
 * become due all the time, and a storm of tries would lengthen it.
 */
const RETRY_MS = 1_000;
const LOOKS = { limitMs: 60_000, pollMs: 5 };

/** @type {{ submit: (payload: object) => Promise<unknown>, close: () => unknown }} */
let driver;
/** @type {NodeJS.Timeout | undefined} */
let timer;
/** @type {{ dueAt: number, ackedAt: number }[]} in the order of their acknowledgements */
const acknowledged = [];
/** @type {Set<Promise<void>>} */
const open = new Set();
let failedTries = 0;

/** @param {{ driver: string, connection: any }} params */
async function connect(params) {
  const { openPersistent } = await import(`../drivers/${params.driver}.mjs`);
  driver = await openPersistent(params.connection);
}

/**
 * Begins, and resolves when `warm` submits are acknowledged.
 *
 * @param {{ rate: number, warm: number }} params
 */
async function begin({ rate, warm }) {
  const startAt = now();
  const intervalMs = 1_000 / rate;
  let sent = 0;
  timer = setInterval(() => {
    for (; startAt + sent * intervalMs <= now(); sent++) {
      const submit = persist(sent, startAt + sent * intervalMs).finally(() => open.delete(submit));
      open.add(submit);
    }
  }, TICK_MS);
  await until("it takes submits", () => acknowledged.length >= warm, LOOKS);
}

/** @param {number} number @param {number} dueAt */
async function persist(number, dueAt) {
  for (;;) {
    try {
      await driver.submit(makePayload(number));
      acknowledged.push({ dueAt, ackedAt: now() });
      return;
    } catch {
      failedTries++;
      await sleep(RETRY_MS);
    }
  }
}

/**
 * When the first of the submits that were due after `at` was acknowledged.
 *
 * @param {{ at: number }} params
 */
async function nextAfter({ at }) {
  const next = () => acknowledged.find(({ dueAt }) => dueAt > at);
  const { ackedAt } = await until("the next submit is acknowledged", next, LOOKS);
  return ackedAt;
}

/**
 * Ends; says how long the longest time without an acknowledgement was from `from` on.
 *
 * @param {{ from: number }} params
 */
async function finish({ from }) {
  clearInterval(timer);
  await Promise.all(open);
  const times = acknowledged.map(({ ackedAt }) => ackedAt);
  const gaps = times.map((at, i) => (at < from ? 0 : at - (times[i - 1] ?? at)));
  const waits = acknowledged.filter(({ ackedAt }) => ackedAt >= from);
  return {
    failedTries,
    longestGapMs: Math.max(...gaps),
    slowestMs: Math.max(...waits.map(({ dueAt, ackedAt }) => ackedAt - dueAt)),
  };
}

serve({ connect, begin, nextAfter, finish, close: () => driver?.close() });
