/**
 * Begins a new cluster from a backup, in an empty data directory. It is another cluster, with an id
 * of its own: nodes and workers of the one that the backup was taken from are strangers to it, and
 * no token that one has given, before the backup or after it, is ever given again.
 *
 * All of the file is read and checked before anything is written; until all of it is written, the
 * directory is nobody's.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkMembers } from "../check-members.ts";
import type { Config } from "../config/config.ts";
import { EXIT, StartupError } from "../exit-status.ts";
import { BadState, loadQueue } from "../load-queue.ts";
import type { Formation, Member, StateStore } from "../ports.ts";
import { CodecError, encodeBatch, leapTokens } from "../queue/index.ts";
import { clusterVersionOf, decodeRoster, encodeRoster, rosterOf } from "../replica/index.ts";
import { SnapshotDamage } from "../snapshots/frame-reader.ts";
import { type DataDir, LOG_DIRECTORY, openDataDir } from "../storage/data-dir.ts";
import { refuseInUse } from "../storage/level.ts";
import { DataDirError } from "../storage/storage-error.ts";
import { readBackupFile, readHeader } from "./file.ts";
import type { BackupHeader } from "./format.ts";
import { KeyFileError, readKeyFile } from "./key-file.ts";
import { TOKEN_LEAP } from "./limits.ts";
import {
  RESTORE_NOTE,
  type RestoreNote,
  readRestoreNote,
  writeRestoreNote,
} from "./restore-note.ts";
import { type Verified, verifyBackup } from "./verify.ts";

export interface RestoreOptions {
  readonly config: Config;
  readonly log: {
    info(fields: object, text: string): void;
    warn(fields: object, text: string): void;
  };
  /** This node, as others are to know it. */
  readonly memberAs: (incarnation: string) => Member;
}

type Restore = NonNullable<Config["restore"]>;

/** What a node makes in its data directory, and what a file system may have there by itself. */
const OWN = /^(format|identity|log|state-\d+|state\.pointer)$/;
const ANYBODYS = /^lost\+found$/;
/** What a crash leaves of a note that was being written. */
const HALF_NOTE = /^restored\.[0-9a-f]{8}\.new$/;

/**
 * What a start does before anything else: restores, if it is told to and has not done so before.
 * Throws `StartupError`, or what the disk throws.
 */
export async function restoreFirst(options: RestoreOptions): Promise<void> {
  const { restore, persistence } = options.config;
  const path = persistence.dataDir;
  const note = await readRestoreNote(path);
  if (restore === undefined) return refuseHalf(path, note);
  try {
    if (note?.phase === "done") return await refuseOther(options, note, restore);
    const key = await keyOf(restore);
    if (note === undefined) await refuseFilled(path);
    const verified = await verifyBackup(restore.file, key);
    checkMembers(verified.membership);
    await begin(options, verified, key);
  } catch (error) {
    throw told(restore.file, error);
  }
}

function refuseHalf(path: string, note: RestoreNote | undefined): void {
  if (note?.phase !== "writing") return;
  throw new StartupError(
    EXIT.damagedData,
    `restoring a backup into ${path} was broken off: start with the same --restore again, or ` +
      "empty the directory",
  );
}

async function keyOf({ keyFile }: Restore): Promise<Uint8Array | undefined> {
  return keyFile === undefined ? undefined : await readKeyFile(keyFile);
}

/** At a restart with the same flags there is nothing to do. */
async function refuseOther(
  { config, log }: RestoreOptions,
  note: RestoreNote,
  restore: Restore,
): Promise<void> {
  const { dataDir } = config.persistence;
  const begun = `${dataDir} was begun from`;
  const header = await keyOf(restore)
    .then((key) => readHeader(restore.file, key))
    .catch((error) => {
      // Backups are deleted in time, and keys put away; a node must start without them.
      if (!isGone(error)) throw error;
      const text = `${begun} backup ${note.snapshotId} on ${note.at}; leave out --restore, for`;
      log.warn({ snapshot: note.snapshotId }, `${text} ${error.message}`);
    });
  if (header === undefined) return;
  if (header.snapshot_id === note.snapshotId) {
    log.info({ snapshot: note.snapshotId }, `${begun} this backup on ${note.at}`);
    return;
  }
  throw filled(dataDir, `it was begun from another backup, ${note.snapshotId}, on ${note.at}`);
}

function isGone(error: NodeJS.ErrnoException & { readonly cause?: unknown }): boolean {
  const { code } = (error.cause ?? error) as NodeJS.ErrnoException;
  return code === "ENOENT";
}

async function refuseFilled(path: string): Promise<void> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const found = names.filter((name) => !ANYBODYS.test(name) && !HALF_NOTE.test(name));
  if (found.length > 0) throw filled(path, `there is ${found.slice(0, 5).join(", ")}`);
}

function filled(path: string, why: string): StartupError {
  return new StartupError(
    EXIT.cannotCreate,
    `a backup is restored into an empty data directory, and ${path} is not: ${why}. Move it away ` +
      "or name another one in persistence.data_dir; to start with what is there, leave out " +
      "--restore",
  );
}

