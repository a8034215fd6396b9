/** tq-broker: reads its settings, runs one broker, and leaves with a status that says why. */
import { createRequire } from "node:module";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { loadConfig } from "./config/load-config.ts";
import { EXIT } from "./exit-status.ts";
import { createLogger, type NodeLogger } from "./observe/logger.ts";
import { StorageDamage, StorageFault, StorageStopped } from "./storage/storage-error.ts";

/** A stop that takes longer than this is cut short; nothing acknowledged depends on it. */
const STOP_MS_MAX = 30_000;

const { version } = createRequire(import.meta.url)("../package.json") as { version: string };

export async function main(argv: readonly string[]): Promise<void> {
  process.title = "tq-broker";
  const config = settingsOrExit(argv);
  const { logLevel: level, logFile: file } = config.monitoring;
  const log = createLogger({ level, file, nodeId: config.raft.nodeId });
  const onFatal = (what: string, error: unknown): void => die(log, what, error);
  process.on("uncaughtException", (error) => die(log, "unexpected error", error));
  process.on("SIGHUP", () => {
    log.reopen();
    log.info({}, "log file reopened");
  });
  log.info({ version, dataDir: config.persistence.dataDir }, `tq-broker ${version} starts`);
  for (const notice of config.notices) log[notice.level]({}, notice.text);
  const starting = new AbortController();
  const running: { broker?: BrokerProcess } = {};
  stopOnSignals(log, starting, running);
  try {
    const { signal } = starting;
    running.broker = await startBroker({ config, version, log, signal, onFatal });
    // The signal found nothing to stop yet.
    if (signalled(starting)) await finish(log, running.broker);
  } catch (error) {
    if (signalled(starting)) process.exit(EXIT.done);
    die(log, "cannot start", error);
  }
}

function settingsOrExit(argv: readonly string[]): ReturnType<typeof loadConfig> {
  try {
    return loadConfig({ argv, env: process.env, version });
  } catch (error) {
    if (!hasExitStatus(error)) throw error;
    process.stderr.write(`tq-broker: ${error.message}\n`);
    process.exit(error.exitStatus);
  }
}

function stopOnSignals(
  log: NodeLogger,
  starting: AbortController,
  running: { readonly broker?: BrokerProcess },
): void {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, "stopping");
    starting.abort(new Error(signal));
    setTimeout(() => die(log, "the stop took too long", undefined), STOP_MS_MAX).unref();
    if (running.broker !== undefined) await finish(log, running.broker);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => void stop(signal));
  }
}

async function finish(log: NodeLogger, broker: BrokerProcess): Promise<never> {
  await broker.stop();
  log.info({}, "stopped");
  log.flush();
  process.exit(EXIT.done);
}

function signalled(starting: AbortController): boolean {
  return starting.signal.aborted;
}

/** One clear line, then the end: a node that cannot keep its promise does not go on. */
function die(log: NodeLogger, what: string, error: unknown, status?: number): never {
  const { message = "", stack = "" } = error instanceof Error ? error : {};
  const known = hasExitStatus(error);
  log.fatal(
    known || error === undefined ? {} : { stack },
    message === "" ? what : `${what}: ${message}`,
  );
  log.flush();
  process.exit(status ?? (known ? error.exitStatus : statusFor(error)));
}

function statusFor(error: unknown): number {
  if (error instanceof StorageDamage) return EXIT.damagedData;
  const isDisk = error instanceof StorageFault || error instanceof StorageStopped;
  return isDisk ? EXIT.storage : EXIT.internal;
}

function hasExitStatus(error: unknown): error is Error & { readonly exitStatus: number } {
  return (
    error instanceof Error && typeof (error as { exitStatus?: unknown }).exitStatus === "number"
  );
}
