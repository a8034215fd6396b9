/**
 * One broker of a selftest: a process of this program's own, from the package that this one depends
 * on, so that what is tested is what is installed. A terminal's Ctrl-C does not reach it, for it is
 * to be ended in order; and it never outlives this program, however that ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { CliError, EXIT } from "../exit-status.ts";
import { LOG_TAIL_CHARS } from "./limits.ts";

const PACKAGE = "task-queue-broker";
const OWNER_ONLY = 0o600;

/** Standard input ends with this program, even when nobody has time to clear up. */
const LEASH = 'process.stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume();';

/** The broker's program. Throws `CliError` when it is not installed. */
export function brokerProgram(): string {
  try {
    // Beside `dist`, or beside `src`.
    const main = createRequire(import.meta.url).resolve(PACKAGE);
    const program = join(dirname(main), "..", "bin", "tq-broker.js");
    if (existsSync(program)) return program;
    throw new Error(`there is no ${program}`);
  } catch (cause) {
    const why = (cause as Error).message.split("\n", 1)[0];
    const fix = `install the package ${PACKAGE} beside tq-admin`;
    throw new CliError(EXIT.unavailable, `tq-broker cannot be found (${why}); ${fix}`, cause);
  }
}

export interface BrokerChildOptions {
  readonly program: string;
  readonly id: string;
  readonly port: number;
  readonly peers: readonly number[];
  readonly folder: string;
}

export class BrokerChild {
  readonly id: string;
  readonly address: string;
  readonly logFile: string;
  readonly #options: BrokerChildOptions;
  #child: ChildProcess | undefined;
  #isRunning = false;
  #ended: Promise<string> = Promise.resolve("not started");

  constructor(options: BrokerChildOptions) {
    this.#options = options;
    this.id = options.id;
    this.address = `127.0.0.1:${options.port}`;
    this.logFile = join(options.folder, `${options.id}.log`);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** With the data it had, if it had any. */
  start(): void {
    const { program, id, peers, folder } = this.#options;
    const args = ["--broker-addr", this.address, "--node-id", id, "--rest-port=0", "--grpc-port=0"];
    args.push("--data-dir", join(folder, id), ...peers.map((port) => `--peer=127.0.0.1:${port}`));
    const log = openSync(this.logFile, "a", OWNER_ONLY);
    const leash = `--import=data:text/javascript,${encodeURIComponent(LEASH)}`;
    const child = spawn(process.execPath, [leash, program, ...args], {
      cwd: folder,
      env: environment(),
      stdio: ["pipe", log, log],
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    this.#isRunning = true;
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (status, signal) => resolve(signal ?? `status ${status}`));
    });
    void this.#ended.then(() => {
      this.#isRunning = false;
    });
  }

  /** Stops all its threads where they are; only SIGKILL and `thaw` reach it then. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Resolves with how it ended. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<string> {
    this.#child?.kill(signal);
    return await this.#ended;
  }

  /** The end of its log, for an error. */
  logTail(): string {
    return readFileSync(this.logFile, "utf8").slice(-LOG_TAIL_CHARS).trim();
  }
}

/** Settings of this shell are meant for other brokers. */
function environment(): Readonly<Record<string, string | undefined>> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("TQ_"));
  const settings = { TQ_MONITORING__PROMETHEUS_PORT: "0", TQ_PERSISTENCE__MIN_FREE_DISK: "16MB" };
  return { ...Object.fromEntries(own), ...settings };
}
