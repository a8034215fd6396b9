/**
 * How long a cluster takes no work when its leader is killed, and how long when it is asked to hand
 * over. A client submits at a steady pace, connected to the leader, and knows all nodes. After a kill
 * the time is taken until the first submit is acknowledged that was due after it. The node comes
 * back and catches up before the next kill, for which there is a new client.
 */
import { now } from "../clock.mjs";
import { distribution } from "../statistics.mjs";

const PER_SECOND = 100;
/** Acknowledged before anything happens: the client is warm and the cluster steady. */
const WARM = 100;

export const failover = {
  name: "failover",
  rounds: 2,
  describe: (/** @type {{ times: number }} */ { times }) =>
    `SIGKILL of the leader, ${times} times, under ${PER_SECOND} submits a second`,
  leftOut: (/** @type {{ name: string }} */ { name }) =>
    ["tq-single", "bullmq"].includes(name) ? "one node has nobody to take over" : undefined,
  measure,
  figures: () => [
    { name: "kill p50 ms", of: (/** @type {any} */ result) => result.killMs.p50 },
    { name: "kill worst ms", of: (/** @type {any} */ result) => result.killMs.max },
    { name: "failed tries", of: (/** @type {any} */ result) => result.failedTries },
    { name: "transfer p50 ms", of: (/** @type {any} */ result) => result.transferMs?.p50 },
    { name: "transfer p99 ms", of: (/** @type {any} */ result) => result.transferMs?.p99 },
    { name: "transfer failed", of: (/** @type {any} */ result) => result.transferFailedTries },
  ],
};

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {{ times: number }} parameters
 */
async function measure(stage, { times }) {
  const kills = await repeat(times, () => killOnce(stage));
  const killed = {
    killMs: distribution(kills.map(({ gapMs }) => gapMs)),
    failedTries: sum(kills),
    killsMs: kills.map(({ gapMs }) => gapMs),
  };
  if (stage.running["openOperator"] === undefined) return killed;
  const operator = await stage.running["openOperator"]();
  try {
    const transfers = await repeat(times, () => transferOnce(stage, operator));
    return {
      ...killed,
      transferMs: distribution(transfers.map(({ slowestMs }) => slowestMs)),
      transferGapMs: distribution(transfers.map(({ longestGapMs }) => longestGapMs)),
      transferFailedTries: sum(transfers),
    };
  } finally {
    await operator.close();
  }
}

/** @param {import("../stage.mjs").Stage} stage */
async function killOnce(stage) {
  const { running } = stage;
  const { leader } = await running.locate();
  const client = await stage.open("persistent.mjs");
  await client.call("begin", { rate: PER_SECOND, warm: WARM });
  const victim = running.members?.find(({ name }) => name === leader);
  if (victim === undefined) throw new Error(`${leader} leads, and is none of the nodes`);
  const at = now();
  const gone = victim.crash();
  const gapMs = (await client.call("nextAfter", { at })) - at;
  const { failedTries } = await client.call("finish", { from: at });
  await stage.end(client);
  await gone;
  victim.start();
  await running.recovered?.();
  return { gapMs, failedTries };
}

/**
 * The slowest submit counts here: one that is merely late has no gap around it that would show.
 *
 * @param {import("../stage.mjs").Stage} stage
 * @param {{ transfer: () => Promise<unknown> }} operator
 */
async function transferOnce(stage, operator) {
  const client = await stage.open("persistent.mjs");
  await client.call("begin", { rate: PER_SECOND, warm: WARM });
  const from = now();
  await operator.transfer();
  await client.call("nextAfter", { at: now() });
  const result = await client.call("finish", { from });
  await stage.end(client);
  await stage.running.recovered?.();
  return result;
}

/**
 * @template T
 * @param {number} times
 * @param {() => Promise<T>} once
 */
async function repeat(times, once) {
  /** @type {T[]} */
  const results = [];
  while (results.length < times) results.push(await once());
  return results;
}

function sum(/** @type {{ failedTries: number }[]} */ results) {
  return results.reduce((total, { failedTries }) => total + failedTries, 0);
}
