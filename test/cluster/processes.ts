/**
 * Real brokers and workers as processes on loopback, for tests: started, killed, started again on the
 * same data, asked over their public doors. Every wait is for a condition, with a generous limit.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve as resolvePath } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../ports.ts";
import { type Answer, type Asked, ask } from "./http.ts";

/** The repository. */
export const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));
/** Generous: the machine may be busy with something else altogether. */
const WAIT_MS = 180_000;
const POLL_MS = 50;
/** Characters of a broker's log in the message of an error. */
const LOG_TAIL = 2_000;

/** The repository, from here or from where this file was compiled to. */
function rootOf(directory: string): string {
  return existsSync(join(directory, "start.mjs")) ? directory : rootOf(dirname(directory));
}

export interface NodeStats {
  readonly raft: {
    readonly term: number;
    readonly applied_index: number;
    readonly leader_id: string | null;
    readonly effect_hash: string;
  };
  readonly role: string;
  readonly tasks: Readonly<Record<string, number>>;
}

export class Node {
  readonly id: string;
  readonly port: number;
  readonly restPort: number;
  readonly metricsPort: number;
  readonly logFile: string;
  /** Where it keeps its data from the next start on. */
  dataDir: string;
  /** What it runs from the next start on; relative to the repository. */
  program = "packages/broker/bin/tq-broker.js";
  /** More arguments and environment for the next start. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** How its doors are asked where they have TLS. */
  tls: Asked["tls"];
  /** What it is asked with where its doors want a key. */
  apiKey: string | undefined;
  #child: ChildProcess | undefined;
  #exit: Promise<number | string> | undefined;

  constructor(options: {
    id: string;
    port: number;
    restPort: number;
    metricsPort: number;
    dir: string;
    args: readonly string[];
    env?: Readonly<Record<string, string>>;
  }) {
    this.id = options.id;
    this.port = options.port;
    this.restPort = options.restPort;
    this.metricsPort = options.metricsPort;
    this.dataDir = join(options.dir, options.id);
    this.logFile = join(options.dir, `${options.id}.log`);
    this.args = options.args;
    this.env = options.env ?? {};
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && !this.#child.killed;
  }

