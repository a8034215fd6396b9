/**
 * One measurement: a system started with fresh data, one workload, and everything ended and removed
 * again, whatever happens.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Stage } from "./stage.mjs";

/** Results and, while a measurement runs, its data: on the repository's disk, never in memory. */
export const OUT = join(dirname(fileURLToPath(import.meta.url)), "out");

/** @type {Set<string>} */
const folders = new Set();
// Registered after that of the daemons, hence called after it: nobody writes there any more.
process.on("exit", () => {
  for (const folder of folders) remove(folder);
});

/**
 * @param {any} system
 * @param {any} workload
 * @param {{ node: string, c: number, workers: number, profileDir?: string | undefined }} options,
 *   and those of the workload
 */
export async function runOnce(system, workload, options) {
  mkdirSync(OUT, { recursive: true });
  const dir = mkdtempSync(join(OUT, "data-"));
  folders.add(dir);
  const { node, c, workers, profileDir } = options;
  /** @type {Stage | undefined} */
  let stage;
  try {
    const settings = { dir, node, concurrency: c, profileDir, env: workload.brokerEnv };
    const running = await system.start(settings);
    stage = new Stage(running, { driver: system.driver, node, c, workers });
    const result = await workload.measure(stage, options);
    for (const daemon of running.daemons) daemon.demandRunning();
    return { ...result, leader: (await running.locate()).leader };
  } finally {
    await stage?.close();
    remove(dir);
    folders.delete(dir);
  }
}

function remove(/** @type {string} */ dir) {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
}
