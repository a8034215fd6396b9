/**
 * What a disk or an operator can do to one file of a stopped broker, and what may come of it: the
 * broker takes no notice, or heals itself from its peers, or stays down and says what to do, which
 * is then done. Anything else is a failure, and the audit at the end of the test sees the rest.
 */
import { randomInt } from "node:crypto";
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { admin } from "./admin.ts";
import { lackedBy } from "./audit.ts";
import type { Submission } from "./ledger.ts";
import { type Node, type TestCluster, waitFor } from "./processes.ts";
import type { Traffic } from "./traffic.ts";

const DAMAGED_DATA = 65;
/** What the last line of a broker that stays down must tell its operator to do. */
const WAY_OUT = /tq-admin members replace/;
/** Acknowledged submits between the older copy of a file and the end of the node. */
const BETWEEN = 60;

/** Each finds its file in a data directory; undefined when there is none of that kind. */
export const FILES = {
  "log/*.log": (dir) => largest(join(dir, "log"), /\.log$/),
  "log/*.ldb": (dir) => largest(join(dir, "log"), /\.ldb$/),
  "log/MANIFEST": (dir) => largest(join(dir, "log"), /^MANIFEST/),
  "log/CURRENT": (dir) => join(dir, "log/CURRENT"),
  "state/*.log": (dir) => largest(stateOf(dir), /\.log$/),
  "state/*.ldb": (dir) => largest(stateOf(dir), /\.ldb$/),
  "state/MANIFEST": (dir) => largest(stateOf(dir), /^MANIFEST/),
  "state/CURRENT": (dir) => join(stateOf(dir), "CURRENT"),
  "state.pointer": (dir) => join(dir, "state.pointer"),
  identity: (dir) => join(dir, "identity"),
  format: (dir) => join(dir, "format"),
} as const satisfies Record<string, (dir: string) => string | undefined>;

export type FileKind = keyof typeof FILES;

/** Each damages a file; the answer says where, or that there was nothing to damage. */
export const DAMAGES = {
  "one bit flipped": (path) => {
    const { size } = statSync(path);
    if (size === 0) return undefined;
    const at = randomInt(beforeLastPage(size));
    const bit = randomInt(8);
    const byte = (readFileSync(path)[at] as number) ^ (1 << bit);
    overwrite(path, Buffer.from([byte]), at);
    return `bit ${bit} of byte ${at} of ${size}`;
  },
  "a page zeroed": (path) => {
    const { size } = statSync(path);
    if (size === 0) return undefined;
    return zeroPage(path, PAGE_BYTES * randomInt(Math.ceil(beforeLastPage(size) / PAGE_BYTES)));
  },
  "the last page zeroed": (path) => {
    const { size } = statSync(path);
    return size === 0 ? undefined : zeroPage(path, size - lastPage(size));
  },
  "torn by 10 bytes": (path) => cut(path, Math.max(0, statSync(path).size - 10)),
  "cut to half": (path) => cut(path, Math.floor(statSync(path).size / 2)),
  deleted: (path) => {
    rmSync(path);
    return "gone";
  },
  emptied: (path) => cut(path, 0),
  "an older copy": (path, older) => {
    if (!existsSync(older) || readFileSync(older).equals(readFileSync(path))) return undefined;
    const sizes = `${statSync(older).size} bytes in place of ${statSync(path).size}`;
    cpSync(older, path);
    return sizes;
  },
} as const satisfies Record<string, (path: string, older: string) => string | undefined>;

export type DamageKind = keyof typeof DAMAGES;

const PAGE_BYTES = 4096;

function zeroPage(path: string, at: number): string {
  const { size } = statSync(path);
  overwrite(path, Buffer.alloc(Math.min(PAGE_BYTES, size - at)), at);
  return `from byte ${at} of ${size}`;
}

/** Bytes of a file that may be shorter than a page. */
function lastPage(size: number): number {
  return size % PAGE_BYTES || PAGE_BYTES;
}

/** Bytes whose damage is one: a killed node itself may leave any last page half written. */
function beforeLastPage(size: number): number {
  return size > PAGE_BYTES ? size - lastPage(size) : size;
}

function overwrite(path: string, bytes: Uint8Array, at: number): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

function cut(path: string, size: number): string | undefined {
  const before = statSync(path).size;
  if (before === size) return undefined;
  truncateSync(path, size);
  return `${size} of ${before} bytes left`;
}

function largest(dir: string, name: RegExp): string | undefined {
  const paths = readdirSync(dir)
    .filter((each) => name.test(each))
    .map((each) => join(dir, each));
  return paths.sort((a, b) => statSync(b).size - statSync(a).size)[0];
}

function stateOf(dir: string): string {
  const numbers = readdirSync(dir).flatMap((name) => /^state-(\d+)$/.exec(name)?.[1] ?? []);
  return join(dir, `state-${Math.max(...numbers.map(Number))}`);
}

export interface Verdict {
  readonly kind: "nothing to damage" | "harmless" | "recovered" | "stayed down" | "NOT ALLOWED";
  /** Where the damage was, how long the recovery took, the words of a node that stayed down. */
  readonly text: string;
}

