/**
 * Throughput: tasks a second from the first submit to the last completion, with so many submits under
 * way all the time. A first burst warms the programs up, a second one tells how many tasks take the
 * wanted time, the third is measured.
 */

export const endToEnd = {
  name: "end-to-end",
  rounds: 5,
  describe: (/** @type {Parameters_} */ { p, c, workers, size }) =>
    `${p} submits outstanding, ${c} handlers at once, ${size} bytes each, worker processes: ${workers}`,
  leftOut: () => undefined,
  measure,
  figures: () => [
    { name: "tasks/s", of: (/** @type {any} */ result) => result.rate },
    { name: "durable p50 ms", of: (/** @type {any} */ result) => result.durableMs.p50 },
    {
      name: "servers' µs/task",
      of: (/** @type {any} */ { cpuMicrosecondsPerTask: cpu }) => cpu.servers,
    },
  ],
};

/**
 * @typedef {{
 *   p: number,
 *   c: number,
 *   workers: number,
 *   size: number,
 *   seconds: number,
 *   warmSeconds: number,
 * }} Parameters_
 */

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {Parameters_} parameters
 */
async function measure(stage, { p, seconds, warmSeconds }) {
  const crew = await stage.openWorkers();
  const submitter = await stage.openSubmitter();
  const phase = async (/** @type {object} */ limit) => {
    const submitted = await submitter.call("burst", { outstanding: p, ...limit });
    const { settledAt, repeated } = await crew.reached({ next: submitted.next });
    const elapsedMs = settledAt - submitted.startAt;
    return { ...submitted, repeated, elapsedMs, rate: (submitted.count / elapsedMs) * 1e3 };
  };
  const halfMs = (warmSeconds * 1e3) / 2;
  await phase({ forMs: halfMs });
  const trial = await phase({ forMs: halfMs });
  const count = Math.max(p * 2, Math.ceil(trial.rate * seconds));
  const { value, cost } = await stage.during(() => phase({ count }));
  const { rate, elapsedMs, durable, repeated } = value;
  const microsecondsOf = (/** @type {"servers" | "submitter" | "worker"} */ part) =>
    (cost[part].cpuMs * 1e3) / count;
  return {
    tasks: count,
    elapsedMs,
    rate,
    repeated,
    durableMs: durable,
    cpuMicrosecondsPerTask: {
      servers: microsecondsOf("servers"),
      submitter: microsecondsOf("submitter"),
      worker: microsecondsOf("worker"),
    },
    serversRssMib: cost.servers.rssMib,
    othersCpuShare: cost.othersShare,
  };
}
