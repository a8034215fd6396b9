/**
 * Opens a broker's data directory, and judges whether a node with this past may take part: one that
 * has lost what it promised, or was removed, must not vote. What is to become of a node that has
 * lost data is decided elsewhere.
 */
import type { Config } from "./config/config.ts";
import { EXIT, StartupError } from "./exit-status.ts";
import type { NodeLogger } from "./observe/logger.ts";
import type { Identity, Roster } from "./ports.ts";
import { LostData, lostDataIn } from "./recovery/lost-data.ts";
import { clearSuspicion, isSuspect } from "./recovery/suspicion.ts";
import { decodeRoster } from "./replica/index.ts";
import { releaseBallast } from "./storage/ballast.ts";
import { forgottenVote } from "./storage/boot-verdict.ts";
import { type DataDir, openDataDir } from "./storage/data-dir.ts";
import { DataDirError } from "./storage/storage-error.ts";
import { verifyState } from "./storage/verify-state.ts";

export interface OpenOptions {
  /** An operator vouches for a directory that is a copy. */
  readonly acceptRestored?: boolean;
}

/**
 * Throws `LostData` (a `StartupError`), other `StartupError`s, or what a broken disk throws.
 */
export async function openData(
  config: Config,
  log: NodeLogger,
  { acceptRestored = false }: OpenOptions = {},
): Promise<DataDir> {
  const path = config.persistence.dataDir;
  // What is wrong with the directory itself is told in better words by the opening.
  if (await releaseBallast(path).catch(() => false)) {
    log.warn({}, `the disk of ${path} is full: its ballast was given up; make room soon`);
  }
  const options = {
    path,
    nodeId: config.raft.nodeId,
    maxConnections: config.broker.maxConnections,
    writeBufferBytes: config.persistence.writeBufferBytes,
  };
  const data = await openDataDir(options).catch((error) => {
    if (error instanceof DataDirError) {
      throw new StartupError(EXIT.cannotCreate, error.message, { cause: error });
    }
    throw lostDataIn(error, path) ?? error;
  });
  try {
    await judge(data, log, acceptRestored);
    return data;
  } catch (error) {
    await data.close();
    throw lostDataIn(error, path) ?? error;
  }
}

/**
 * The members as this node's own disk knows them; undefined while it belongs to no cluster. A node
 * that has just joined still reads of the cluster's life before it: then its formation is newer.
 */
export function rosterOf({ identity, states }: Pick<DataDir, "identity" | "states">) {
  return newerRoster(identity.identity, states.live.mark.membership);
}

export function newerRoster(
  { formation }: Pick<Identity, "formation">,
  membership: Uint8Array,
): Roster | undefined {
  const applied = membership.length > 0 ? decodeRoster(membership) : undefined;
  if (applied === undefined || formation === undefined) return applied ?? formation;
  return formation.revision > applied.revision ? formation : applied;
}

/** Throws when this node's vote could undo what other members rely on. */
async function judge(data: DataDir, logger: NodeLogger, acceptRestored: boolean): Promise<void> {
  const { path, verdict, identity, log, states } = data;
  if (verdict.kind === "recovering") {
    const reason = `entries that were acknowledged are lost: ${verdict.reason}`;
    throw new LostData(path, reason, { isWhole: false });
  }
  const forgotten = forgottenVote(log.last, identity.identity.hardState);
  if (forgotten !== undefined) throw new LostData(path, forgotten, { isWhole: false });
  refuseRemoved(data);
  if (identity.badPages > 0) {
    const text = "is damaged and was read from another copy of it: check the disk";
    logger.warn({ badPages: identity.badPages }, `part of ${path}/identity ${text}`);
  }
  if (await isSuspect(path)) {
    logger.warn({}, `${path}: the last run read something damaged; every record is checked now`);
    const records = await verifyState(states.live);
    await clearSuspicion(path);
    logger.info({ records }, `${path}: all ${records} records are whole`);
  }
  if (identity.copied) await judgeCopy(data, logger, acceptRestored);
}

function refuseRemoved(data: DataDir): void {
  const { nodeId, incarnation, formation } = data.identity.identity;
  const members = rosterOf(data)?.members ?? [];
  const listed = members.some((each) => each.id === nodeId && each.incarnation === incarnation);
  if (members.length === 0 || listed) return;
  throw new StartupError(
    EXIT.removed,
    `${data.path} is that of a node that was removed from cluster ${formation?.clusterId ?? ""}. ` +
      "To bring it back, start it with an empty persistence.data_dir and name it to " +
      "tq-admin members add",
  );
}

/** A copy may be older than what its node has promised since; only its node's peers can know. */
async function judgeCopy(data: DataDir, log: NodeLogger, acceptRestored: boolean): Promise<void> {
  const { path, identity, states } = data;
  const isMember = (rosterOf(data)?.members ?? []).length > 1;
  if (isMember && !acceptRestored) {
    const reason =
      "the data directory is a copy of a cluster member's, and may be older than its promises";
    throw new LostData(path, reason, { isWhole: true });
  }
  if (isMember) {
    const records = await verifyState(states.live);
    log.warn({ records }, `${path} is a copy and was accepted: all ${records} records are whole`);
  } else {
    const text = "is a copy: work that was done after the copy was made will be done again";
    log.warn({}, `${path} ${text}`);
  }
  await identity.acceptCopy();
}
