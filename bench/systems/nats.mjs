/**
 * NATS JetStream: three nodes, a stream with three replicas in files. NATS acknowledges a message
 * when a majority has written it to the operating system and syncs the disk every two minutes: less
 * than the other clusters here promise, which is in its favour.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AckPolicy, connect, RetentionPolicy, StorageType } from "nats";
import { Daemon } from "../daemon.mjs";
import { freePorts } from "../ports.mjs";
import { findProgram, versionOf } from "../program.mjs";
import { until } from "../until.mjs";

const STREAM = "bench";
const CONSUMER = "workers";
/** NATS' own default; it is raised only for more concurrent handlers than that. */
const ACK_PENDING_MIN = 1_000;
const LIMITS = { limitMs: 120_000 };

export const nats = {
  name: "nats",
  driver: "nats",
  settings: "3 nodes, JetStream R3 in files (Raft, no fsync per write), client at the leader",
  install: "Debian: apt-get install nats-server",
  program: () => findProgram("nats-server"),
  version: () => versionOf(findProgram("nats-server") ?? "nats-server", ["--version"]),
  start,
};

async function start(/** @type {{ dir: string, concurrency: number }} */ { dir, concurrency }) {
  const ports = await freePorts(6);
  const routes = ports.slice(3).map((port) => `nats-route://127.0.0.1:${port}`);
  const nodes = [0, 1, 2].map((i) => ({ name: `bench${i + 1}`, port: ports[i], i }));
  const command = findProgram("nats-server") ?? "nats-server";
  const daemons = nodes.map(({ name, port, i }) => {
    const config = join(dir, `${name}.conf`);
    const cluster = `{ name: bench, listen: "127.0.0.1:${ports[3 + i]}", routes: [${routes}] }`;
    const storage = `{ store_dir: "${join(dir, name)}" }`;
    const lines = [`server_name: ${name}`, `listen: "127.0.0.1:${port}"`];
    lines.push(`jetstream: ${storage}`, `cluster: ${cluster}`);
    writeFileSync(config, `${lines.join("\n")}\n`);
    return new Daemon({ name, command, args: ["-c", config], dir });
  });
  const alive = () => {
    for (const daemon of daemons) daemon.demandRunning();
  };
  const servers = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const created = () => createStream(servers, concurrency, alive);
  await until("JetStream takes a stream", created);
  /** A follower whose log is behind would make the next change of leaders a different experiment. */
  const recovered = () => until("JetStream has three replicas", () => leadersOf(servers), LIMITS);
  const locate = async () => {
    const leaders = await recovered();
    const urlOf = (/** @type {string} */ leader) =>
      `127.0.0.1:${nodes.find(({ name }) => name === leader)?.port}`;
    const [submitUrl, workUrl] = [urlOf(leaders.stream), urlOf(leaders.consumer)];
    const connection = { submitUrl, workUrl, servers, stream: STREAM, consumer: CONSUMER };
    return { leader: leaders.stream, connection };
  };
  await recovered();
  return { daemons, members: daemons, locate, recovered };
}

async function createStream(
  /** @type {readonly string[]} */ servers,
  /** @type {number} */ concurrency,
  /** @type {() => void} */ alive,
) {
  alive();
  const connection = await connect({ servers: [...servers], maxReconnectAttempts: 0 });
  try {
    const manager = await connection.jetstreamManager();
    await manager.streams.add({
      name: STREAM,
      subjects: [STREAM],
      num_replicas: 3,
      storage: StorageType.File,
      retention: RetentionPolicy.Workqueue,
    });
    await manager.consumers.add(STREAM, {
      durable_name: CONSUMER,
      ack_policy: AckPolicy.Explicit,
      max_ack_pending: Math.max(concurrency, ACK_PENDING_MIN),
    });
    return true;
  } finally {
    await connection.close();
  }
}

/** Names of the nodes that lead the stream and its consumer, once there are such. */
async function leadersOf(/** @type {readonly string[]} */ servers) {
  const connection = await connect({ servers: [...servers], maxReconnectAttempts: 0 });
  try {
    const manager = await connection.jetstreamManager();
    const stream = (await manager.streams.info(STREAM)).cluster;
    const consumer = (await manager.consumers.info(STREAM, CONSUMER)).cluster;
    const [first, second] = stream.replicas ?? [];
    const current = first?.current === true && second?.current === true;
    if (!stream.leader || !consumer.leader || !current) return undefined;
    return { stream: stream.leader, consumer: consumer.leader };
  } finally {
    await connection.close();
  }
}
