/**
 * `npm run bench`: measures tq and its rivals in turns, prints a table and writes everything to
 * `bench/out/`. Exit status: 0 when all was measured or skipped loudly, 1 when a measurement failed,
 * 64 for a wrong command line.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled } from "./install.mjs";
import { parseOptions, USAGE, UsageError } from "./options.mjs";
import { inheritSize } from "./payload.mjs";

ensureInstalled();
// These need the libraries that may just have been installed.
const { RIVAL_NAMES, RIVALS, systemOf } = await import("./systems/index.mjs");
const { WORKLOADS } = await import("./workloads/index.mjs");
const { OUT, runOnce } = await import("./bench-run.mjs");
const { machineFacts } = await import("./machine.mjs");
const { formatLeftOut, formatMachine, formatResult, formatSummary, warnings } = await import(
  "./report.mjs"
);
const { summarize } = await import("./summary.mjs");

const options = optionsOrExit();
inheritSize(options.size);
for (const [signal, status] of /** @type {const} */ ([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
])) {
  // The exit handlers of the modules end what they have started and remove its data.
  process.on(signal, () => process.exit(status));
}
await main();

function optionsOrExit() {
  const workloadNames = WORKLOADS.map(({ name }) => name);
  const known = { rivals: RIVALS, rivalNames: RIVAL_NAMES, workloadNames };
  try {
    const parsed = parseOptions(process.argv.slice(2), known);
    if (parsed.help) {
      console.log(USAGE);
      process.exit(0);
    }
    return parsed;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench: ${error.message}\n\n${USAGE}`);
    process.exit(64);
  }
}

async function main() {
  mkdirSync(OUT, { recursive: true });
  const startedAt = new Date().toISOString();
  const machine = machineFacts(OUT, options.node);
  console.log(formatMachine(machine));
  const { present, skipped } = findSystems();
  const notes = warnings(machine, options);
  for (const note of notes) console.log(`WARNING    ${note}`);
  const report = { startedAt, machine, options, systems: present.map(describe), notes };
  const plans = WORKLOADS.filter(({ name }) => options.workloads.includes(name)).map((workload) =>
    planOf(workload, present),
  );
  const measured = await measureAll(plans);
  const summaries = plans
    .filter(({ systems }) => systems.length > 0)
    .map((plan) => summaryOf(plan, measured.measurements));
  const leftOut = [...skipped, ...plans.flatMap((plan) => plan.leftOut)];
  for (const each of leftOut) console.log(`\n${formatLeftOut(each)}`);
  const file = join(OUT, `${startedAt.replace(/[:.]/g, "-")}.json`);
  const everything = { ...report, leftOut, ...measured, summaries };
  writeFileSync(file, `${JSON.stringify(everything, null, 2)}\n`);
  console.log(`\nwritten to ${file}`);
  process.exit(measured.failures.length === 0 ? 0 : 1);
}

/**
 * Which systems do a workload how often.
 *
 * @param {any} workload
 * @param {readonly any[]} present
 */
function planOf(workload, present) {
  const reasons = present.map((system) => ({ system, why: workload.leftOut(system) }));
  const rounds = options.rounds ?? workload.rounds;
  return {
    workload,
    title: `${workload.name} (${workload.describe(options)}; rounds: ${rounds})`,
    rounds,
    systems: reasons.filter(({ why }) => why === undefined).map(({ system }) => system),
    leftOut: reasons
      .filter(({ why }) => why !== undefined)
      .map(({ system, why }) => ({ workload: workload.name, name: system.name, why })),
  };
}

/** @typedef {ReturnType<typeof planOf>} Plan */

function summaryOf(/** @type {Plan} */ plan, /** @type {any[]} */ measurements) {
  const { workload, systems } = plan;
  const figures = workload.figures();
  const names = systems.map(({ name }) => name);
  const what = { workload: workload.name, figures, tq: options.tq, systems: names };
  const summary = summarize(measurements, what);
  console.log(`\n${formatSummary(summary, `${plan.title}: median, lowest and highest`)}`);
  return summary;
}

function findSystems() {
  const skipped = [];
  const present = [];
  for (const name of [options.tq, ...options.rivals]) {
    const system = systemOf(name);
    if (system.program() !== undefined) {
      present.push(system);
      console.log(`${name.padEnd(10)} ${system.settings}; ${system.version()}`);
      continue;
    }
    const why = `its program is not on this machine (${system.install})`;
    skipped.push({ name, why });
    console.log(formatLeftOut({ name, why }));
  }
  return { present, skipped };
}

/** Rounds on the outside, systems on the inside: what drifts over time drifts for all. */
async function measureAll(/** @type {Plan[]} */ plans) {
  const measurements = [];
  const failures = [];
  for (const { workload, title, rounds, systems, leftOut } of plans) {
    console.log(`\n${title}`);
    for (const each of leftOut) console.log(formatLeftOut(each));
    for (let round = 1; round <= rounds; round++) {
      for (const system of systems) {
        const what = { round, workload: workload.name, system: system.name };
        try {
          const result = await runOnce(system, workload, { ...options, ...profileOf(what) });
          measurements.push({ ...what, result });
          print(what, formatResult(workload.figures(), result));
        } catch (error) {
          const { stack, cause } = /** @type {Error} */ (error);
          failures.push({ ...what, error: stack, cause: cause && String(cause) });
          print(what, `FAILED ${stack}${cause ? `\ncause: ${cause}` : ""}`);
        }
      }
    }
  }
  return { measurements, failures };
}

/** @param {{ round: number, workload: string, system: string }} what */
function profileOf({ round, workload, system }) {
  if (!options.profile || !system.startsWith("tq-")) return {};
  return { profileDir: join(OUT, `profile-${workload}-${round}`) };
}

function print(/** @type {{ round: number, system: string }} */ what, /** @type {string} */ text) {
  console.log(`  ${what.round}  ${what.system.padEnd(10)} ${text}`);
}

function describe(/** @type {any} */ system) {
  return { name: system.name, settings: system.settings, version: system.version() };
}
