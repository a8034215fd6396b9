/**
 * What a workload has to play with: a system that runs, the processes that submit, work and ask, and
 * what they cost while something is measured. Whatever was opened here ends with `close`.
 */
import { Crew } from "./processes/crew.mjs";
import { Remote } from "./processes/remote.mjs";
import { machineUsage, usageOf } from "./usage.mjs";

/**
 * @typedef {import("./daemon.mjs").Daemon} Daemon
 * @typedef {{
 *   daemons: readonly Daemon[],
 *   locate: () => Promise<{ leader: string, connection: any }>,
 *   members?: readonly Daemon[],
 *   recovered?: () => Promise<unknown>,
 *   profile?: () => (() => Promise<void>) | undefined,
 *   [more: string]: any,
 * }} Running a system: `locate` says who leads now and how the clients get there, `recovered`
 *   resolves when every member is back and has caught up
 * @typedef {{ cpuMs: number, rssMib: number }} Usage
 * @typedef {{
 *   servers: Usage,
 *   submitter: Usage,
 *   worker: Usage,
 *   othersShare: number,
 * }} Cost CPU time spent meanwhile; `othersShare`: of all CPU time, by processes of nobody here
 */

export class Stage {
  #driver;
  #options;
  /** @type {Set<Remote>} */
  #remotes = new Set();
  /** @type {Set<Crew>} */
  #crews = new Set();

  /**
   * @param {Running} running
   * @param {{ driver: string, node: string, c: number, workers: number }} options
   */
  constructor(running, { driver, ...options }) {
    this.running = running;
    this.#driver = driver;
    this.#options = options;
  }

  /**
   * A process of `processes/` that is connected to whoever leads now.
   *
   * @param {string} script
   * @returns {Promise<Remote>}
   */
  async open(script) {
    const remote = new Remote(script, this.#options.node);
    this.#remotes.add(remote);
    const { connection } = await this.running.locate();
    await remote.call("connect", { driver: this.#driver, connection });
    return remote;
  }

  openSubmitter() {
    return this.open("submitter.mjs");
  }

  /** @param {number} first number of the first task that they will see */
  async openWorkers(first = 0) {
    const { node, workers: count, c: concurrency } = this.#options;
    const crew = Crew.spawn({ count, node, first });
    this.#crews.add(crew);
    const { connection } = await this.running.locate();
    await crew.connect({ driver: this.#driver, connection, concurrency });
    return crew;
  }

  /** @param {Remote | Crew} opened */
  async end(opened) {
    await opened.end();
    if (opened instanceof Crew) this.#crews.delete(opened);
    else this.#remotes.delete(opened);
  }

  /**
   * Does what is measured; says what it cost.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<{ value: T, cost: Cost }>}
   */
  async during(work) {
    const endProfile = this.running.profile?.();
    const before = this.#usage();
    const value = await work();
    const after = this.#usage();
    await endProfile?.();
    const costOf = (/** @type {"servers" | "submitter" | "worker"} */ part) => ({
      cpuMs: after[part].cpuMs - before[part].cpuMs,
      rssMib: after[part].rssMib,
    });
    const parts = {
      servers: costOf("servers"),
      submitter: costOf("submitter"),
      worker: costOf("worker"),
    };
    const own = Object.values(parts).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
    const others = Math.max(0, after.machine.busyMs - before.machine.busyMs - own);
    const othersShare = others / (after.machine.allMs - before.machine.allMs);
    return { value, cost: { ...parts, othersShare } };
  }

  serversRssMib() {
    return this.#usage().servers.rssMib;
  }

  /** Ends the processes and the servers. */
  async close() {
    const clients = [...this.#remotes, ...this.#crews];
    await Promise.all(clients.map((client) => client.end()));
    await Promise.all(this.running.daemons.map((daemon) => daemon.end()));
  }

  #usage() {
    return {
      servers: usageOf(this.running.daemons.map(({ pid }) => pid)),
      submitter: usageOf([...this.#remotes].map(({ pid }) => pid)),
      worker: usageOf([...this.#crews].flatMap(({ pids }) => pids)),
      machine: machineUsage(),
    };
  }
}
