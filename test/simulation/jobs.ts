/**
 * Runs seeds in processes of their own, several at a time, and watches them: one that does not
 * answer in time is killed, its seed has failed, and a new process goes on.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Order, Report } from "./job.ts";
import type { Mutant } from "./mutants.ts";
import type { ProfileName } from "./profiles.ts";
import type { SeedResult } from "./run-seed.ts";

export interface JobsOptions {
  readonly jobs: number;
  readonly seeds: Iterator<number>;
  /** How long a seed may take, of wall time. A free machine needs a second. */
  readonly patienceMs?: number;
  /** Failures are shrunk for at most so long each; 0: not at all. */
  readonly shrinkMs?: number;
  readonly mutant?: Mutant | undefined;
  readonly profile?: ProfileName | undefined;
  readonly onResult: (result: SeedResult) => void;
  readonly onShrunk?: (seed: number, text: string) => void;
}

/** Of one seed: a loop without end, not the slowest seed on the slowest machine. */
const PATIENCE_MS = 600_000;
/** Further failures are only named. */
const SHRUNK_MAX = 20;

export async function runJobs(options: JobsOptions): Promise<void> {
  let shrunk = 0;
  const mayShrink = () => (options.shrinkMs ?? 0) > 0 && ++shrunk <= SHRUNK_MAX;
  const workers = Array.from({ length: options.jobs }, () => work(options, mayShrink));
  await Promise.all(workers);
}

async function work(options: JobsOptions, mayShrink: () => boolean): Promise<void> {
  const { seeds, mutant, profile, onResult, onShrunk } = options;
  const { shrinkMs = 0, patienceMs = PATIENCE_MS } = options;
  const watched = new WatchedJob();
  for (;;) {
    const next = seeds.next();
    if (next.done === true) break;
    const recipe = { seed: next.value, profile };
    const report = await watched.ask({ kind: "run", recipe, mutant }, patienceMs);
    const result =
      typeof report === "object" && report.kind === "result"
        ? report.result
        : lost(next.value, report);
    onResult(result);
    if (typeof report !== "object" || result.violation === undefined || !mayShrink()) continue;
    const order: Order = { kind: "shrink", recipe, mutant, shrinkMs };
    const answer = await watched.ask(order, shrinkMs + patienceMs);
    const isShrunk = typeof answer === "object" && answer.kind === "shrunk";
    onShrunk?.(next.value, isShrunk ? answer.text : "shrinking did not end");
  }
  watched.close();
}

/** Why there is no report: it did not come in time, or never will. */
type Loss = "watchdog" | "process died";

class WatchedJob {
  #child: ChildProcess | undefined;

  ask(order: Order, patienceMs: number): Promise<Report | Loss> {
    this.#child ??= fork(fileURLToPath(new URL("./job.js", import.meta.url)), [], {
      env: { ...process.env, SIMULATION_JOB: "1" },
      // Whoever started this process may run sources; the job is compiled. A simulation lives from
      // short-lived objects: with room for them the collector takes a third of the time.
      execArgv: ["--max-semi-space-size=64"],
    });
    const child = this.#child;
    return new Promise((resolve) => {
      const end = (report: Report | Loss) => {
        clearTimeout(watchdog);
        child.removeAllListeners();
        if (typeof report !== "object") {
          child.kill("SIGKILL");
          this.#child = undefined;
        }
        resolve(report);
      };
      const watchdog = setTimeout(() => end("watchdog"), patienceMs);
      child.once("message", (report) => end(report as Report));
      child.once("exit", () => end("process died"));
      child.once("error", () => end("process died"));
      child.send(order);
    });
  }

  close(): void {
    this.#child?.disconnect();
  }
}

function lost(seed: number, report: Report | Loss): SeedResult {
  const invariant = typeof report === "object" ? "job" : report;
  return {
    seed,
    simulatedMs: 0,
    cpuMs: 0,
    entries: 0,
    tasks: 0,
    situations: {},
    violation: { invariant, message: `${invariant}: seed ${seed} has not come to an end` },
    trace: [],
  };
}
