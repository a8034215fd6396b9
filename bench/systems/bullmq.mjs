/**
 * BullMQ on one Redis that appends every write to its file and syncs it before it answers: the only
 * setting of Redis under which an acknowledged job survives a power cut.
 */
import { Redis } from "ioredis";
import { Daemon } from "../daemon.mjs";
import { freePorts } from "../ports.mjs";
import { findProgram, versionOf } from "../program.mjs";
import { until } from "../until.mjs";

export const bullmq = {
  name: "bullmq",
  driver: "bullmq",
  settings: "1 Redis, appendonly yes, appendfsync always",
  install: "Debian: apt-get install redis-server",
  program: () => findProgram("redis-server"),
  version: () => versionOf(findProgram("redis-server") ?? "redis-server", ["--version"]),
  start,
};

async function start(/** @type {{ dir: string }} */ { dir }) {
  const [port = 0] = await freePorts(1);
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir, "--save", ""];
  args.push("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction");
  const command = findProgram("redis-server") ?? "redis-server";
  const daemon = new Daemon({ name: "redis", command, args, dir });
  await until("Redis answers", () => ping(port, daemon));
  const connection = { host: "127.0.0.1", port };
  return { daemons: [daemon], locate: async () => ({ leader: daemon.name, connection }) };
}

async function ping(/** @type {number} */ port, /** @type {Daemon} */ daemon) {
  daemon.demandRunning();
  const redis = new Redis({ port, host: "127.0.0.1", lazyConnect: true, retryStrategy: null });
  redis.on("error", () => {});
  try {
    await redis.connect();
    return (await redis.ping()) === "PONG";
  } finally {
    redis.disconnect();
  }
}
