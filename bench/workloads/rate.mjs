/**
 * Latency at a fixed rate: how long after it was due a submit is durable, and how long after it was
 * due its handler is called. Due times do not depend on answers (no coordinated omission).
 */
import { distribution } from "../statistics.mjs";

const WARM_OUTSTANDING = 32;

export const rate = {
  name: "rate",
  describe: (/** @type {Parameters_} */ { rate: perSecond, c }) =>
    `${perSecond} submits a second, ${c} handlers at once`,
  measure,
};

/** @typedef {{ rate: number, c: number, seconds: number, warmSeconds: number }} Parameters_ */

/**
 * @param {import("../bench-run.mjs").Stage} stage
 * @param {Parameters_} parameters
 */
async function measure({ submitter, worker, during }, parameters) {
  const { rate: perSecond, seconds, warmSeconds } = parameters;
  const phase = async (/** @type {number} */ duration) => {
    const count = Math.ceil(perSecond * duration);
    const submitted = await submitter.call("paced", { rate: perSecond, count });
    const { repeated } = await worker.call("reached", { count: submitted.next });
    return { ...submitted, repeated };
  };
  // Compiles the programs' hot paths, which a few thousand tasks at the fixed rate would not.
  const hot = { outstanding: WARM_OUTSTANDING, forMs: (warmSeconds * 1e3) / 2 };
  const warm = await submitter.call("burst", hot);
  await worker.call("reached", { count: warm.next });
  await phase(warmSeconds / 2);
  const { value, cost } = await during(() => phase(seconds));
  const { first, next, dueAt, latencies, repeated } = value;
  /** @type {Float64Array} */
  const handledAt = await worker.call("times", { first, next });
  return {
    tasks: next - first,
    repeated,
    durableMs: distribution(latencies),
    handledMs: distribution(handledAt.map((at, i) => at - dueAt[i])),
    serversCpuShare: cost.servers.cpuMs / (seconds * 1e3),
    othersCpuShare: cost.othersShare,
  };
}
