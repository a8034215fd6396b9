/**
 * Scheduled backups of three brokers that each have a directory of their own: one of them makes it,
 * and another one does where that one cannot, has none, or is gone.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { admin } from "./admin.ts";
import { type Node, TestCluster, waitFor } from "./processes.ts";

const LAST = "tq_backup_last_success_timestamp_seconds";
/** Long enough that a busy machine keeps nobody from its turn, which is a tenth of it. */
const INTERVAL = "200s";

let cluster: TestCluster;

afterEach(async () => {
  await cluster?.close();
});

function directoryOf(node: Node): string {
  return join(cluster.dir, "backups", node.id);
}

/** `directory` undefined: it has none. */
function schedule(node: Node, directory: string | undefined): void {
  if (directory === undefined) return;
  node.env = { TQ_BACKUP__DIRECTORY: directory, TQ_BACKUP__INTERVAL: INTERVAL };
}

function backupsOf(node: Node): string[] {
  try {
    return readdirSync(directoryOf(node)).filter((name) => name.endsWith(".backup"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function makers(): Node[] {
  return cluster.nodes.filter((node) => backupsOf(node).length > 0);
}

test("one broker makes it, and when that one is gone another does", async () => {
  cluster = await TestCluster.create(3);
  for (const node of cluster.nodes) schedule(node, directoryOf(node));
  await cluster.start();
  const [maker] = await waitFor("a backup", () => makers().length > 0 && makers());
  // Every broker has looked, and knows of it, so that none makes a second one.
  await waitFor("all to know of it", async () => {
    const seen = await Promise.all(cluster.nodes.map((node) => node.metric(LAST)));
    return seen.every((at) => at > 0);
  });
  expect(makers()).toEqual([maker]);
  expect(backupsOf(maker!)).toHaveLength(1);

  await maker!.kill("SIGKILL");
  const killedAt = Date.now() / 1000;
  const after = () => makers().filter((node) => node !== maker);
  const [successor] = await waitFor("another backup", () => after().length > 0 && after());
  const running = cluster.nodes.filter((node) => node !== maker);
  await waitFor("the other one to know of it", async () => {
    const seen = await Promise.all(running.map((node) => node.metric(LAST)));
    return seen.every((at) => at > killedAt);
  });
  expect(after()).toEqual([successor]);
}, 300_000);

test("a broker without a directory and one that cannot write leave it to the third", async () => {
  cluster = await TestCluster.create(3);
  const [, second, third] = cluster.nodes as [Node, Node, Node];
  const inTheWay = join(cluster.dir, "file");
  writeFileSync(inTheWay, "");
  schedule(second, join(inTheWay, "backups"));
  schedule(third, directoryOf(third));
  await cluster.start();
  const [name = ""] = await waitFor("a backup", () => {
    return backupsOf(third).length > 0 && backupsOf(third);
  });
  await admin(cluster, "snapshot", "verify", join(directoryOf(third), name));
  expect(await third.metric(LAST)).toBeGreaterThan(0);
  await expect(cluster.nodes[0]?.metric(LAST)).rejects.toThrow("has no metric");
}, 300_000);
