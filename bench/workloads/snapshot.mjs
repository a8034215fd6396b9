/**
 * A member has lost its disk and gets a snapshot of many stored tasks while the cluster works: what
 * is left of the throughput, how long the brokers' event loops stand still, and when the member is
 * back, caught up and with its vote.
 */
import { now } from "../clock.mjs";

/** Worst delay since the last look, in seconds. */
const LOOP_DELAY = "nodejs_eventloop_lag_max_seconds";
const RECEIVED = "tq_snapshot_received_total";

export const snapshot = {
  name: "snapshot",
  rounds: 2,
  describe: (/** @type {Parameters_} */ { tasks, p }) =>
    `${tasks} tasks stored, a member wiped, ${p} submits outstanding`,
  leftOut: (/** @type {{ name: string }} */ { name }) =>
    name === "tq-cluster" ? undefined : "what is measured are tq's snapshots between brokers",
  // So short a log that the wiped member cannot do without a snapshot, however little is stored.
  brokerEnv: { TQ_RAFT__SNAPSHOT_ENTRIES: "100" },
  measure,
  figures: () => [
    { name: "before tasks/s", of: (/** @type {any} */ result) => result.beforeRate },
    { name: "during tasks/s", of: (/** @type {any} */ result) => result.duringRate },
    {
      name: "during ÷ before",
      of: (/** @type {any} */ result) => result.duringRate / result.beforeRate,
    },
    { name: "caught up after s", of: (/** @type {any} */ result) => result.caughtUpMs / 1e3 },
    { name: "loop delay before ms", of: (/** @type {any} */ result) => result.loopDelayMs.before },
    { name: "loop delay during ms", of: (/** @type {any} */ result) => result.loopDelayMs.during },
  ],
};

/** @typedef {{ tasks: number, p: number, c: number, seconds: number, warmSeconds: number }} Parameters_ */

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {Parameters_} parameters
 */
async function measure(stage, { tasks, p, seconds, warmSeconds }) {
  const { running } = stage;
  const crew = await stage.openWorkers();
  const submitter = await stage.openSubmitter();
  const phase = async (/** @type {number} */ forMs) => {
    const submitted = await submitter.call("burst", { outstanding: p, forMs });
    const { settledAt } = await crew.reached({ next: submitted.next });
    return (submitted.count / (settledAt - submitted.startAt)) * 1e3;
  };
  await submitter.call("store", { outstanding: p, count: tasks });
  await phase(warmSeconds * 1e3);
  const { leader } = await running.locate();
  const wiped = running.members?.find(({ name }) => name !== leader)?.name ?? "";
  const others = (running.members ?? []).map(({ name }) => name).filter((name) => name !== wiped);
  const worstDelay = () => worstOf(running, others);
  const comeBack = async () => {
    await running["comeBack"](wiped);
    return now();
  };

  await worstDelay();
  const beforeRate = await phase(seconds * 1e3);
  const before = await worstDelay();
  await running["wipe"](wiped);
  await phase(warmSeconds * 1e3);
  await worstDelay();
  const { value, cost } = await stage.during(async () => {
    const startAt = now();
    const [duringRate, caughtUpMs] = await Promise.all([
      phase(Number.POSITIVE_INFINITY),
      comeBack().finally(() => submitter.call("endBurst")),
    ]);
    return { duringRate, caughtUpMs: caughtUpMs - startAt };
  });
  const during = await worstDelay();
  if ((await running["metric"](wiped, RECEIVED)) === 0) throw new Error("no snapshot was sent");
  const loopDelayMs = { before, during };
  return { tasks, beforeRate, ...value, loopDelayMs, othersCpuShare: cost.othersShare };
}

/** Of those brokers that serve all the time; to load its state holds up nobody but the wiped one. */
async function worstOf(
  /** @type {import("../stage.mjs").Running} */ running,
  /** @type {readonly string[]} */ names,
) {
  const delays = await Promise.all(names.map((name) => running["metric"](name, LOOP_DELAY)));
  return Math.max(...delays) * 1e3;
}
