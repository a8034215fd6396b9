/**
 * One node's data directory, opened as a whole. The order at a first start makes every crash
 * between two steps harmless, and makes a missing piece after it an error instead of a fresh start:
 * format, identity, log, state, pointer, and only then `founded`. The lock is the one LevelDB holds
 * on the log, so nothing is changed before the log is open. It never repairs by itself.
 */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import type { NodeId } from "task-queue-raft";
import type { Formation, Identity } from "../ports.ts";
import { type BootVerdict, bootVerdict } from "./boot-verdict.ts";
import { syncDirectory } from "./durable-file.ts";
import { checkFileLimit } from "./file-limit.ts";
import { createFormat, FORMAT_FILE, type FormatFile, openFormat } from "./format-file.ts";
import {
  createIdentity,
  type FileIdentityStore,
  openIdentityStore,
  peekIdentity,
} from "./identity-store.ts";
import type { OpenMode } from "./level.ts";
import { type LevelLogStore, openLogStore } from "./log-store.ts";
import { redoReset } from "./redo-reset.ts";
import { type LevelStateDirectory, openStateDirectory } from "./state-directory.ts";
import { DataDirError, StorageDamage } from "./storage-error.ts";

export interface DataDirOptions {
  readonly path: string;
  readonly nodeId: NodeId;
  /** Connections that the file limit must allow for. */
  readonly maxConnections: number;
  /** Memory of each store that LevelDB fills before it writes a table; undefined = its own. */
  readonly writeBufferBytes?: number | undefined;
}

/** An open data directory; `identity.boots` already counts this start. */
export interface DataDir {
  readonly path: string;
  /** To be raised before anything is written that an older binary could not read. */
  readonly format: FormatFile;
  readonly identity: FileIdentityStore;
  readonly log: LevelLogStore;
  readonly states: LevelStateDirectory;
  /** Anything but clean: this node has lost entries and must not vote. */
  readonly verdict: BootVerdict;
  close(): Promise<void>;
}

/** Names of starts that are remembered: more than a node makes while another one is away. */
export const STARTS_KEPT = 64;

export const IDENTITY_FILE = "identity";
export const LOG_DIRECTORY = "log";

/**
 * Opens or founds the data directory. Throws `DataDirError` (in use, not writable, another node's,
 * too new), `StorageDamage` (with instructions) or `StorageFault`.
 */
export async function openDataDir(options: DataDirOptions): Promise<DataDir> {
  await checkFileLimit(options.maxConnections);
  await prepareDirectory(options.path);
  const format = await findOrCreateFormat(options.path);
  const mode = await findOrCreateIdentity(options);
  const opened: Closable[] = [];
  try {
    return await openStores(options, mode, format, opened);
  } catch (error) {
    for (const store of opened.reverse()) {
      await store.close();
    }
    throw error;
  }
}

interface Closable {
  close(): Promise<void>;
}

async function openStores(
  { path, writeBufferBytes: writeBufferSize }: DataDirOptions,
  mode: OpenMode,
  format: FormatFile,
  opened: Closable[],
): Promise<DataDir> {
  const log = await openLogStore(join(path, LOG_DIRECTORY), { mode, writeBufferSize });
  opened.push(log);
  const identity = await openIdentityStore(join(path, IDENTITY_FILE));
  opened.push(identity);
  const states = await openStateDirectory(path, mode, writeBufferSize);
  opened.push(states);
  if (mode === "create") {
    await syncDirectory(path);
  }
  const { boots, starts = [] } = identity.identity;
  const named = [...starts, randomBytes(4).toString("hex")].slice(-STARTS_KEPT);
  await identity.save({ founded: true, boots: boots + 1, starts: named });
  await redoReset(log, states.installed);
  const close = async () => {
    await states.close();
    await identity.close();
    await log.close();
  };
  const verdict = bootVerdict(log, states.live.mark);
  return { path, format, identity, log, states, verdict, close };
}

/**
 * Makes this the directory of a node that is a member already and has nothing yet, in a cluster of
 * this version. What another node had here is to be moved away before.
 */
export async function foundAs(
  path: string,
  member: Pick<Identity, "nodeId" | "incarnation"> & { readonly formation: Formation },
  clusterVersion: number,
): Promise<void> {
  const { nodeId, incarnation, formation } = member;
  const format = (await openFormat(path)) ?? (await createFormat(path));
  await format.raise(clusterVersion);
  const identity = { ...newIdentity(nodeId), incarnation, formation };
  await createIdentity(join(path, IDENTITY_FILE), identity);
}

/** Creates the directory, closes it to other users, and makes sure that it can be written. */
async function prepareDirectory(path: string): Promise<void> {
  if (isMainThread) {
    // LevelDB creates its files with mode 0644: payloads are nobody else's business.
    process.umask(0o077);
  }
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    // A mounted volume may belong to somebody else; then its mode is its owner's business.
    await chmod(path, 0o700).catch(() => undefined);
    const probe = join(path, `.write-test.${randomBytes(4).toString("hex")}`);
    await writeFile(probe, "");
    await rm(probe);
  } catch (error) {
    const { message } = error as Error;
    throw new DataDirError(
      `the data directory ${path} cannot be written: ${message}. ` +
        "Give it to the user that runs tq-broker, or set data_dir to another directory.",
      { cause: error },
    );
  }
}

/** That of a new directory is made; one that a newer broker has written is refused. */
async function findOrCreateFormat(path: string): Promise<FormatFile> {
  const format = await openFormat(path);
  if (format !== undefined) {
    return format;
  }
  await refuseLeftovers(path, FORMAT_FILE);
  return createFormat(path);
}

/** `create` until the node is founded: only then may a missing store be made. */
async function findOrCreateIdentity(options: DataDirOptions): Promise<OpenMode> {
  const where = join(options.path, IDENTITY_FILE);
  let identity = await peekIdentity(where);
  if (identity === undefined) {
    await refuseLeftovers(options.path, IDENTITY_FILE);
    await createIdentity(where, newIdentity(options.nodeId));
    identity = await peekIdentity(where);
  }
  if (identity === undefined || identity.nodeId !== options.nodeId) {
    throw new DataDirError(
      `${options.path} belongs to node ${identity?.nodeId}, but this node is called ` +
        `${options.nodeId}: set node_id or data_dir to the right one`,
    );
  }
  return identity.founded ? "existing" : "create";
}

/** What was made after `file` without `file` is a directory that lost a piece, never a new one. */
async function refuseLeftovers(path: string, file: string): Promise<void> {
  const later = /^(identity|log|state-\d+|state\.pointer)$/;
  const found = (await readdir(path)).filter((name) => later.test(name));
  // Looked for again, because another broker may be founding this directory just now.
  if (found.length > 0 && !(await readdir(path)).includes(file)) {
    const what = `the ${file} file is missing, but there is ${found.join(", ")}`;
    throw new StorageDamage("data directory", { what, where: path });
  }
}

function newIdentity(nodeId: NodeId): Identity {
  return {
    nodeId,
    incarnation: randomBytes(16).toString("hex"),
    formation: undefined,
    founded: false,
    boots: 0,
    hardState: { term: 0, vote: undefined },
  };
}
