/**
 * `tq-worker`: a worker as a process. Reads the flags, loads the handlers, serves the health page,
 * works until a signal, and ends with status 0 when it could leave in order.
 */
import { pino } from "pino";
import { printableJson } from "task-queue-protocol";
import { builtinHandlers } from "../handlers/index.ts";
import { createWorker } from "../index.ts";
import type { Logger } from "../logger.ts";
import type { Worker } from "../worker.ts";
import { EXIT, StartError } from "./exit-status.ts";
import { parseFlags, type WorkerFlags } from "./flags.ts";
import { type HealthServer, serveHealth } from "./health.ts";
import { loadHandlers, pickHandlers } from "./load-handlers.ts";
import { type MetricsServer, RunTimes, serveMetrics } from "./metrics.ts";

/** Ends the process when the worker has ended, or when it cannot begin. */
export async function main(): Promise<void> {
  process.title = "tq-worker";
  try {
    const print = (text: string): void => void process.stdout.write(`${text}\n`);
    const flags = parseFlags(process.argv.slice(2), process.env, print);
    if (flags === undefined) return;
    if (flags.checkOnly) {
      await makeWorker(flags, pino({ level: "silent" }));
      for (const note of flags.notes) print(`note: ${note}`);
      print("the options are valid");
      process.exit(0);
    }
    await work(flags);
    process.exit(0);
  } catch (error) {
    const known = error instanceof StartError;
    const text = known ? error.message : ((error as Error).stack ?? String(error));
    process.stderr.write(`tq-worker: ${text}\n`);
    process.exit(known ? error.status : EXIT.software);
  }
}

async function work(flags: WorkerFlags): Promise<void> {
  const logger = pino({
    level: flags.logLevel,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    hooks: { streamWrite: printableJson },
  });
  for (const note of flags.notes) logger.info({}, note);
  const worker = await makeWorker(flags, logger);
  const health = await makeHealth(flags, worker, logger);
  const metrics = await makeMetrics(flags, worker, logger);
  const started = worker.start();
  const { brokerAddr, concurrency, prefetch } = flags;
  logger.info({ brokers: brokerAddr, concurrency, prefetch }, "looking for the leader");
  await started;
  await worker.done;
  // The same stop as the signal's, whose report shall be in the log before the process ends.
  await worker.stop();
  await health?.close();
  await metrics?.close();
}

async function makeWorker(flags: WorkerFlags, logger: Logger): Promise<Worker> {
  const builtin = builtinHandlers({
    http: { denyPrivate: flags.httpDenyPrivate },
    execAllow: flags.execAllow,
  });
  const own = flags.handlers === "" ? {} : await loadHandlers(flags.handlers);
  const handlers = pickHandlers({ ...builtin, ...own }, flags.types);
  const { queues, concurrency, prefetch, heartbeatIntervalSecs, labels, apiKey, tls } = flags;
  try {
    return createWorker({
      servers: flags.brokerAddr,
      handlers,
      queues,
      concurrency,
      prefetch,
      labels,
      apiKey,
      tls,
      logger,
      ...(flags.name === "" ? {} : { name: flags.name }),
      ...(heartbeatIntervalSecs === undefined ? {} : { heartbeatIntervalSecs }),
      shutdown: { graceMs: flags.graceSecs * 1_000, handleSignals: true },
    });
  } catch (cause) {
    if (cause instanceof TypeError) throw new StartError(EXIT.config, cause.message, cause);
    throw cause;
  }
}

async function makeHealth(
  flags: WorkerFlags,
  worker: Worker,
  logger: Logger,
): Promise<HealthServer | undefined> {
  if (flags.healthPort === 0) return undefined;
  const health = await serveHealth({
    host: flags.healthHost,
    port: flags.healthPort,
    exact: flags.healthPortGiven,
    status: () => ({ id: worker.id, name: worker.name, ...worker.status }),
  });
  if (health.port === flags.healthPort) {
    logger.info({ host: flags.healthHost, port: health.port }, "health page");
  } else {
    const fields = { wanted: flags.healthPort, port: health.port };
    logger.warn(fields, "the health page's port is in use; took a free one");
  }
  return health;
}

async function makeMetrics(
  flags: WorkerFlags,
  worker: Worker,
  logger: Logger,
): Promise<MetricsServer | undefined> {
  const { healthHost: host, metricsPort: port, concurrency: poolSize } = flags;
  if (port === 0) return undefined;
  const runs = new RunTimes();
  worker.use(runs.middleware);
  const metrics = await serveMetrics({ host, port, poolSize, runs, status: () => worker.status });
  logger.info({ host, port: metrics.port }, "metrics");
  return metrics;
}
