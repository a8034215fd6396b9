/**
 * Reads of single tasks from a follower over REST: as it knows them (`stale`), and as they are, which
 * takes a word from the leader (`linearizable`).
 */
import { notTq } from "./not-tq.mjs";

const CONNECTIONS = 64;
/** Many more than one entry of the log has, few enough to be no part of what is measured. */
const TASKS = 2_000;

export const reads = {
  name: "reads",
  rounds: 2,
  describe: () => `GET of ${TASKS} tasks in turn from a follower, ${CONNECTIONS} connections`,
  leftOut: (/** @type {{ name: string }} */ { name }) =>
    name === "tq-single" ? "one broker has no follower" : notTq(name, "reads one task by its id"),
  measure,
  figures: () =>
    ["stale", "linearizable"].flatMap((how) => [
      { name: `${how} reads/s`, of: (/** @type {any} */ result) => result[how].perSecond },
      { name: `${how} p99 ms`, of: (/** @type {any} */ result) => result[how].ms.p99 },
    ]),
};

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {{ seconds: number, warmSeconds: number }} parameters
 */
async function measure(stage, { seconds, warmSeconds }) {
  const caller = await stage.open("rest-caller.mjs");
  await caller.call("store", { count: TASKS });
  const read = (/** @type {string} */ consistency, /** @type {number} */ duration) =>
    caller.call("reads", { consistency, connections: CONNECTIONS, forMs: duration * 1e3 });
  await read("stale", warmSeconds / 2);
  await read("linearizable", warmSeconds / 2);
  const { value, cost } = await stage.during(async () => ({
    stale: await read("stale", seconds),
    linearizable: await read("linearizable", seconds),
  }));
  return { ...value, othersCpuShare: cost.othersShare };
}
