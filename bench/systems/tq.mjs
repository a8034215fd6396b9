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
import { operationsOf } from "./tq-operations.mjs";

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

/**
 * @typedef {{
 *   dir: string,
 *   node: string,
 *   profileDir?: string | undefined,
 *   env?: Readonly<Record<string, string>> | undefined,
 * }} StartOptions `env`: settings of the brokers besides the defaults
 */

/** Every broker of the repository is the same program; its commit is among the machine's facts. */
function tqVersion() {
  return "this repository";
}

async function startBrokers(/** @type {number} */ count, /** @type {StartOptions} */ options) {
  const ports = await freePorts(count * 4);
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: `node${i + 1}`,
    address: `127.0.0.1:${ports[i]}`,
    rest: `http://127.0.0.1:${ports[count + i]}`,
    metricsPort: ports[2 * count + i] ?? 0,
    grpc: `127.0.0.1:${ports[3 * count + i]}`,
    dataDir: join(options.dir, `node${i + 1}`),
  }));
  const daemons = nodes.map((node) => startBroker(node, nodes, options));
  const ready = () => allReady(nodes, daemons);
  await ready();
  return {
    daemons,
    members: daemons,
    nodes,
    locate: () => locate(nodes),
    recovered: ready,
    ...operationsOf({ root, node: options.node, nodes, daemons }),
    profile: () => options.profileDir && profileAll(daemons, options.profileDir),
  };
}

async function allReady(
  /** @type {readonly BrokerNode[]} */ nodes,
  /** @type {readonly Daemon[]} */ daemons,
) {
  for (const { rest } of nodes) {
    await until("the brokers are ready", async () => {
      for (const daemon of daemons) daemon.demandRunning();
      return (await fetch(`${rest}/readyz`)).status === 200;
    });
  }
}

/** Who leads now, and how a client gets there. */
async function locate(/** @type {readonly BrokerNode[]} */ nodes) {
  const leader = await until("a broker leads", () => leaderOf(nodes));
  const servers = nodes.map(({ address }) => address);
  const followers = nodes.filter((node) => node !== leader).map(({ rest }) => rest);
  const rest = { leader: leader.rest, followers };
  const connection = { servers, leader: leader.address, rest, grpc: leader.grpc };
  return { leader: leader.id, connection };
}

/**
 * @typedef {{
 *   id: string,
 *   address: string,
 *   rest: string,
 *   metricsPort: number,
 *   grpc: string,
 *   dataDir: string,
 * }} BrokerNode
 * @param {BrokerNode} self
 * @param {readonly BrokerNode[]} nodes
 * @param {StartOptions} options
 */
function startBroker(self, nodes, { dir, node, profileDir, env: settings = {} }) {
  const { id, address, rest, metricsPort, grpc, dataDir } = self;
  const peers = nodes.filter((peer) => peer.id !== id).flatMap((peer) => ["--peer", peer.address]);
  const preload = profileDir === undefined ? [] : ["--import", profiler];
  const args = [...preload, broker, "--broker-addr", address, "--node-id", id, ...peers];
  args.push("--data-dir", dataDir, "--rest-port", new URL(rest).port);
  const env = {
    ...ENV,
    ...settings,
    TQ_MONITORING__PROMETHEUS_PORT: `${metricsPort}`,
    TQ_API__GRPC_PORT: grpc.slice(grpc.indexOf(":") + 1),
    TQ_BENCH_PROFILE: profileFile(profileDir ?? dir, id),
  };
  return new Daemon({ name: id, command: node, args, dir, env });
}

/**
 * Starts the profiles of the brokers that run; what it returns ends them and resolves when they are
 * written. One that was wiped has none: it starts later.
 */
function profileAll(/** @type {readonly Daemon[]} */ daemons, /** @type {string} */ profileDir) {
  rmSync(profileDir, { recursive: true, force: true });
  mkdirSync(profileDir, { recursive: true });
  const profiled = daemons.filter(({ isRunning }) => isRunning);
  for (const { pid } of profiled) process.kill(pid, "SIGUSR2");
  return async () => {
    for (const { pid } of profiled) process.kill(pid, "SIGUSR2");
    const files = profiled.map(({ name }) => profileFile(profileDir, name));
    await until("the profiles are written", () => files.every((file) => existsSync(file)));
  };
}

function profileFile(/** @type {string} */ dir, /** @type {string} */ id) {
  return join(dir, `${id}.cpuprofile`);
}

async function leaderOf(/** @type {readonly BrokerNode[]} */ nodes) {
  for (const node of nodes) {
    const answer = await fetch(`${node.rest}/leader`).catch(() => undefined);
    if (answer?.status === 200) return node;
  }
  return undefined;
}
