/**
 * The file `restored` in a data directory: it was begun from a backup. It is there before anything
 * else, so that a directory in which a crash has left half of a restore is never a node's.
 */
import { readNote, writeNote } from "../storage/note-file.ts";

export const RESTORE_NOTE = "restored";

export interface RestoreNote {
  /** `writing`: whatever lies beside it is worth nothing. */
  readonly phase: "writing" | "done";
  /** Of the backup. */
  readonly snapshotId: string;
  /** The cluster that it was taken from. */
  readonly from: string;
  /** RFC 3339. */
  readonly at: string;
}

const NOTE = { file: RESTORE_NOTE, word: "restored" };

/** undefined: there is none. Throws `StorageDamage` or `StorageFault`. */
export async function readRestoreNote(dataDir: string): Promise<RestoreNote | undefined> {
  return (await readNote(dataDir, NOTE)) as RestoreNote | undefined;
}

export function writeRestoreNote(dataDir: string, note: RestoreNote): Promise<void> {
  return writeNote(dataDir, NOTE, note);
}
