/**
 * Throughput: tasks a second from the first submit to the last completion, with so many submits under
 * way all the time. A first burst warms the programs up, a second one tells how many tasks take the
 * wanted time, the third is measured.
 */

export const endToEnd = {
  name: "end-to-end",
  describe: (/** @type {Parameters_} */ { p, c }) =>
    `${p} submits outstanding, ${c} handlers at once`,
  measure,
};

/** @typedef {{ p: number, c: number, seconds: number, warmSeconds: number }} Parameters_ */

/**
 * @param {import("../bench-run.mjs").Stage} stage
 * @param {Parameters_} parameters
 */
async function measure({ submitter, worker, during }, { p, seconds, warmSeconds }) {
  const phase = async (/** @type {object} */ limit) => {
    const submitted = await submitter.call("burst", { outstanding: p, ...limit });
    const { settledAt, repeated } = await worker.call("reached", { count: submitted.next });
    const elapsedMs = settledAt - submitted.startAt;
    return { ...submitted, repeated, elapsedMs, rate: (submitted.count / elapsedMs) * 1e3 };
  };
  const halfMs = (warmSeconds * 1e3) / 2;
  await phase({ forMs: halfMs });
  const trial = await phase({ forMs: halfMs });
  const count = Math.max(p * 2, Math.ceil(trial.rate * seconds));
  const { value, cost } = await during(() => phase({ count }));
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
