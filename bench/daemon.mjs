/**
 * A server program that the harness runs: in a process group of its own, so that whatever it starts
 * ends with it, with its output in a file, and never left behind, however the harness ends. It can
 * be killed and started again, as the same program with the same arguments.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** How long a server may take to end by itself before it is killed. */
const END_MS = 15_000;
const LOG_LINES_SHOWN = 15;

/** @type {Set<Daemon>} */
const living = new Set();
process.on("exit", () => {
  for (const daemon of living) daemon.kill();
});

export class Daemon {
  #options;
  #logFile;
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #child;
  /** @type {Promise<unknown>} */
  #ended = Promise.resolve();

  /**
   * @param {{
   *   name: string,
   *   command: string,
   *   args: readonly string[],
   *   dir: string,
   *   env?: Readonly<Record<string, string>>,
   * }} options `dir`: working directory, and where the log goes
   */
  constructor(options) {
    this.name = options.name;
    this.#options = options;
    this.#logFile = join(options.dir, `${options.name}.log`);
    this.start();
  }

  /** After `crash`. */
  start() {
    const { command, args, dir, env = {} } = this.#options;
    const log = openSync(this.#logFile, "a");
    const child = spawn(command, args, {
      cwd: dir,
      env: { ...process.env, ...env },
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    living.add(this);
    this.#ended = new Promise((resolve) => {
      const end = () => {
        // What it started may have outlived it.
        this.kill();
        living.delete(this);
        resolve(undefined);
      };
      child.once("exit", end);
      child.once("error", end);
    });
  }

  /** Also the id of its process group. */
  get pid() {
    return this.#child?.pid ?? 0;
  }

  get isRunning() {
    return living.has(this);
  }

  /** Throws, with the end of its log, when it has ended by itself. */
  demandRunning() {
    if (living.has(this)) return;
    const log = readFileSync(this.#logFile, "utf8").trimEnd().split("\n");
    const shown = log.slice(-LOG_LINES_SHOWN).join("\n");
    throw new Error(`${this.name} has ended by itself; its last words:\n${shown}`);
  }

  /** SIGTERM, and SIGKILL when that does not help; resolves when it is gone. */
  async end() {
    if (!living.has(this)) return;
    this.#signal("SIGTERM");
    const killer = setTimeout(() => this.kill(), END_MS);
    await this.#ended;
    clearTimeout(killer);
  }

  kill() {
    this.#signal("SIGKILL");
  }

  /** SIGKILL; resolves when it is gone. */
  async crash() {
    this.kill();
    await this.#ended;
  }

  /** @param {NodeJS.Signals} signal */
  #signal(signal) {
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
    }
  }
}
