/**
 * A cluster is lost, and another one is begun from its backup: everything that was acknowledged
 * before the backup is there, and nothing of the old cluster takes part in the new one. Then the
 * backup script of the operator's guide, and copies of a data directory made with tar.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "task-queue-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RawPeer } from "../../packages/broker/test/workers/raw-peer.ts";
import { type Asked, admin, tryAdmin } from "./admin.ts";
import { submitSteadily } from "./history.ts";
import { type Node, ROOT, TestCluster, waitFor } from "./processes.ts";

const PER_SECOND = 150;
const SECRET = new Uint8Array(16).fill(7);

let cluster: TestCluster;

beforeEach(async (context) => {
  cluster = await TestCluster.create(context.task.name.includes("cluster") ? 3 : 1);
  await cluster.start();
}, 120_000);

afterEach(async () => {
  await cluster?.close();
});

interface Header {
  readonly cluster_id: string;
  readonly index: number;
  readonly tasks: Readonly<Record<string, number>>;
}

/** A worker of the old cluster, which runs one task and never ends it. */
async function holdOne(node: Node): Promise<{ id: Uint8Array; token: number }> {
  const worker = await RawPeer.greet(node.port, "worker");
  worker.send(2, registration([]));
  await worker.take("registered");
  const [task] = (await worker.take("deliver")).tasks;
  return task as { id: Uint8Array; token: number };
}

function registration(held: readonly number[]) {
  const whom = { session: "old-worker", secret: SECRET, name: "old", queues: [], labels: [] };
  const takes = { types: ["hold"], concurrency: 1, window: 1, held };
  return { kind: "register", ...whom, ...takes } as const;
}

function only(node: Node): Asked {
  return { dir: cluster.dir, running: [node] };
}

/** The same node with nothing on its disk. */
function emptied(node: Node, args: readonly string[] = []): Node {
  node.dataDir = `${node.dataDir}-new`;
  node.args = [...node.args, ...args];
  node.env = { TQ_RAFT__ENABLED: "true" };
  return node;
}

describe("a backup", () => {
  test("taken from a cluster under load is the beginning of another", async () => {
    const [first, second, third] = cluster.nodes as [Node, Node, Node];
    const client = connect({ servers: cluster.servers });
    const { id: heldId } = await client.submit("hold", null);
    const held = await holdOne(await cluster.leader());
    const history = submitSteadily(cluster.servers, PER_SECOND);
    await waitFor("some work", () => history.acknowledged.size > 300);
    const acknowledged = [...history.acknowledged, heldId];

    const file = join(cluster.dir, "snapshot");
    const key = join(cluster.dir, "key");
    writeFileSync(key, "5a".repeat(32));
    const leader = await cluster.leader();
    const follower = cluster.nodes.find((node) => node !== leader) as Node;
    await admin(only(follower), "create-snapshot", file);
    const verified = JSON.parse(await admin(cluster, "snapshot", "verify", file)) as Header;
    const sealed = join(cluster.dir, "sealed");
    await admin(cluster, "create-snapshot", sealed, "--key-file", key);
    await admin(cluster, "snapshot", "verify", sealed, "--key-file", key);
    await history.stop();
    await client.close();
    for (const node of cluster.nodes) await node.kill("SIGKILL");

    const oldData = third.dataDir;
    emptied(first, ["--restore", file]).start();
    await waitFor("the new cluster", () => first.isReady());
    const tasks = await waitFor("the end of the old cluster's workers", async () => {
      const stats = await first.stats();
      return stats.tasks["running"] === 0 && stats.tasks;
    });
    const { running = 0, pending = 0 } = verified.tasks;
    expect([running, pending]).toEqual([1, expect.any(Number)]);
    expect(tasks).toMatchObject({ ...verified.tasks, running: 0, pending: pending + 1 });
    const restored = connect({ servers: first.address });
    const found = new Set<string>();
    for await (const task of restored.list({})) found.add(task.id);
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([]);
    const { cluster_id: own } = await restored.cluster();
    expect(own).not.toBe(verified.cluster_id);

    // A node of the old cluster comes back with its data, and stays alone.
    third.start();
    await waitFor("a refusal", () => third.log().includes(own));
    const strangers = (await restored.cluster()).members.map(({ id }) => id);
    expect(strangers).toEqual([first.id]);
    await third.kill("SIGKILL");
    expect(third.dataDir).toBe(oldData);

    // So does its worker: what it holds is not its own any more, and is given under a new token.
    const worker = await RawPeer.greet(first.port, "worker");
    worker.send(2, registration([held.token]));
    await worker.take("registered");
    const [again] = (await worker.take("deliver")).tasks;
    expect(Buffer.from(again!.id)).toEqual(Buffer.from(held.id));
    expect(again!.token).toBeGreaterThan(2 ** 44);
    const result = { result: new Uint8Array(0), resultType: "json" } as const;
    worker.send(3, { kind: "complete", items: [{ ...result, id: held.id, token: held.token }] });
    const [old] = (await worker.take("reported")).results;
    expect(old).toMatchObject({ ok: false, code: "stale_token" });
    worker.send(4, {
      kind: "complete",
      items: [{ ...result, id: again!.id, token: again!.token }],
    });
    expect((await worker.take("reported")).results[0]).toMatchObject({ ok: true });
    worker.socket.destroy();

    // The others join empty, and the one that was restored may start with the same flag again.
    for (const node of [second, third]) {
      emptied(node).start();
      const peer = `${node.id}@${node.address}`;
      await admin(only(first), "members", "add", peer, "--promote");
    }
    await first.kill("SIGKILL");
    first.start();
    await cluster.allReady();
    const [one, ...rest] = await cluster.converged();
    for (const stats of rest) expect(stats.raft.effect_hash).toBe(one!.raft.effect_hash);
    expect(one!.tasks).toMatchObject({ completed: 1, pending });
    await restored.close();
  }, 300_000);
});

