/**
 * What a backlog costs: a queue is filled while nobody works, then drained. How fast is either, and
 * how long does a submit take on its own, on the full queue against the empty one?
 */

export const backlog = {
  name: "backlog",
  rounds: 2,
  describe: (/** @type {Parameters_} */ { tasks, p, c }) =>
    `${tasks} tasks, filled with ${p} submits outstanding, drained by ${c} handlers at once`,
  leftOut: () => undefined,
  measure,
  figures: () => [
    { name: "fill tasks/s", of: (/** @type {any} */ result) => result.fillRate },
    { name: "drain tasks/s", of: (/** @type {any} */ result) => result.drainRate },
    { name: "submit p50 ms, empty", of: (/** @type {any} */ result) => result.emptyMs.p50 },
    { name: "submit p50 ms, full", of: (/** @type {any} */ result) => result.fullMs.p50 },
    {
      name: "full ÷ empty",
      of: (/** @type {any} */ result) => result.fullMs.p50 / result.emptyMs.p50,
    },
    { name: "servers' RSS MiB, full", of: (/** @type {any} */ result) => result.serversRssMib },
  ],
};

/** @typedef {{ tasks: number, p: number, c: number, seconds: number, warmSeconds: number }} Parameters_ */

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {Parameters_} parameters
 */
async function measure(stage, { tasks, p, seconds, warmSeconds }) {
  const submitter = await stage.openSubmitter();
  const first = await warmUp(stage, submitter, { p, warmSeconds });
  const { value, cost } = await stage.during(async () => {
    const oneByOne = () => submitter.call("burst", { outstanding: 1, forMs: seconds * 1e3 });
    const empty = await oneByOne();
    const fill = await submitter.call("burst", { outstanding: p, count: tasks });
    const full = await oneByOne();
    const rssMib = stage.serversRssMib();
    return { empty, fill, full, rssMib, drained: await drain(stage, { first, next: full.next }) };
  });
  const { empty, fill, full, rssMib, drained } = value;
  return {
    tasks,
    fillRate: (tasks / (fill.durableAt - fill.startAt)) * 1e3,
    drainRate: drained.rate,
    repeated: drained.repeated,
    emptyMs: empty.durable,
    fullMs: full.durable,
    serversRssMib: rssMib,
    othersCpuShare: cost.othersShare,
  };
}

/**
 * Everything once, so that the programs are compiled and the queue is empty again. Resolves with the
 * number of the next task.
 *
 * @param {import("../stage.mjs").Stage} stage
 * @param {import("../processes/remote.mjs").Remote} submitter
 * @param {{ p: number, warmSeconds: number }} parameters
 */
async function warmUp(stage, submitter, { p, warmSeconds }) {
  const crew = await stage.openWorkers();
  const warm = await submitter.call("burst", { outstanding: p, forMs: warmSeconds * 1e3 });
  await crew.reached({ next: warm.next });
  await stage.end(crew);
  return warm.next;
}

/**
 * From the first task that is handled to the last completion: how long a worker takes to connect is
 * no part of the rate.
 *
 * @param {import("../stage.mjs").Stage} stage
 * @param {{ first: number, next: number }} numbers
 */
async function drain(stage, { first, next }) {
  const crew = await stage.openWorkers(first);
  const { settledAt, repeated } = await crew.reached({ next });
  const handledAt = await crew.times({ first, next });
  const startAt = handledAt.reduce((least, at) => Math.min(least, at));
  return { rate: ((next - first) / (settledAt - startAt)) * 1e3, repeated };
}
