/** Submits over REST, one by one and in batches, by clients that keep their connections. */
import { notTq } from "./not-tq.mjs";

const CONNECTIONS = 64;
const BATCH = 100;

export const rest = {
  name: "rest",
  rounds: 2,
  describe: () => `POST to the leader, one task or ${BATCH} at a time, ${CONNECTIONS} connections`,
  leftOut: (/** @type {{ name: string }} */ { name }) =>
    notTq(name, "takes a task and answers when it is durable"),
  measure,
  figures: () => [
    { name: "one by one tasks/s", of: (/** @type {any} */ result) => result.single.perSecond },
    { name: "one by one p99 ms", of: (/** @type {any} */ result) => result.single.ms.p99 },
    { name: `by ${BATCH} tasks/s`, of: (/** @type {any} */ result) => result.batchRate },
    { name: `by ${BATCH} p99 ms`, of: (/** @type {any} */ result) => result.batch.ms.p99 },
  ],
};

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {{ seconds: number, warmSeconds: number }} parameters
 */
async function measure(stage, parameters) {
  return await measureSubmits(stage, await stage.open("rest-caller.mjs"), parameters);
}

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {import("../processes/remote.mjs").Remote} caller
 * @param {{ seconds: number, warmSeconds: number }} parameters
 */
export async function measureSubmits(stage, caller, { seconds, warmSeconds }) {
  const submit = (/** @type {number} */ batch, /** @type {number} */ duration) =>
    caller.call("submits", { batch, connections: CONNECTIONS, forMs: duration * 1e3 });
  await submit(1, warmSeconds / 2);
  await submit(BATCH, warmSeconds / 2);
  const { value, cost } = await stage.during(async () => ({
    single: await submit(1, seconds),
    batch: await submit(BATCH, seconds),
  }));
  const batchRate = value.batch.perSecond * BATCH;
  return { ...value, batchRate, othersCpuShare: cost.othersShare };
}
