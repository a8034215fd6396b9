/**
 * RabbitMQ: three nodes on loopback with a name server (epmd) of their own, so that an installed
 * RabbitMQ is not touched. The measured queue is a quorum queue: Raft on three nodes, each of which
 * writes its log to disk before the publisher's confirm is sent.
 */
import { execFile } from "node:child_process";
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import amqplib from "amqplib";
import { Daemon } from "../daemon.mjs";
import { freePorts } from "../ports.mjs";
import { findProgram } from "../program.mjs";
import { until } from "../until.mjs";

/** Debian's wrapper in /usr/sbin changes the user; this is the program behind it. */
const FOLDERS = ["/usr/lib/rabbitmq/bin"];
const START_MS = 180_000;
const QUEUE = "bench";
const run = promisify(execFile);

export const rabbitmq = {
  name: "rabbitmq",
  driver: "rabbitmq",
  settings: "3 nodes, quorum queue (Raft, fsync on a majority), confirms, client at the leader",
  install: "Debian: apt-get install rabbitmq-server",
  program: () => findProgram("epmd") && findProgram("rabbitmq-server", FOLDERS),
  version,
  start,
};

/** From where it is installed: asking it would start Erlang, and a name server that stays behind. */
function version() {
  const program = findProgram("rabbitmq-server", FOLDERS);
  const path = program === undefined ? "" : realpathSync(program);
  return /rabbitmq_server-([\d.]+)/.exec(path)?.[1] ?? "unknown";
}

async function start(/** @type {{ dir: string }} */ { dir }) {
  const [epmdPort = 0, ...ports] = await freePorts(7);
  const names = [1, 2, 3].map((i) => `bench${i}@localhost`);
  const epmd = new Daemon({
    name: "epmd",
    command: findProgram("epmd") ?? "epmd",
    // Not as a daemon of its own: then it would outlive the harness.
    args: ["-port", `${epmdPort}`, "-address", "127.0.0.1"],
    dir,
  });
  const nodes = names.map((name, i) => {
    const [port = 0, distPort = 0] = [ports[i], ports[3 + i]];
    return startNode({ dir, name, names, epmdPort, port, distPort });
  });
  const daemons = [epmd, ...nodes];
  const urls = ports.slice(0, 3).map((port) => `amqp://127.0.0.1:${port}`);
  const limits = { limitMs: START_MS };
  const ask = (/** @type {readonly string[]} */ args) => {
    for (const daemon of daemons) daemon.demandRunning();
    return control(["-q", "-n", names[0] ?? "", ...args], { dir, epmdPort });
  };
  await until("three nodes of RabbitMQ are up", () => ask(["await_online_nodes", "3"]), limits);
  await until("RabbitMQ takes a queue", () => declare(urls[0] ?? ""), limits);
  const recovered = () =>
    until("RabbitMQ's queue has a leader and three replicas", () => leaderOf(ask), limits);
  const locate = async () => {
    const leader = await recovered();
    return { leader, connection: { url: urls[names.indexOf(leader)], urls, queue: QUEUE } };
  };
  await recovered();
  return { daemons, members: nodes, locate, recovered };
}

/**
 * Runs rabbitmqctl; resolves with what it says.
 *
 * @param {readonly string[]} args
 * @param {{ dir: string, epmdPort: number }} place
 */
async function control(args, { dir, epmdPort }) {
  const env = { ...process.env, HOME: dir, ERL_EPMD_PORT: `${epmdPort}` };
  const program = findProgram("rabbitmqctl", FOLDERS) ?? "rabbitmqctl";
  const { stdout } = await run(program, args, { env, cwd: dir, timeout: START_MS });
  return stdout || "done";
}

/**
 * The node that leads the queue, once all three carry it; before, undefined.
 *
 * @param {(args: readonly string[]) => Promise<string>} ask
 */
async function leaderOf(ask) {
  const answer = await ask(["list_queues", "name", "leader", "online", "--formatter", "json"]);
  const queue = JSON.parse(answer).find((/** @type {any} */ { name }) => name === QUEUE);
  return queue?.online.length === 3 ? queue.leader || undefined : undefined;
}

/**
 * @param {{
 *   dir: string,
 *   name: string,
 *   names: readonly string[],
 *   epmdPort: number,
 *   port: number,
 *   distPort: number,
 * }} options
 */
function startNode({ dir, name, names, epmdPort, port, distPort }) {
  const own = join(dir, name);
  mkdirSync(own, { recursive: true });
  const config = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    "cluster_formation.peer_discovery_backend = classic_config",
    ...names.map((peer, i) => `cluster_formation.classic_config.nodes.${i + 1} = ${peer}`),
    "log.file.level = warning",
  ];
  writeFileSync(join(own, "rabbitmq.conf"), `${config.join("\n")}\n`);
  writeFileSync(join(own, "enabled_plugins"), "[].\n");
  const env = {
    // Holds the cookie with which the three know each other.
    HOME: dir,
    ERL_EPMD_PORT: `${epmdPort}`,
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: name,
    RABBITMQ_DIST_PORT: `${distPort}`,
    RABBITMQ_MNESIA_BASE: own,
    RABBITMQ_LOG_BASE: own,
    RABBITMQ_CONFIG_FILE: join(own, "rabbitmq.conf"),
    RABBITMQ_CONF_ENV_FILE: join(own, "no-such-file"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(own, "enabled_plugins"),
    RABBITMQ_PID_FILE: join(own, "pid"),
    // Erlang's schedulers wait by spinning; on a machine that three nodes share that costs them.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+sbwt none +sbwtdcpu none +sbwtdio none",
  };
  const command = findProgram("rabbitmq-server", FOLDERS) ?? "rabbitmq-server";
  return new Daemon({ name, command, args: [], dir, env });
}

async function declare(/** @type {string} */ url) {
  const connection = await amqplib.connect(url);
  connection.on("error", () => {});
  try {
    const channel = await connection.createChannel();
    channel.on("error", () => {});
    const initial = { "x-queue-type": "quorum", "x-quorum-initial-group-size": 3 };
    await channel.assertQueue(QUEUE, { durable: true, arguments: initial });
    return true;
  } finally {
    await connection.close();
  }
}
