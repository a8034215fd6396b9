/**
 * One attack after the other on the leader of a cluster, each from an address of its own, while an
 * application writes: how much memory it costs the broker, and how much time the application.
 * First on doors of plain text, then half-open handshakes on a cluster with TLS.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Authority } from "../certificates.ts";
import type { Front, Node, TestCluster } from "../cluster/processes.ts";
import { freePort } from "../ports.ts";
import { nothingLost, sameTerm, termOf } from "./checks.ts";
import { type Attack, HANDSHAKES, PLAIN } from "./hostile.ts";
import { describeMemory } from "./memory.ts";
import { type Phase, watch } from "./phase.ts";
import { onCluster } from "./stage.ts";
import { type Writer, writeSteadily } from "./writer.ts";

const WRITES_PER_SECOND = 100;
const WARM_UP_MS = 3_000;
const RECOVER_MS = 2_000;
const GRPC_PORT = "TQ_API__GRPC_PORT";
/** As many times as before is what an attack may cost. */
const GOAL = 2;

export async function attacks(seconds: number): Promise<boolean> {
  const plain = await onCluster(3, async (cluster) => {
    for (const node of cluster.nodes) node.env = { [GRPC_PORT]: `${await freePort()}` };
    return await besides(cluster, PLAIN, seconds);
  });
  const dir = mkdtempSync(join(tmpdir(), "tq-attacks-"));
  try {
    return (await onCluster(3, (cluster) => withTls(cluster, dir, seconds))) && plain;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function withTls(cluster: TestCluster, dir: string, seconds: number): Promise<boolean> {
  const authority = new Authority(dir, "doors");
  const pair = authority.issue("task-queue");
  const tls = { ca: authority.caPem, servername: "task-queue" };
  for (const node of cluster.nodes) {
    node.tls = tls;
    node.env = {
      [GRPC_PORT]: `${await freePort()}`,
      TQ_API__ENABLE_TLS: "true",
      TQ_API__TLS_CERT_PATH: pair.cert,
      TQ_API__TLS_KEY_PATH: pair.key,
      TQ_MONITORING__ENABLE_TLS: "true",
    };
  }
  return await besides(cluster, HANDSHAKES, seconds, { tls });
}

async function besides(
  cluster: TestCluster,
  list: readonly Attack[],
  seconds: number,
  access: Front["access"] = {},
): Promise<boolean> {
  await cluster.start();
  const leader = await cluster.leader();
  const term = await termOf(cluster);
  const writer = writeSteadily(cluster.servers, WRITES_PER_SECOND, access);
  await sleep(WARM_UP_MS);
  console.log(describeMemory("at first", [leader]));
  for (const attack of list) await one(attack, leader, writer, seconds * 1000);
  console.log(describeMemory("in the end", [leader]));
  await writer.stop();
  console.log(`failed writes: ${writer.failures.length}`);
  const noElection = await sameTerm(cluster, term);
  const isWhole = await nothingLost(cluster, writer, access);
  return noElection && isWhole && writer.failures.length === 0;
}

async function one(attack: Attack, leader: Node, writer: Writer, ms: number): Promise<void> {
  const before = await watch(writer, [leader], ms);
  const script = fileURLToPath(new URL("attacker.js", import.meta.url));
  const doors = [leader.port, leader.restPort, Number(leader.env[GRPC_PORT])];
  // A process of its own: it must not hold up the application, whose times are taken in this one.
  const attacker = spawn(process.execPath, [script, attack.name, ...doors.map(String)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const meanwhile = await watch(writer, [leader], ms);
  attacker.stdin.end();
  const made = (await text(attacker.stdout)).trim();
  await sleep(RECOVER_MS);
  console.log(`${attack.name} (${made} connections): ${compare(before, meanwhile)}`);
}

function compare(before: Phase, meanwhile: Phase): string {
  const [memory, peak] = [before.peakMiB[0]!, meanwhile.peakMiB[0]!];
  const told = (what: string, unit: string, from: number, to: number): string => {
    const times = `${(to / from).toFixed(1)} ×${to > GOAL * from ? ", BEYOND THE GOAL" : ""}`;
    return `${what} ${from.toFixed(1)} to ${to.toFixed(1)} ${unit} (${times})`;
  };
  const slow = told("p99", "ms", before.p99, meanwhile.p99);
  return `${told("memory", "MiB", memory, peak)}, ${slow}`;
}
