/** What the terminal shows: the machine, a line for each measurement, and a table at the end. */

/** @param {import("./statistics.mjs").spread extends (...a: any) => infer R ? any : never} facts */
export function formatMachine(facts) {
  const { p50, p99 } = facts.fdatasyncMs;
  return [
    `machine    ${facts.processor}, ${facts.cores} cores, ${facts.memoryGib} GiB`,
    `system     Linux ${facts.kernel}, Node ${facts.node}, tq ${facts.commit}`,
    `disk       4 KiB + fdatasync: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
    `load       ${facts.load1.toFixed(2)} before the first measurement`,
  ].join("\n");
}

/** Reasons to mistrust the figures, in words; none on a quiet machine with a real disk. */
export function warnings(/** @type {any} */ facts, /** @type {any} */ { quick, profile }) {
  const found = [];
  if (facts.load1 > facts.cores / 4) {
    found.push("the machine is busy with other work; figures and ratios will be noisy");
  }
  if (facts.fileSystemInMemory !== undefined) {
    found.push(`the data is kept in ${facts.fileSystemInMemory}: nothing here is durable`);
  }
  if (quick) found.push("--quick shows that everything works; its figures mean nothing");
  if (profile) found.push("--profile slows tq down; its ratios mean nothing");
  return found;
}

/** @param {{ workload?: string, name: string, why: string }} what */
export function formatLeftOut({ workload, name, why }) {
  return `LEFT OUT   ${workload === undefined ? name : `${name}, ${workload}`}: ${why}`;
}

/** One line as soon as a measurement is done. */
export function formatResult(
  /** @type {readonly import("./summary.mjs").Figure[]} */ figures,
  /** @type {any} */ result,
) {
  const parts = figures.flatMap(({ name, of }) => {
    const value = of(result);
    return value === undefined ? [] : [`${name} ${formatNumber(value)}`];
  });
  if (result.repeated > 0) parts.push(`${result.repeated} delivered twice`);
  if (result.othersCpuShare !== undefined) {
    parts.push(`others' CPU ${(result.othersCpuShare * 100).toFixed(0)} %`);
  }
  return parts.join("  ");
}

/** The table of one workload: medians with the range of all rounds, then the ratios. */
export function formatSummary(/** @type {any} */ { systems, ratios }, /** @type {string} */ title) {
  const names = systems[0].figures.map((/** @type {any} */ { name }) => name);
  const rows = [["", ...names]];
  for (const { system, figures } of systems) rows.push([system, ...figures.map(formatSpread)]);
  for (const rival of new Set(ratios.map((/** @type {any} */ ratio) => ratio.rival))) {
    const mine = ratios.filter((/** @type {any} */ ratio) => ratio.rival === rival);
    rows.push([`tq ÷ ${rival}`, ...mine.map(formatSpread)]);
  }
  return `${title}\n${formatTable(rows)}`;
}

function formatSpread(/** @type {any} */ { median, min, max }) {
  if (median === undefined) return "–";
  return `${formatNumber(median)} (${formatNumber(min)} – ${formatNumber(max)})`;
}

function formatNumber(/** @type {number} */ value) {
  if (value < 100) return value.toFixed(2);
  return Math.round(value).toLocaleString("en-US");
}

function formatTable(/** @type {string[][]} */ rows) {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      );
      return `  ${cells.join("   ").trimEnd()}`;
    })
    .join("\n");
}
