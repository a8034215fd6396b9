/**
 * What `npm start` shows: a cluster of three brokers on loopback that indexes the files of a folder,
 * one task for each, and posts webhooks to a receiver that refuses some of them at first. Data
 * stays in ./data, and a second start goes on where the first one ended.
 */
import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect } from "task-queue-client";
import { Cluster } from "./cluster.mjs";
import { listFiles } from "./files.mjs";
import { choosePorts, demandFree, ignoredSettings } from "./ports.mjs";
import { startReceiver } from "./receiver.mjs";

const READY_MS = 60_000;
const POLL_MS = 200;
const RESCAN_MS = 10_000;
const WEBHOOK_MS = 1_000;
const BATCH = 200;
const tty = process.stdout.isTTY;

const USAGE = `usage: npm start [-- FOLDER]

Runs three brokers and a worker on this machine, which index the files of FOLDER (default: here).
TQ_DATA_DIR (default ./data), TQ_WORKER_PORT (6379), TQ_REST_PORT (8080), TQ_GRPC_PORT (9090) and
TQ_METRICS_PORT (9091) move data and ports.`;

export async function main(args) {
  const root = folderOrExit(args);
  const ports = await portsOrExit();
  const dataDir = resolve(process.env.TQ_DATA_DIR ?? "data");
  const cluster = new Cluster({ ports, dataDir, onEvent: say });
  const demo = { cluster, ports, root, dataDir, submitted: 0, stopped: new AbortController() };
  stopOnSignal(demo);
  const ignored = ignoredSettings();
  if (ignored.length > 0) say(`not read here, and not passed on: ${ignored.join(", ")}`);
  cluster.startBrokers();
  say(`starting three brokers, data in ${dataDir}`);
  await until(() => anyReady(ports), "the brokers did not become ready", demo);
  demo.receiver = await startReceiver();
  const handlers = resolve(dirname(fileURLToPath(import.meta.url)), "handlers.mjs");
  cluster.startWorker(handlers);
  demo.client = connect({ servers: cluster.servers, name: "demo" });
  introduce(demo);
  await Promise.all([indexForEver(demo), postForEver(demo), progressForEver(demo)]);
}

function folderOrExit([folder = ".", ...rest]) {
  const root = resolve(folder);
  if (!folder.startsWith("-") && rest.length === 0) {
    if (statSync(root, { throwIfNoEntry: false })?.isDirectory()) return root;
    console.error(`npm start: ${root} is not a folder`);
    process.exit(66);
  }
  const isHelp = folder === "--help" || folder === "-h";
  console[isHelp ? "log" : "error"](USAGE);
  process.exit(isHelp ? 0 : 64);
}

async function portsOrExit() {
  try {
    const ports = choosePorts();
    await demandFree(ports);
    return ports;
  } catch (error) {
    console.error(error.message);
    process.exit(69);
  }
}

function introduce({ cluster, ports, root, dataDir }) {
  const pids = [1, 2, 3].map((n) => `node${n} (pid ${cluster.pid(`node${n}`)})`).join(", ");
  const [rest] = ports.rest;
  say(`
  tq is running: ${pids}

    REST      http://127.0.0.1:${ports.rest.join("  http://127.0.0.1:")}
    gRPC      ${ports.grpc.map((port) => `127.0.0.1:${port}`).join(", ")}
    workers   ${cluster.servers.join(", ")}
    metrics   http://127.0.0.1:${ports.metrics.join("/metrics  http://127.0.0.1:")}/metrics
    logs      ${dataDir}/logs/

  It indexes ${root}, one task for each file, and posts a webhook every second.

  Try this in another terminal:
    curl -s http://127.0.0.1:${rest}/cluster
    curl -s 'http://127.0.0.1:${rest}/tasks?status=completed&limit=3'
    curl -s http://127.0.0.1:${rest}/tasks -H 'content-type: application/json' \\
      -d '{"type":"file.index","payload":{"path":"${root}/README.md"}}'
    npx tq-admin members list
    npx tq-admin transfer-leadership
    kill -9 ${cluster.pid("node1")}        # node1, at any moment: nothing is lost, it comes back

  Ctrl-C stops everything cleanly; the next npm start goes on from here.
`);
}

