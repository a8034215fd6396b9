/**
 * The file `rejoin` in the data directory: this node has lost what it had promised, and is on its
 * way back as a new incarnation. It is written before the first question to anybody, and as long
 * as it says `asking`, the stores of the former incarnation are not opened for consensus, however
 * sound they may look at the next start.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Formation } from "../ports.ts";
import { syncDirectory } from "../storage/durable-file.ts";
import { readNote, writeNote } from "../storage/note-file.ts";
import { StorageFault } from "../storage/storage-error.ts";

export const REJOIN_FILE = "rejoin";

/**
 * - asking: until the others list the new incarnation.
 * - settingAside: they do; what the former one has left is being moved out of the way.
 * - joining: the new one has a directory of its own, and is a member that catches up.
 */
export type RejoinPhase = "asking" | "settingAside" | "joining";

export interface Rejoin {
  readonly phase: RejoinPhase;
  readonly clusterId: string;
  readonly nodeId: string;
  /** The incarnation that has lost its data. */
  readonly former: string;
  /** The one that comes instead. */
  readonly incarnation: string;
  /** What was lost, for people. */
  readonly reason: string;
  /**
   * The directory is sound, but may be older than what was promised: a copy, or rolled back. Then
   * a person may know better.
   */
  readonly isWhole: boolean;
  /** Wall clock, ms. */
  readonly since: number;
  /** See `RejoinRequest` of the replica. */
  readonly confirmed: boolean;
  /** The former one voted, so that the new one shall. Known from `confirmed` on. */
  readonly wasVoter: boolean;
  /** `host:port` of buses where members were known to be. */
  readonly buses: readonly string[];
  /** Where the former one's files go. From `settingAside` on. */
  readonly folder?: string;
  /** The members that list the new one. From `settingAside` on. */
  readonly formation?: Formation;
}

const NOTE = { file: REJOIN_FILE, word: "rejoin" };

/** undefined: there is none. Throws `StorageDamage` or `StorageFault`. */
export async function readRejoin(dataDir: string): Promise<Rejoin | undefined> {
  return (await readNote(dataDir, NOTE)) as Rejoin | undefined;
}

export function writeRejoin(dataDir: string, rejoin: Rejoin): Promise<void> {
  return writeNote(dataDir, NOTE, rejoin);
}

/** It is over. */
export async function removeRejoin(dataDir: string): Promise<void> {
  const where = join(dataDir, REJOIN_FILE);
  try {
    await rm(where, { force: true });
    await syncDirectory(dataDir);
  } catch (error) {
    throw new StorageFault("data directory", `removing ${where}`, error);
  }
}
