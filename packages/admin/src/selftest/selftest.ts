/**
 * The whole of a selftest: a cluster is started, worked, broken and healed, and then asked for what
 * it has promised. Whatever happens, nothing of it runs afterwards.
 */
import type { Io } from "../io.ts";
import { auditStates, auditTasks, type Check } from "./audit.ts";
import { FAULTS, type Fault, secondsOf } from "./faults.ts";
import { Ledger, type Totals } from "./ledger.ts";
import { DRAIN_MS, SUBMIT_MS } from "./limits.ts";
import { Load, QUEUE } from "./load.ts";
import { connectTo, TrialCluster } from "./trial-cluster.ts";

export interface SelftestOptions {
  readonly folder: string;
  readonly seconds: number;
  readonly perSecond: number;
  readonly signal: AbortSignal;
  /** Told what is being done, again and again. */
  readonly onProgress: (text: string) => void;
}

export interface Step {
  readonly step: string;
  readonly detail: string;
}

export interface Report {
  readonly passed: boolean;
  readonly seconds: number;
  readonly steps: readonly Step[];
  readonly load: Totals;
  readonly checks: readonly Check[];
}

/** Throws `Interrupted`, and `CliError` when it does not come to an audit. */
export async function selftest(io: Io, options: SelftestOptions): Promise<Report> {
  const { folder, signal, perSecond, seconds } = options;
  const cluster = await TrialCluster.create(folder, io, signal);
  const ledger = new Ledger();
  const load = new Load(io, cluster.servers, perSecond, ledger);
  try {
    const began = performance.now();
    options.onProgress("starting three brokers");
    for (const broker of cluster.brokers) broker.start();
    await cluster.whole();
    const start = {
      step: "start three brokers",
      detail: `ready after ${secondsOf(performance.now() - began)}`,
    };
    ledger.begin();
    await load.start();
    const steps = [start, ...(await breakAndHeal(cluster, ledger, options))];
    options.onProgress("reading what has become of all tasks");
    await cluster.orInterrupted(load.end());
    const checks = await audit(io, cluster, ledger);
    await load.close();
    checks.push(await stopAll(cluster));
    const passed = checks.every((each) => each.passed);
    return { passed, seconds, steps, load: ledger.totals, checks };
  } finally {
    cluster.thaw();
    await load.close();
    await cluster.close();
  }
}

async function breakAndHeal(
  cluster: TrialCluster,
  ledger: Ledger,
  { seconds, onProgress }: SelftestOptions,
): Promise<Step[]> {
  const began = performance.now();
  const steps: Step[] = [];
  const until = async (share: number, what: string) => {
    const end = began + share * seconds * 1_000;
    const ticks = async () => {
      onProgress(`${what}; ${ledger.totals.acknowledged} tasks acknowledged`);
      return performance.now() >= end || undefined;
    };
    if (performance.now() < end) await cluster.until(what, ticks, seconds * 2_000);
  };
  for (const { name, at, act } of FAULTS satisfies readonly Fault[]) {
    await until(at, "under load");
    onProgress(name);
    steps.push({ step: name, detail: await act(cluster, seconds) });
  }
  await until(1, "under load");
  return steps;
}

async function audit(io: Io, cluster: TrialCluster, ledger: Ledger): Promise<Check[]> {
  const client = connectTo(io, cluster.servers, SUBMIT_MS, false);
  try {
    const isOver = async () => {
      const queues = await client.queues().catch(() => undefined);
      const {
        pending = 0,
        running = 0,
        retrying = 0,
      } = queues?.find(({ name }) => name === QUEUE)?.counts ?? {};
      return (queues !== undefined && pending + running + retrying === 0) || undefined;
    };
    await cluster.until("all tasks are done", isOver, DRAIN_MS);
    const checks = await cluster.orInterrupted(auditTasks(client, ledger));
    return [...checks, auditStates(await cluster.agreed())];
  } finally {
    await client.close();
  }
}

async function stopAll(cluster: TrialCluster): Promise<Check> {
  const passed = await cluster.stop();
  const detail = passed ? "all with status 0" : "not all of them did; see their logs";
  return { check: "the brokers end in order", passed, detail };
}
