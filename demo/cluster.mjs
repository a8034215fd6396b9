/**
 * Three brokers and a worker as processes of their own, with their logs in files. A process that
 * ends by itself is started again, as a service manager would do it, so that a `kill` can be tried.
 */
import { spawn } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withoutSettings } from "./ports.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const RESTART_MS = 3_000;
/** A broker that ends this often without ever being ready has a problem that a restart won't mend. */
const EARLY_ENDS_MAX = 3;

export class Cluster {
  #ports;
  #dataDir;
  #children = new Map();
  #stopping = false;
  #onEvent;

  /** `onEvent(text)` hears of processes that end and start again. */
  constructor({ ports, dataDir, onEvent }) {
    this.#ports = ports;
    this.#dataDir = dataDir;
    this.#onEvent = onEvent;
    mkdirSync(join(dataDir, "logs"), { recursive: true });
  }

  get servers() {
    return this.#ports.worker.map((port) => `127.0.0.1:${port}`);
  }

  pid(name) {
    return this.#children.get(name)?.pid;
  }

  startBrokers() {
    this.servers.forEach((address, i) => {
      const name = `node${i + 1}`;
      const peers = this.servers.filter((peer) => peer !== address);
      const args = ["--broker-addr", address, "--node-id", name];
      args.push(...peers.flatMap((peer) => ["--peer", peer]));
      args.push("--data-dir", join(this.#dataDir, name), "--rest-port", `${this.#ports.rest[i]}`);
      args.push("--grpc-port", `${this.#ports.grpc[i]}`);
      const env = { TQ_MONITORING__PROMETHEUS_PORT: `${this.#ports.metrics[i]}` };
      this.#run(name, "packages/broker/bin/tq-broker.js", { args, env });
    });
  }

  startWorker(handlers) {
    const args = ["--broker-addr", this.servers.join(","), "--name", "worker1"];
    args.push("--handlers", handlers, "--concurrency", "8");
    this.#run("worker1", "packages/worker/bin/tq-worker.js", { args });
  }

  /** SIGTERM to all; resolves when the last one has ended. */
  async stop() {
    this.#stopping = true;
    const worker = this.#children.get("worker1");
    await endOf(worker);
    await Promise.all([...this.#children.values()].map(endOf));
  }

  #run(name, script, how, earlyEnds = 0) {
    const log = openSync(join(this.#dataDir, "logs", `${name}.log`), "a", 0o600);
    const startedAt = Date.now();
    const child = spawn(process.execPath, [join(root, script), ...how.args], {
      cwd: root,
      env: { ...withoutSettings(), ...how.env },
      stdio: ["ignore", log, log],
      // A terminal's Ctrl-C goes to its whole group; these end in order, when told.
      detached: true,
    });
    this.#children.set(name, child);
    child.once("exit", (code, signal) => {
      if (this.#stopping) return;
      const early = Date.now() - startedAt < RESTART_MS ? earlyEnds + 1 : 0;
      if (early >= EARLY_ENDS_MAX) {
        this.#onEvent(`${name} does not stay up; see ${this.#dataDir}/logs/${name}.log`);
        return;
      }
      this.#onEvent(`${name} ended (${signal ?? `status ${code}`}); starting it again`);
      setTimeout(() => {
        if (!this.#stopping) this.#run(name, script, how, early);
      }, RESTART_MS);
    });
  }
}

async function endOf(child) {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}
