/** What a figure is worth depends on where it was measured: processor, disk, versions, other load. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { distribution } from "./statistics.mjs";

const SYNCS = 300;
const SYNC_BYTES = 4_096;
/** From `statfs(2)`: file systems that live in memory make every durable figure meaningless. */
const IN_MEMORY = new Map([
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
]);

/**
 * @param {string} dir where the measurements keep their data
 * @param {string} node the binary that tq runs under
 */
export function machineFacts(dir, node) {
  const processors = cpus();
  return {
    processor: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: execFileSync(node, ["--version"], { encoding: "utf8" }).trim(),
    commit: commitOf(dir),
    /** How busy the machine was before anything was started. */
    load1: loadavg()[0] ?? Number.NaN,
    fileSystemInMemory: IN_MEMORY.get(statfsSync(dir).type),
    fdatasyncMs: syncCost(dir),
  };
}

/** What one small durable write costs: 4 KiB appended and synced, again and again. */
function syncCost(/** @type {string} */ parent) {
  const dir = mkdtempSync(join(parent, "sync-"));
  const file = openSync(join(dir, "probe"), "w");
  const block = Buffer.alloc(SYNC_BYTES, 1);
  const samples = new Float64Array(SYNCS);
  for (let i = 0; i < SYNCS; i++) {
    const startAt = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    samples[i] = performance.now() - startAt;
  }
  closeSync(file);
  rmSync(dir, { recursive: true });
  return distribution(samples);
}

function commitOf(/** @type {string} */ dir) {
  try {
    const args = ["describe", "--always", "--dirty", "--abbrev=12"];
    const stdio = /** @type {const} */ (["ignore", "pipe", "ignore"]);
    return execFileSync("git", args, { cwd: dir, encoding: "utf8", stdio }).trim();
  } catch {
    return "unknown";
  }
}