/** Submits a task for each file that is new or changed, then looks again now and then. */
async function indexForEver(demo) {
  const known = new Map();
  while (!demo.stopped.signal.aborted) {
    const files = await listFiles(demo.root);
    const fresh = files.filter(({ path, version }) => known.get(path) !== version);
    for (let from = 0; from < fresh.length && !demo.stopped.signal.aborted; from += BATCH) {
      const batch = fresh.slice(from, from + BATCH);
      const items = batch.map(({ path, version }) => ({
        type: "file.index",
        payload: { path },
        // The same file in the same version is the same task, also after a restart.
        options: { queue: "files", idempotencyKey: `${path}@${version}`.slice(-255) },
      }));
      const outcomes = await demo.client.submitMany(items);
      outcomes.forEach((outcome, i) => {
        if (outcome instanceof Error) return;
        known.set(batch[i].path, batch[i].version);
        if (!outcome.duplicate) demo.submitted++;
      });
    }
    await pause(RESCAN_MS, demo);
  }
}

async function postForEver(demo) {
  for (let n = 1; !demo.stopped.signal.aborted; n++) {
    const body = { event: "order.created", n };
    const payload = { url: demo.receiver.url, method: "POST", body };
    const options = { queue: "webhooks", retry: { initialDelayMs: 2_000 } };
    await demo.client.submit("http", payload, options).catch(() => {});
    await pause(WEBHOOK_MS, demo);
  }
}

/** One line that is rewritten on a terminal, and a line every ten seconds elsewhere. */
async function progressForEver(demo) {
  while (!demo.stopped.signal.aborted) {
    const line = await progress(demo).catch(() => "waiting for a leader …");
    if (tty) process.stdout.write(`\r\x1b[K  ${line}`);
    else console.log(line);
    await pause(tty ? 1_000 : 10_000, demo);
  }
}

async function progress({ client, receiver, submitted }) {
  const [stats, cluster] = await Promise.all([client.stats(), client.cluster()]);
  const { tasks } = stats;
  const { delivered, refused } = receiver.seen;
  return [
    `leader ${cluster.leader_id ?? "none"}`,
    `${submitted} files submitted`,
    `${tasks.completed ?? 0} completed`,
    `${(tasks.pending ?? 0) + (tasks.running ?? 0)} waiting`,
    `webhooks ${delivered} delivered, ${refused} refused at first, ${tasks.retrying ?? 0} to retry`,
  ].join(" · ");
}

async function anyReady({ rest }) {
  for (const port of rest) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (answer?.status !== 200) return false;
  }
  return true;
}

async function until(condition, complaint, demo) {
  for (let waited = 0; waited < READY_MS; waited += POLL_MS) {
    if (await condition()) return;
    await sleep(POLL_MS);
  }
  console.error(`${complaint}; see ${demo.dataDir}/logs/`);
  await demo.cluster.stop();
  process.exit(70);
}

/** Ends early when the demo stops. */
async function pause(ms, { stopped }) {
  await sleep(ms, undefined, { signal: stopped.signal }).catch(() => {});
}

function stopOnSignal(demo) {
  const stop = async () => {
    if (demo.stopped.signal.aborted) process.exit(130);
    say("stopping; Ctrl-C again leaves at once");
    demo.stopped.abort();
    await demo.client?.close();
    await demo.cluster.stop();
    demo.receiver?.close();
    say("stopped cleanly; the data is kept");
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
  // Whoever read our output is gone: the brokers must not stay behind.
  process.stdout.on("error", () => demo.stopped.signal.aborted || stop());
}

function say(text) {
  if (tty) process.stdout.write("\r\x1b[K");
  console.log(text);
}