  start(): void {
    const base = ["--broker-addr", this.address, "--node-id", this.id];
    const args = [...base, "--data-dir", this.dataDir, "--rest-port", `${this.restPort}`];
    this.#child = startProcess(this.program, [...args, ...this.args], {
      logFile: this.logFile,
      env: { TQ_MONITORING__PROMETHEUS_PORT: `${this.metricsPort}`, ...this.env },
    });
    this.#exit = exitOf(this.#child);
  }

  /** Resolves with the exit status, or the name of the signal that ended it. */
  async kill(signal: NodeJS.Signals): Promise<number | string> {
    this.#child?.kill(signal);
    return await this.exited();
  }

  /** Stops all its threads where they are; only SIGKILL or SIGCONT reach it then. */
  pause(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  async exited(): Promise<number | string> {
    return await (this.#exit ?? Promise.resolve(0));
  }

  log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  async get<T>(path: string): Promise<{ status: number; body: T }> {
    const { status, text } = await this.ask(this.restPort, path);
    return { status, body: (text === "" ? {} : JSON.parse(text)) as T };
  }

  /** At one of its HTTP ports. */
  ask(port: number, path: string, asked: Asked = {}): Promise<Answer> {
    const scheme = this.tls === undefined ? "http" : "https";
    const { tls, apiKey } = this;
    return ask(`${scheme}://127.0.0.1:${port}${path}`, { tls, apiKey, ...asked });
  }

  async isReady(): Promise<boolean> {
    const answer = await this.get("/readyz").catch(() => undefined);
    return answer?.status === 200;
  }

  async stats(): Promise<NodeStats> {
    return (await this.get<NodeStats>("/stats?consistency=stale")).body;
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const { text } = await this.ask(this.metricsPort, "/metrics");
    const line = text.split("\n").find((each) => each.startsWith(`${name} `));
    if (line === undefined) throw new Error(`${this.id} has no metric ${name}`);
    return Number(line.slice(name.length + 1));
  }
}

/** A connection of its own for each request, and an end to it whatever happens. */
export function httpGet(url: string): Promise<{ status: number; text: string }> {
  return ask(url);
}

/** Nobody else would end them if this process is ended in the middle of a test. */
const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

interface Ports {
  readonly port: number;
  readonly restPort: number;
  readonly metricsPort: number;
}

/** Where an application reaches the brokers: themselves, or what stands before them. */
export interface Front {
  readonly servers: readonly string[];
  readonly restUrls: readonly string[];
  /** What its doors want, if anything. */
  readonly access?: Pick<Asked, "tls" | "apiKey"> | undefined;
}

export class TestCluster implements Front {
  readonly dir = mkdtempSync(join(tmpdir(), "tq-cluster-"));
  readonly nodes: Node[];
  /** Called by `close` between the end of the processes and the removal of `dir`. */
  readonly beforeRemoval: (() => void)[] = [];

  private constructor(ports: readonly Ports[], args: readonly string[]) {
    const addresses = ports.map(({ port }) => `127.0.0.1:${port}`);
    this.nodes = ports.map((each, i) => {
      const peers = addresses.filter((_, other) => other !== i);
      const peerArgs = peers.flatMap((peer) => ["--peer", peer]);
      return new Node({
        id: `node${i + 1}`,
        ...each,
        dir: this.dir,
        args: [...peerArgs, ...args],
      });
    });
  }

  static async create(size: number, args: readonly string[] = []): Promise<TestCluster> {
    const ports = [];
    for (let i = 0; i < size; i++) ports.push(await freePorts());
    return new TestCluster(ports, args);
  }

  /** Another node, not started, that knows where all others are. */
  async add(): Promise<Node> {
    const id = `node${this.nodes.length + 1}`;
    const args = this.servers.flatMap((peer) => ["--peer", peer]);
    const node = new Node({ id, ...(await freePorts()), dir: this.dir, args });
    this.nodes.push(node);
    return node;
  }

  get servers(): string[] {
    return this.nodes.map((node) => node.address);
  }

  get restUrls(): string[] {
    return this.nodes.map((node) => `http://127.0.0.1:${node.restPort}`);
  }

  async start(): Promise<void> {
    for (const node of this.nodes) node.start();
    await this.allReady();
  }

  /** Those that run. */
  get running(): Node[] {
    return this.nodes.filter((node) => node.isRunning);
  }

  async ready(): Promise<void> {
    await waitFor("all nodes ready", async () => {
      for (const node of this.running) if (!(await node.isReady())) return false;
      return true;
    });
  }

  /** All nodes are ready. Throws at once when one of them has ended instead. */
  async allReady(): Promise<void> {
    await waitFor("all nodes ready", async () => {
      const ended = this.nodes.find((node) => !node.isRunning);
      if (ended !== undefined) {
        const status = await ended.exited();
        throw new Error(`${ended.id} ended with ${status}: ${ended.log().slice(-LOG_TAIL)}`);
      }
      const ready = await Promise.all(this.nodes.map((node) => node.isReady()));
      return ready.every((each) => each);
    });
  }

  async leader(): Promise<Node> {
    return await waitFor("a leader", async () => {
      for (const node of this.running) {
        const answer = await node.get("/leader").catch(() => undefined);
        if (answer?.status === 200) return node;
      }
      return undefined;
    });
  }

  /** Resolves with the stats of all nodes once they have applied the same entries. */
  async converged(): Promise<readonly NodeStats[]> {
    return await waitFor("the same applied index everywhere", async () => {
      const stats = await Promise.all(
        this.running.map((node) => node.stats().catch(() => undefined)),
      );
      const indexes = new Set(stats.map((each) => each?.raft.applied_index ?? -1));
      return indexes.size === 1 && !indexes.has(-1) ? (stats as NodeStats[]) : undefined;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => (node.isRunning ? node.kill("SIGKILL") : 0)));
    for (const act of this.beforeRemoval) act();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface StartOptions {
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one of the project's programs with its output in a file. */
export function startProcess(
  script: string,
  args: readonly string[],
  { logFile, env = {} }: StartOptions,
): ChildProcess {
  mkdirSync(dirname(logFile), { recursive: true });
  const child = spawn(process.execPath, [resolvePath(ROOT, script), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  writeFileSync(logFile, "", { flag: "a" });
  children.add(child);
  child.once("exit", () => children.delete(child));
  const log = createWriteStream(logFile, { flags: "a" });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  return child;
}

export function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
}

/** Polls until `condition` gives something truthy; throws with `what` when the limit is over. */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = WAIT_MS,
): Promise<T> {
  const until = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > until) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    await sleep(POLL_MS);
  }
}

async function freePorts(): Promise<Ports> {
  return {
    port: await freePort(),
    restPort: await freePort(),
    metricsPort: await freePort(),
  };
}
