/**
 * One measurement: a system started with fresh data, a process that submits, a process that works,
 * one workload, and everything ended and removed again, whatever happens.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Remote } from "./processes/remote.mjs";
import { machineUsage, usageOf } from "./usage.mjs";

/** Results and, while a measurement runs, its data: on the repository's disk, never in memory. */
export const OUT = join(dirname(fileURLToPath(import.meta.url)), "out");

/** @type {Set<string>} */
const folders = new Set();
// Registered after that of the daemons, hence called after it: nobody writes there any more.
process.on("exit", () => {
  for (const folder of folders) remove(folder);
});

/**
 * @typedef {{ cpuMs: number, rssMib: number }} Usage
 * @typedef {{
 *   submitter: Remote,
 *   worker: Remote,
 *   during: <T>(work: () => Promise<T>) => Promise<{ value: T, cost: Cost }>,
 * }} Stage what a workload has to play with; `during` is for what is measured
 * @typedef {{
 *   servers: Usage,
 *   submitter: Usage,
 *   worker: Usage,
 *   othersShare: number,
 * }} Cost CPU time spent meanwhile; `othersShare`: of all CPU time, by processes of nobody here
 */

/**
 * @param {any} system
 * @param {any} workload
 * @param {{ node: string, c: number, profileDir?: string | undefined }} options, and those of the
 *   workload
 */
export async function runOnce(system, workload, options) {
  mkdirSync(OUT, { recursive: true });
  const dir = mkdtempSync(join(OUT, "data-"));
  folders.add(dir);
  const { node, c: concurrency, profileDir } = options;
  /** @type {{ daemons: any[], connection: any, leader?: () => Promise<string> } | undefined} */
  let running;
  /** @type {Remote[]} */
  const remotes = [];
  try {
    running = await system.start({ dir, node, concurrency, profileDir });
    const submitter = new Remote("submitter.mjs", node);
    const worker = new Remote("worker.mjs", node);
    remotes.push(submitter, worker);
    const place = { driver: system.driver, connection: running?.connection };
    await worker.call("connect", { ...place, concurrency });
    await submitter.call("connect", place);
    const groups = running?.daemons.map((daemon) => daemon.pid) ?? [];
    const ids = { servers: groups, submitter: [submitter.pid], worker: [worker.pid] };
    const during = (/** @type {() => Promise<any>} */ work) => watch(work, { running, ids });
    const result = await workload.measure({ submitter, worker, during }, options);
    for (const daemon of running?.daemons ?? []) daemon.demandRunning();
    return { ...result, leader: await running?.leader?.() };
  } finally {
    await Promise.all(remotes.map((remote) => remote.end()));
    await Promise.all((running?.daemons ?? []).map((daemon) => daemon.end()));
    remove(dir);
    folders.delete(dir);
  }
}

/**
 * Does the work; says what it cost.
 *
 * @param {() => Promise<any>} work
 * @param {{ running: any, ids: Record<"servers" | "submitter" | "worker", number[]> }} stage
 */
async function watch(work, { running, ids }) {
  const endProfile = running.profile?.();
  const before = snapshot(ids);
  const value = await work();
  const after = snapshot(ids);
  await endProfile?.();
  const costOf = (/** @type {keyof typeof ids} */ part) => ({
    cpuMs: after[part].cpuMs - before[part].cpuMs,
    rssMib: after[part].rssMib,
  });
  const parts = {
    servers: costOf("servers"),
    submitter: costOf("submitter"),
    worker: costOf("worker"),
  };
  const own = Object.values(parts).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  const others = Math.max(0, after.machine.busyMs - before.machine.busyMs - own);
  const othersShare = others / (after.machine.allMs - before.machine.allMs);
  return { value, cost: { ...parts, othersShare } };
}

/** @param {Record<"servers" | "submitter" | "worker", number[]>} ids */
function snapshot(ids) {
  return {
    servers: usageOf(ids.servers),
    submitter: usageOf(ids.submitter),
    worker: usageOf(ids.worker),
    machine: machineUsage(),
  };
}

function remove(/** @type {string} */ dir) {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
}
