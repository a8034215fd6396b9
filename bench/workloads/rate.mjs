/**
 * Latency at a fixed rate: how long after it was due a submit is durable, and how long after it was
 * due its handler is called. Due times do not depend on answers (no coordinated omission).
 */
import { distribution } from "../statistics.mjs";

const WARM_OUTSTANDING = 32;

export const rate = {
  name: "rate",
  rounds: 5,
  describe: (/** @type {Parameters_} */ { rate: perSecond, c }) =>
    `${perSecond} submits a second, ${c} handlers at once`,
  leftOut: () => undefined,
  measure,
  figures: () => [
    { name: "durable p50 ms", of: (/** @type {any} */ result) => result.durableMs.p50 },
    { name: "durable p99 ms", of: (/** @type {any} */ result) => result.durableMs.p99 },
    { name: "handled p50 ms", of: (/** @type {any} */ result) => result.handledMs.p50 },
    { name: "handled p99 ms", of: (/** @type {any} */ result) => result.handledMs.p99 },
  ],
};

/** @typedef {{ rate: number, c: number, seconds: number, warmSeconds: number }} Parameters_ */

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {Parameters_} parameters
 */
async function measure(stage, parameters) {
  const { rate: perSecond, seconds, warmSeconds } = parameters;
  const crew = await stage.openWorkers();
  const submitter = await stage.openSubmitter();
  const phase = async (/** @type {number} */ duration) => {
    const count = Math.ceil(perSecond * duration);
    const submitted = await submitter.call("paced", { rate: perSecond, count });
    const { repeated } = await crew.reached({ next: submitted.next });
    return { ...submitted, repeated };
  };
  // Compiles the programs' hot paths, which a few thousand tasks at the fixed rate would not.
  const hot = { outstanding: WARM_OUTSTANDING, forMs: (warmSeconds * 1e3) / 2 };
  const warm = await submitter.call("burst", hot);
  await crew.reached({ next: warm.next });
  await phase(warmSeconds / 2);
  const { value, cost } = await stage.during(() => phase(seconds));
  const { first, next, dueAt, latencies, repeated } = value;
  const handledAt = await crew.times({ first, next });
  return {
    tasks: next - first,
    repeated,
    durableMs: distribution(latencies),
    handledMs: distribution(handledAt.map((at, i) => at - dueAt[i])),
    serversCpuShare: cost.servers.cpuMs / (seconds * 1e3),
    othersCpuShare: cost.othersShare,
  };
}
