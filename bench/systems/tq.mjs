/**
 * tq itself: three brokers or one, with the settings that they have when nothing is set, except that
 * a queue may grow without limit, as the rivals' queues may.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Daemon } from "../daemon.mjs";
import { freePorts } from "../ports.mjs";
import { until } from "../until.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const broker = join(root, "packages/broker/bin/tq-broker.js");
const profiler = new URL("../profile-on-signal.mjs", import.meta.url).href;
const ENV = { TQ_BROKER__QUEUE_DEPTH_THRESHOLD: "0" };

export const tqCluster = {
  name: "tq-cluster",
  driver: "tq",
  settings: "3 brokers, fsync on a majority before a submit is answered",
  program: () => broker,
  version: tqVersion,
  start: (/** @type {StartOptions} */ options) => startBrokers(3, options),
};

export const tqSingle = {
  name: "tq-single",
  driver: "tq",
  settings: "1 broker, fsync before a submit is answered",
  program: () => broker,
  version: tqVersion,
  start: (/** @type {StartOptions} */ options) => startBrokers(1, options),
};

/** @typedef {{ dir: string, node: string, profileDir?: string | undefined }} StartOptions */

/** Every broker of the repository is the same program; its commit is among the machine's facts. */
function tqVersion() {
  return "this repository";
}

async function startBrokers(/** @type {number} */ count, /** @type {StartOptions} */ options) {
  const ports = await freePorts(count * 3);
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: `node${i + 1}`,
    address: `127.0.0.1:${ports[i]}`,
    rest: ports[count + i],
    metrics: ports[2 * count + i],
  }));
  const daemons = nodes.map((node) => startBroker(node, nodes, options));
  for (const { rest } of nodes) {
    await until("the brokers are ready", async () => {
      for (const daemon of daemons) daemon.demandRunning();
      return (await fetch(`http://127.0.0.1:${rest}/readyz`)).status === 200;
    });
  }
  return {
    daemons,
    connection: { servers: nodes.map(({ address }) => address) },
    /** Which node leads now, by its id: for the label of a profile. */
    leader: () => leaderOf(nodes),
    profile: () => options.profileDir && profileAll(daemons, options.profileDir),
  };
}

/**
 * @typedef {{ id: string, address: string, rest?: number, metrics?: number }} BrokerNode
 * @param {BrokerNode} self
 * @param {readonly BrokerNode[]} nodes
 * @param {StartOptions} options
 */
function startBroker({ id, address, rest, metrics }, nodes, { dir, node, profileDir }) {
  const peers = nodes.filter((peer) => peer.id !== id).flatMap((peer) => ["--peer", peer.address]);
  const preload = profileDir === undefined ? [] : ["--import", profiler];
  const args = [...preload, broker, "--broker-addr", address, "--node-id", id, ...peers];
  args.push("--data-dir", join(dir, id), "--rest-port", `${rest}`);
  const env = {
    ...ENV,
    TQ_MONITORING__PROMETHEUS_PORT: `${metrics}`,
    TQ_BENCH_PROFILE: profileFile(profileDir ?? dir, id),
  };
  return new Daemon({ name: id, command: node, args, dir, env });
}

/** Starts the brokers' profiles; what it returns ends them and resolves when they are written. */
function profileAll(/** @type {readonly Daemon[]} */ daemons, /** @type {string} */ profileDir) {
  rmSync(profileDir, { recursive: true, force: true });
  mkdirSync(profileDir, { recursive: true });
  for (const { pid } of daemons) process.kill(pid, "SIGUSR2");
  return async () => {
    for (const { pid } of daemons) process.kill(pid, "SIGUSR2");
    const files = daemons.map(({ name }) => profileFile(profileDir, name));
    await until("the profiles are written", () => files.every((file) => existsSync(file)));
  };
}

function profileFile(/** @type {string} */ dir, /** @type {string} */ id) {
  return join(dir, `${id}.cpuprofile`);
}

async function leaderOf(/** @type {readonly BrokerNode[]} */ nodes) {
  for (const { id, rest } of nodes) {
    const answer = await fetch(`http://127.0.0.1:${rest}/leader`).catch(() => undefined);
    if (answer?.status === 200) return id;
  }
  return undefined;
}
