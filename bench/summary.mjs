/**
 * From single measurements to what may be claimed: for each system the median with minimum and
 * maximum, and for each rival the ratio within each round, since only neighbours in time compare.
 */
import { spread } from "./statistics.mjs";

/**
 * @typedef {{ round: number, workload: string, system: string, result: any }} Measurement
 * @typedef {{ name: string, of: (result: any) => number | undefined }} Figure
 *   `of` gives undefined for what a system does not have
 * @param {readonly Measurement[]} measurements
 * @param {{
 *   workload: string,
 *   figures: readonly Figure[],
 *   tq: string,
 *   systems: readonly string[],
 * }} what `tq`: the one that the others are compared with
 */
export function summarize(measurements, { workload, figures, tq, systems: names }) {
  const mine = measurements.filter((each) => each.workload === workload);
  const rivals = names.filter((name) => name !== tq);
  const systems = names.map((system) => ({
    system,
    figures: figures.map(({ name, of }) => {
      const values = mine
        .filter((each) => each.system === system)
        .flatMap(({ result }) => of(result) ?? []);
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
 * @param {{ tq: string, rival: string, of: Figure["of"] }} what
 */
function ratioOf(measurements, { tq, rival, of }) {
  const figureOf = (/** @type {number} */ round, /** @type {string} */ system) => {
    const found = measurements.find((each) => each.round === round && each.system === system);
    return found && of(found.result);
  };
  const rounds = new Set(measurements.map(({ round }) => round));
  const ratios = [...rounds].flatMap((round) => {
    const [ours, theirs] = [figureOf(round, tq), figureOf(round, rival)];
    // Nothing can be said of how many times nothing something is.
    return ours === undefined || theirs === undefined || theirs === 0 ? [] : [ours / theirs];
  });
  return ratios.length > 0 ? spread(ratios) : undefined;
}
