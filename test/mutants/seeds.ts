/** Runs seeds in a process of its own, in a working copy, until one breaks or time is up. */
import { fork } from "node:child_process";
import { join } from "node:path";
import type { SeedReport, SeedsOrder } from "./seeds-job.ts";

/** Of wall time; a free machine needs a second. */
const PATIENCE_A_SEED_MS = 120_000;
const JOB = "test/mutants/dist/test/mutants/seeds-job.js";

/** The first report of a violation; undefined: all seeds hold. */
export function firstBroken(root: string, order: SeedsOrder): Promise<SeedReport | undefined> {
  return new Promise((resolve) => {
    const child = fork(join(root, JOB), [], {
      cwd: root,
      // Whoever started this process may run sources; the job is compiled.
      execArgv: ["--max-semi-space-size=64"],
    });
    let next = order.first;
    let broken: SeedReport | undefined;
    const lost = (invariant: string): void => {
      broken ??= { seed: next, invariant, message: `seed ${next} has not come to an end` };
      child.kill("SIGKILL");
    };
    let watchdog = setTimeout(lost, PATIENCE_A_SEED_MS, "watchdog");
    child.on("message", (message) => {
      const report = message as SeedReport;
      clearTimeout(watchdog);
      next = report.seed + 1;
      if (report.invariant !== undefined) broken = report;
      else watchdog = setTimeout(lost, PATIENCE_A_SEED_MS, "watchdog");
    });
    child.once("exit", (code) => {
      clearTimeout(watchdog);
      if (code !== 0 && next <= order.last) lost("process lives");
      resolve(broken);
    });
    child.send(order);
  });
}
