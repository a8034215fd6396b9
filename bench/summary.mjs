/**
 * From single measurements to what may be claimed: for each system the median with minimum and
 * maximum, and for each rival the ratio within each round, since only neighbours in time compare.
 */
import { spread } from "./statistics.mjs";

/** The figures of each workload that are compared; `better` says which direction is good. */
const FIGURES = {
  "end-to-end": [{ name: "tasks/s", of: (/** @type {any} */ result) => result.rate }],
  rate: [
    { name: "durable p50 ms", of: (/** @type {any} */ result) => result.durableMs.p50 },
    { name: "durable p99 ms", of: (/** @type {any} */ result) => result.durableMs.p99 },
    { name: "handled p50 ms", of: (/** @type {any} */ result) => result.handledMs.p50 },
    { name: "handled p99 ms", of: (/** @type {any} */ result) => result.handledMs.p99 },
  ],
};

/**
 * @typedef {{ round: number, workload: string, system: string, result: any }} Measurement
 * @param {readonly Measurement[]} measurements
 * @param {{ workload: keyof typeof FIGURES, tq: string, rivals: readonly string[] }} what
 */
export function summarize(measurements, { workload, tq, rivals }) {
  const mine = measurements.filter((each) => each.workload === workload);
  const figures = FIGURES[workload];
  const systems = [tq, ...rivals].map((system) => ({
    system,
    figures: figures.map(({ name, of }) => {
      const values = mine.filter((each) => each.system === system).map(({ result }) => of(result));
      return { name, ...(values.length > 0 ? spread(values) : undefined) };
    }),
  }));
  const ratios = figures.flatMap(({ name, of }) =>
    rivals.map((rival) => ({ name, rival, ...ratioOf(mine, { tq, rival, of }) })),
  );
  return { workload, systems, ratios };
}

/**
 * tq's figure divided by the rival's of the same round.
 *
 * @param {readonly Measurement[]} measurements
 * @param {{ tq: string, rival: string, of: (result: any) => number }} what
 */
function ratioOf(measurements, { tq, rival, of }) {
  const figureOf = (/** @type {number} */ round, /** @type {string} */ system) => {
    const found = measurements.find((each) => each.round === round && each.system === system);
    return found && of(found.result);
  };
  const rounds = new Set(measurements.map(({ round }) => round));
  const ratios = [...rounds].flatMap((round) => {
    const [ours, theirs] = [figureOf(round, tq), figureOf(round, rival)];
    return ours === undefined || theirs === undefined ? [] : [ours / theirs];
  });
  return ratios.length > 0 ? spread(ratios) : undefined;
}