async function begin(
  options: RestoreOptions,
  { header, records, membership }: Verified,
  key: Uint8Array | undefined,
): Promise<void> {
  const { config, log } = options;
  const { dataDir } = config.persistence;
  const { file } = config.restore as Restore;
  const at = new Date().toISOString();
  const note = { snapshotId: header.snapshot_id, from: header.cluster_id, at };
  await refuseBegun(dataDir);
  log.info({ records, index: header.index }, `restoring ${file} into ${dataDir}`);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await writeRestoreNote(dataDir, { phase: "writing", ...note });
  await removeOwn(dataDir);
  try {
    await found(options, header, membership, key);
  } catch (error) {
    // Sound bytes that are no state all the same are found only by loading them.
    if (isDamage(error)) await removeOwn(dataDir, RESTORE_NOTE);
    throw error;
  }
  await writeRestoreNote(dataDir, { phase: "done", ...note });
  const text = `restored ${records} records of cluster ${header.cluster_id}, as of entry`;
  log.info({ ...note, index: header.index }, `${text} ${header.index}, into a new cluster`);
}

/** While the file was read somebody else may have begun with this directory, and even be done. */
async function refuseBegun(dataDir: string): Promise<void> {
  await refuseInUse("log", join(dataDir, LOG_DIRECTORY));
  const note = await readRestoreNote(dataDir);
  if (note?.phase === "done") throw filled(dataDir, `${note.snapshotId} was restored into it`);
}

async function found(
  options: RestoreOptions,
  { term }: BackupHeader,
  membership: Uint8Array,
  key: Uint8Array | undefined,
): Promise<void> {
  const { broker, persistence, raft, restore } = options.config;
  const { maxConnections } = broker;
  const data = await openDataDir({
    path: persistence.dataDir,
    nodeId: raft.nodeId,
    maxConnections,
  });
  try {
    const formation = formationOf(options, data, membership);
    await data.format.raise(clusterVersionOf(formation));
    await fill(data, formation, (restore as Restore).file, key);
    await data.identity.save({ formation, hardState: { term, vote: undefined } });
  } finally {
    await data.close();
  }
}

/** What a restore that was broken off has left; the note goes last. */
async function removeOwn(path: string, note?: string): Promise<void> {
  const names = (await readdir(path)).filter((name) => OWN.test(name) || HALF_NOTE.test(name));
  for (const name of names) await rm(join(path, name), { recursive: true });
  if (note !== undefined) await rm(join(path, note), { force: true });
}

/** A cluster of this node alone; the others join it empty. It works with what the old one did. */
function formationOf(
  { memberAs }: RestoreOptions,
  { identity }: Pick<DataDir, "identity">,
  membership: Uint8Array,
): Formation {
  const members = [{ ...memberAs(identity.identity.incarnation), voter: true }];
  const version = clusterVersionOf(decodeRoster(membership));
  return { clusterId: randomBytes(16).toString("hex"), ...rosterOf(0, members, version) };
}

async function fill(
  { states, log }: Pick<DataDir, "states" | "log">,
  formation: Formation,
  file: string,
  key: Uint8Array | undefined,
): Promise<void> {
  const staged = await states.stage();
  let last = { index: 0, term: 0 };
  for await (const part of readBackupFile(file, key)) {
    if (part.kind === "head") last = { index: part.head.index, term: part.head.term };
    if (part.kind !== "rows") continue;
    await staged.write(part.rows.map((row) => leapTokens(row, TOKEN_LEAP)));
  }
  const membership = encodeRoster(formation);
  const store = await staged.finish({ applied: last.index, logDurable: last, membership });
  const ending = await endOfSessions(store);
  // Of a log that nobody has: its entries are never taken for those of the old cluster.
  const base = { ...last, chain: randomBytes(8).toString("hex") };
  await states.install(staged, base);
  await log.reset(base);
  if (ending === undefined) return;
  const entry = { term: base.term, index: base.index + 1, kind: "normal", data: ending } as const;
  await log.append({ truncateFrom: undefined, entries: [entry] }, true);
}

/**
 * The first entry of the new log ends all sessions, so that what they were running is pending again
 * at once, and none of their tokens is worth anything. undefined: there were none.
 */
async function endOfSessions(store: StateStore): Promise<Uint8Array | undefined> {
  const queue = await loadQueue(store);
  const sessions = queue.sessions();
  if (sessions.length === 0) return undefined;
  const commands = sessions.map(({ id }) => ({ type: "unregister", session: id }) as const);
  return encodeBatch({ at: queue.clock, commands });
}

/** Whatever is wrong with the file, in words for who has named it. */
function told(file: string, error: unknown): unknown {
  if (isDamage(error)) {
    return new StartupError(
      EXIT.damagedData,
      `${file} cannot be restored: ${error.message}; take another one. Nothing was begun from it`,
      { cause: error },
    );
  }
  if (error instanceof KeyFileError) {
    return new StartupError(EXIT.config, `--restore-key-file: ${error.message}`, { cause: error });
  }
  if (error instanceof DataDirError) {
    return new StartupError(EXIT.cannotCreate, error.message, { cause: error });
  }
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (code === undefined || path !== file) return error;
  return new StartupError(EXIT.config, `--restore: ${message}`, { cause: error });
}

function isDamage(error: unknown): error is Error {
  return (
    error instanceof SnapshotDamage || error instanceof BadState || error instanceof CodecError
  );
}
