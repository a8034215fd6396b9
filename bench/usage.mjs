/**
 * What processes cost: CPU time and memory, from Linux's /proc. Processes are named by their own id
 * or by that of their group, so that a server's children count with it.
 */
import { readdirSync, readFileSync } from "node:fs";

/** /proc counts CPU time in this unit, whatever the kernel was built with. */
const TICK_MS = 10;
const PAGE_KIB = 4;

/**
 * @param {readonly number[]} ids of processes or process groups
 * @returns {{ cpuMs: number, rssMib: number }} of all of them together; zeros where there is no /proc
 */
export function usageOf(ids) {
  const wanted = new Set(ids);
  let ticks = 0;
  let pages = 0;
  for (const pid of processIds()) {
    const fields = statOf(pid);
    if (fields === undefined) continue;
    if (!wanted.has(Number(pid)) && !wanted.has(Number(fields[2]))) continue;
    ticks += Number(fields[11]) + Number(fields[12]);
    pages += Number(fields[21]);
  }
  return { cpuMs: ticks * TICK_MS, rssMib: (pages * PAGE_KIB) / 1024 };
}

/** CPU time of the whole machine since it started; a hypervisor's other guests count as busy. */
export function machineUsage() {
  try {
    const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
    const ticks = line.split(/\s+/).slice(1, 9).map(Number);
    const all = ticks.reduce((sum, each) => sum + each, 0);
    const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
    return { allMs: all * TICK_MS, busyMs: (all - idle) * TICK_MS };
  } catch {
    return { allMs: 0, busyMs: 0 };
  }
}

function processIds() {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** The fields of `/proc/PID/stat` after the program's name, which may contain anything. */
function statOf(/** @type {string} */ pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