/** Damages one file of one node of a healthy cluster, and leaves the cluster healthy. */
export async function damageOne(
  cluster: TestCluster,
  traffic: Traffic,
  node: Node,
  file: FileKind,
  damage: DamageKind,
): Promise<Verdict> {
  const older = join(cluster.dir, "older");
  const early = FILES[file](node.dataDir);
  rmSync(older, { force: true });
  if (early !== undefined) cpSync(early, older);
  if (early === undefined || damage === "an older copy") {
    // A start turns logs into tables and begins new files under new names.
    await node.kill("SIGKILL");
    node.start();
    await inService(cluster, node);
  }
  await traffic.flow(BETWEEN);
  await node.kill("SIGKILL");
  const path = FILES[file](node.dataDir);
  const where = path === undefined ? undefined : DAMAGES[damage](path, older);
  const verdict = await startDamaged(cluster, traffic, node);
  if (where === undefined && verdict.kind === "harmless") {
    return { kind: "nothing to damage", text: "" };
  }
  return { kind: verdict.kind, text: `${where ?? "untouched"}; ${verdict.text}` };
}

/** Starts a node whose directory is not what it left, and sees to it that it comes back. */
export async function startDamaged(
  cluster: TestCluster,
  traffic: Traffic,
  node: Node,
): Promise<Verdict> {
  const before = asideIn(node.dataDir);
  const logged = node.log().length;
  const { ledger } = traffic;
  const notes = ledger.notes.length;
  const known = [...ledger.acknowledged];
  const from = performance.now();
  node.start();
  const ended = await Promise.race([node.exited(), inService(cluster, node)]);
  const seconds = `${((performance.now() - from) / 1000).toFixed(1)} s`;
  const aside = asideIn(node.dataDir).filter((name) => !before.includes(name));
  let wrong: string | undefined;
  if (ended === IN_SERVICE) {
    wrong = await wrongWith(node, traffic, known);
  } else if (ended !== DAMAGED_DATA || !WAY_OUT.test(lastMessage(node.log()))) {
    wrong = `it ended with ${ended}`;
  }
  const said = lastMessage(node.log().slice(logged));
  for (const name of aside) rmSync(join(node.dataDir, name), { recursive: true, force: true });
  // The cluster must be whole for the damage that follows, whatever came of this one.
  if (!node.isRunning || wrong !== undefined) await replace(cluster, node);
  const bystander = cluster.nodes.find((each) => !each.isRunning);
  if (bystander !== undefined) wrong = `${bystander.id} ended as well: ${bystander.log()}`;
  if (ledger.notes.length > notes) wrong = ledger.notes[notes];
  if (wrong !== undefined) return { kind: "NOT ALLOWED", text: `${wrong}; it said: ${said}` };
  if (ended !== IN_SERVICE) return { kind: "stayed down", text: said };
  if (aside.length === 0) return { kind: "harmless", text: `in service after ${seconds}` };
  return { kind: "recovered", text: `in service after ${seconds}, ${aside.join(", ")}` };
}

/** Why a node that came back should not have, or undefined: it lacks something, or ends later. */
async function wrongWith(
  node: Node,
  traffic: Traffic,
  known: readonly Submission[],
): Promise<string | undefined> {
  const lacked = await lackedBy(node, known).catch((error: unknown) => String(error));
  if (typeof lacked === "string") return `it does not list its tasks: ${lacked}`;
  if (lacked.length > 0) return `it serves without ${lacked.length} of ${known.length} tasks`;
  await traffic.flow(BETWEEN);
  return node.isRunning ? undefined : `it ended with ${await node.exited()} when it served`;
}

const IN_SERVICE = Symbol("in service");

/** The node is a voter again, caught up, and says so itself. */
async function inService(cluster: TestCluster, node: Node): Promise<typeof IN_SERVICE> {
  const ready = async (): Promise<boolean> => {
    if (!node.isRunning) return false;
    const answer = await (await cluster.leader()).get<ClusterBody>("/cluster");
    const row = answer.body.members?.find(({ id }) => id === node.id);
    return row !== undefined && row.role !== "learner" && (await node.isReady());
  };
  await waitFor(`${node.id} in service`, () => ready().catch(() => false));
  return IN_SERVICE;
}

interface ClusterBody {
  readonly members?: readonly { readonly id: string; readonly role: string }[];
}

/** What the line of a node that stays down says: an empty directory, and a new member. */
export async function replace(cluster: TestCluster, node: Node): Promise<void> {
  if (node.isRunning) await node.kill("SIGKILL");
  rmSync(node.dataDir, { recursive: true, force: true });
  node.start();
  const peer = `${node.id}@${node.address}`;
  await admin(cluster, "members", "replace", peer, "--promote", "--yes", "--timeout", "2m");
  await inService(cluster, node);
}

/** Names of what a broker has put aside in its own data directory, taking it for damaged. */
export function asideIn(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir).filter((name) => name.startsWith("set-aside-")) : [];
}

/** The words of the last line that a broker wrote to its log. */
export function lastMessage(log: string): string {
  const line = log.trimEnd().split("\n").at(-1) ?? "";
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter((each) => each !== undefined).join(": ");
  } catch {
    return line;
  }
}
