/**
 * The damage matrix: every kind of file of a broker's data directory × everything that a disk or an
 * operator can do to it, on one node after the other, under load; then whole directories that were
 * rolled back or copied. At the end a table of what came of each.
 */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { passes } from "../cluster/audit.ts";
import {
  DAMAGES,
  type DamageKind,
  damageOne,
  FILES,
  type FileKind,
  lastMessage,
  startDamaged,
  type Verdict,
} from "../cluster/damage.ts";
import { Node, type TestCluster, waitFor } from "../cluster/processes.ts";
import { Traffic } from "../cluster/traffic.ts";
import { freePort } from "../ports.ts";
import { FEW_ENTRIES } from "./checks.ts";
import { onCluster } from "./stage.ts";

/** Fewer than elsewhere: the matrix takes long, and every task is compared at the end. */
const PER_SECOND = 30;
const BETWEEN = 100;

interface Row {
  readonly what: string;
  readonly verdict: Verdict;
}

export function damage(rounds: number): Promise<boolean> {
  return onCluster(3, async (cluster) => {
    for (const node of cluster.nodes) node.env = FEW_ENTRIES;
    await cluster.start();
    const traffic = await Traffic.begin(cluster, PER_SECOND);
    const rows: Row[] = [];
    const add = (what: string, verdict: Verdict): void => {
      rows.push({ what, verdict });
      console.log(`${what}: ${verdict.kind}; ${verdict.text}`);
    };
    let turn = 0;
    const next = (): Node => cluster.nodes[turn++ % cluster.nodes.length] as Node;
    for (let round = 0; round < rounds; round++) {
      for (const file of Object.keys(FILES) as FileKind[]) {
        for (const kind of Object.keys(DAMAGES) as DamageKind[]) {
          const node = next();
          add(`${file}, ${kind}`, await damageOne(cluster, traffic, node, file, kind));
        }
      }
      add("directory rolled back", await rolledBack(cluster, traffic, next()));
      add("directory copied", await copied(cluster, traffic, next()));
    }
    printTable(rows);
    const allowed = rows.every(({ verdict }) => verdict.kind !== "NOT ALLOWED");
    return (await passes(cluster, traffic)) && allowed;
  });
}

/** An operator brings back this morning's copy. */
async function rolledBack(cluster: TestCluster, traffic: Traffic, node: Node): Promise<Verdict> {
  const copy = join(cluster.dir, "copy");
  await node.kill("SIGKILL");
  cpSync(node.dataDir, copy, { recursive: true });
  node.start();
  await cluster.allReady();
  await traffic.flow(BETWEEN);
  await node.kill("SIGKILL");
  rmSync(node.dataDir, { recursive: true });
  cpSync(copy, node.dataDir, { recursive: true });
  rmSync(copy, { recursive: true });
  return await startDamaged(cluster, traffic, node);
}

/** An operator starts a second broker on a copy, elsewhere, while the first one runs. */
async function copied(cluster: TestCluster, traffic: Traffic, node: Node): Promise<Verdict> {
  await node.kill("SIGKILL");
  const twin = new Node({
    id: node.id,
    port: await freePort(),
    restPort: await freePort(),
    metricsPort: await freePort(),
    dir: join(cluster.dir, "twin"),
    args: cluster.servers.flatMap((peer) => ["--peer", peer]),
    env: FEW_ENTRIES,
  });
  cpSync(node.dataDir, twin.dataDir, { recursive: true });
  node.start();
  await cluster.allReady();
  twin.start();
  try {
    await traffic.flow(BETWEEN);
    // It may have said no at once, or keep trying; what counts is what the first one does.
    const served = await Promise.race([
      twin.exited().then(() => false),
      traffic.flow(BETWEEN).then(() => twin.isReady()),
    ]);
    const said = lastMessage(twin.log());
    if (served) return { kind: "NOT ALLOWED", text: `the copy serves: ${said}` };
    if (!node.isRunning) return { kind: "NOT ALLOWED", text: `the original ended: ${node.log()}` };
    await waitFor("the original in service", () => node.isReady());
    return { kind: "stayed down", text: `the original goes on; the copy: ${said}` };
  } finally {
    if (twin.isRunning) await twin.kill("SIGKILL");
  }
}

/** Damage by file: how each ended, in a word. */
function printTable(rows: readonly Row[]): void {
  const widest = Math.max(...rows.map(({ what }) => what.length));
  for (const { what, verdict } of rows) {
    console.log(`${what.padEnd(widest)}  ${verdict.kind}: ${verdict.text}`);
  }
  const counts = new Map<string, number>();
  for (const { verdict } of rows) {
    counts.set(verdict.kind, (counts.get(verdict.kind) ?? 0) + 1);
  }
  console.log([...counts].map(([kind, count]) => `${count} ${kind}`).join(", "));
}
