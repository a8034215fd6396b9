/** tq-broker: reads its settings, runs one broker, and leaves with a status that says why. */
import { createRequire } from "node:module";
import { processDeed } from "./audit/open.ts";
import { ProcessNotes } from "./audit/process-notes.ts";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { checkFiles } from "./check-files.ts";
import type { KeySettings } from "./config/api-keys.ts";
import type { Config } from "./config/config.ts";
import { loadConfig } from "./config/load-config.ts";
import { EXIT } from "./exit-status.ts";
import { createLogger, type NodeLogger } from "./observe/logger.ts";
import { reloader } from "./reload.ts";
import { StorageDamage, StorageFault, StorageStopped } from "./storage/storage-error.ts";

/** A stop that takes longer than this is cut short; nothing acknowledged depends on it. */
const STOP_MS_MAX = 30_000;

/** Ctrl-C reaches a process twice where a parent passes on what the terminal told both. */
const SAME_SIGNAL_MS = 1_000;

const { version } = createRequire(import.meta.url)("../package.json") as { version: string };

export async function main(argv: readonly string[]): Promise<void> {
  process.title = "tq-broker";
  const config = settingsOrExit(argv);
  if (config.checkOnly) return check(config);
  const { acceptRestoredData: acceptRestored } = config;
  const { logLevel: level, logFile: file } = config.monitoring;
  const log = createLogger({ level, file, nodeId: config.raft.nodeId });
  const onFatal = (what: string, error: unknown): void => die(log, what, error);
  process.on("uncaughtException", (error) => die(log, "unexpected error", error));
  const life = new Life(log);
  const sources = { argv, env: process.env, version };
  const notes = new ProcessNotes();
  const reload = reloader(config, sources, log, {
    replaceKeys: (keys) => life.replaceKeys(keys),
    noted: (deed) => notes.note(processDeed("reload", deed)),
  });
  process.on("SIGHUP", () => {
    log.reopen();
    log.info({}, "log file reopened");
    reload();
  });
  log.info({ version, dataDir: config.persistence.dataDir }, `tq-broker ${version} starts`);
  for (const notice of config.notices) log[notice.level]({}, notice.text);
  life.stopOnSignals();
  const onRemoved = (): void => life.stop(EXIT.removed, REMOVED);
  const { signal } = life;
  const common = { config, version, log, acceptRestored, notes };
  try {
    await life.began(await startBroker({ ...common, signal, onFatal, onRemoved }));
  } catch (error) {
    if (!isCalledOff(error, signal)) die(log, "cannot start", error);
    log.info({}, "stopped before it was started");
    log.flush();
    process.exit(life.status);
  }
}

/** Whether a start ended because it was told to; damage that it found meanwhile is still damage. */
export function isCalledOff(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && error === signal.reason;
}

const REMOVED =
  "this node was removed from its cluster. To bring it back, start it with an empty " +
  "persistence.data_dir and name it to tq-admin members add";

/** How a broker ends of itself or by a signal: once, in order, and not for ever. */
class Life {
  readonly #log: NodeLogger;
  readonly #starting = new AbortController();
  #broker: BrokerProcess | undefined;
  #keys: KeySettings | undefined;
  #stoppingSince: number | undefined;
  #status: number = EXIT.done;

  constructor(log: NodeLogger) {
    this.#log = log;
  }

  /** To leave with. */
  get status(): number {
    return this.#status;
  }

  /** Aborted once the end is wanted. */
  get signal(): AbortSignal {
    return this.#starting.signal;
  }

  /** See `BrokerProcess.replaceKeys`. */
  replaceKeys(keys: KeySettings): void {
    this.#keys = keys;
    this.#broker?.replaceKeys(keys);
  }

  async began(broker: BrokerProcess): Promise<void> {
    this.#broker = broker;
    // They may have been replaced while it started.
    if (this.#keys !== undefined) broker.replaceKeys(this.#keys);
    // The signal found nothing to stop yet.
    if (this.#stoppingSince !== undefined) await this.#finish(broker);
  }

  /** Somebody who signals again does not want to wait for what the first signal has begun. */
  stopOnSignals(): void {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        const since = this.#stoppingSince;
        if (since === undefined) return this.stop(EXIT.done, `stopping on ${signal}`);
        if (performance.now() < since + SAME_SIGNAL_MS) return;
        this.#log.warn({}, `${signal} again: not waiting any longer`);
        this.#log.flush();
        process.exit(this.#status);
      });
    }
  }

  stop(status: number, why: string): void {
    if (this.#stoppingSince !== undefined) return;
    this.#stoppingSince = performance.now();
    this.#status = status;
    if (status === EXIT.done) this.#log.info({}, why);
    else this.#log.error({}, why);
    this.#starting.abort(new Error(why));
    setTimeout(() => die(this.#log, "the stop took too long", undefined), STOP_MS_MAX).unref();
    if (this.#broker !== undefined) void this.#finish(this.#broker);
  }

  async #finish(broker: BrokerProcess): Promise<never> {
    await broker.stop();
    this.#log.info({}, "stopped");
    this.#log.flush();
    process.exit(this.#status);
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

/** What a start would say of its settings, and of the files that they name. */
async function check(config: Config): Promise<void> {
  const texts = config.notices.map(({ text }) => text);
  try {
    texts.push(...(await checkFiles(config, Date.now())));
  } catch (error) {
    if (!hasExitStatus(error)) throw error;
    process.stderr.write(`tq-broker: ${error.message}\n`);
    process.exitCode = error.exitStatus;
    return;
  }
  const notes = texts.map((text) => `note: ${text}\n`).join("");
  process.stdout.write(`${notes}${config.file ?? "settings"}: valid\n`);
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