const SCRIPT = `#!/bin/bash
# backup.sh

DATE=$(date +%Y%m%d)
BACKUP_DIR=/backups/task-queue
DATA_DIR=/var/lib/task-queue

mkdir -p $BACKUP_DIR

# Create RocksDB checkpoint
tq-admin --broker-addr localhost:6379 create-snapshot $BACKUP_DIR/snapshot-$DATE

# Compress
tar -czf $BACKUP_DIR/backup-$DATE.tar.gz -C $DATA_DIR .

# Keep last 7 days
find $BACKUP_DIR -name "backup-*.tar.gz" -mtime +7 -delete
`;

async function submit(node: Node, count: number): Promise<string[]> {
  const client = connect({ servers: node.address });
  const items = Array.from({ length: count }, (_, n) => ({ type: "work", payload: { n } }));
  const made = await client.submitMany(items, { atomic: true });
  await client.close();
  return made.map(({ id }) => id);
}

async function idsOf(node: Node): Promise<string[]> {
  const client = connect({ servers: node.address });
  const ids: string[] = [];
  for await (const { id } of client.list({})) ids.push(id);
  await client.close();
  return ids.sort();
}

describe("the guide's", () => {
  test("backup script makes a snapshot that can be restored, while the broker runs", async () => {
    const [node] = cluster.nodes as [Node];
    const ids = await submit(node, 100);
    const backups = join(cluster.dir, "backups");
    const script = SCRIPT.replace("/backups/task-queue", backups)
      .replace("/var/lib/task-queue", node.dataDir)
      .replace("localhost:6379", node.address);
    const path = join(cluster.dir, "backup.sh");
    writeFileSync(path, script);
    const bin = join(ROOT, "node_modules/.bin");
    execFileSync("bash", [path], {
      env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` },
    });
    const made = readdirSync(backups).sort();
    expect(made.map((name) => name.replace(/\d{8}/, "DATE"))).toEqual([
      "backup-DATE.tar.gz",
      "snapshot-DATE",
    ]);
    const snapshot = join(backups, made[1] as string);
    const again = await tryAdmin(cluster, "create-snapshot", snapshot);
    expect(again.output).toContain("is there already; --force replaces it");
    await node.kill("SIGKILL");
    node.dataDir = join(cluster.dir, "restored");
    node.args = ["--restore", snapshot];
    node.start();
    await cluster.allReady();
    expect(await idsOf(node)).toEqual(ids.sort());
  }, 120_000);

  test("tar of a data directory is good after a stop, and refused when it is torn", async () => {
    const [node] = cluster.nodes as [Node];
    const { dataDir } = node;
    const ids = await submit(node, 100);
    expect(await node.kill("SIGTERM")).toBe(0);
    const tar = join(cluster.dir, "backup.tar.gz");
    execFileSync("tar", ["-czf", tar, "-C", dataDir, "."]);
    const oldLog = join(cluster.dir, "old-log");
    cpSync(join(dataDir, "log"), oldLog, { recursive: true });

    node.start();
    await cluster.allReady();
    await submit(node, 100);
    // Once that is in a snapshot, the state on disk has it.
    await admin(cluster, "create-snapshot", join(cluster.dir, "snapshot"));
    expect(await node.kill("SIGTERM")).toBe(0);
    renameSync(dataDir, `${dataDir}-lost`);
    mkdirSync(dataDir);
    execFileSync("tar", ["-xzf", tar, "-C", dataDir]);
    node.start();
    await cluster.allReady();
    expect(await idsOf(node)).toEqual(ids.sort());
    expect(node.log()).toContain("is a copy");
    expect(await node.kill("SIGTERM")).toBe(0);

    // What was read at different times does not go together: the log is older than the state.
    const torn = `${dataDir}-lost`;
    rmSync(join(torn, "log"), { recursive: true });
    cpSync(oldLog, join(torn, "log"), { recursive: true });
    node.dataDir = torn;
    node.start();
    expect(await node.exited()).toBe(65);
    expect(node.log()).toContain("restore a backup into an empty one");
  }, 120_000);
});
