/**
 * Reads a backup to its end as a restore would: every checksum, every record, and whether the tasks
 * are those that its counters and its header name.
 */
import { CodecError, StateCheck, TASK_STATES } from "../queue/index.ts";
import { SnapshotDamage } from "../snapshots/frame-reader.ts";
import { readBackupFile } from "./file.ts";
import type { BackupHeader } from "./format.ts";

export interface Verified {
  readonly header: BackupHeader;
  /** Of all kinds. */
  readonly records: number;
  /** Members in force after its last entry, encoded. */
  readonly membership: Uint8Array;
}

/** Throws `SnapshotDamage`, and what the disk throws. */
export async function verifyBackup(path: string, key?: Uint8Array): Promise<Verified> {
  const check = new StateCheck();
  let header: BackupHeader | undefined;
  let membership: Uint8Array | undefined;
  let records = 0;
  for await (const part of readBackupFile(path, key)) {
    if (part.kind === "head") header = part.head;
    else if (part.kind === "header") membership = part.header.membership;
    else if (part.kind === "rows") {
      records += part.rows.length;
      decoded(() => {
        for (const row of part.rows) check.add(row);
      });
    }
  }
  if (header === undefined || membership === undefined) throw new SnapshotDamage("it is cut short");
  compare(
    header,
    decoded(() => check.end()),
  );
  return { header, records, membership };
}

function compare(header: BackupHeader, found: ReturnType<StateCheck["end"]>): void {
  const { tasks, queues, applied, version } = found;
  const isSame =
    header.index === applied &&
    header.queues === queues &&
    header.cluster_version === version &&
    TASK_STATES.every((state) => header.tasks[state] === tasks[state]);
  if (!isSame) throw new SnapshotDamage("its header does not tell what is in it");
}

function decoded<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    // Bytes that no machine has written may lead a decoder astray in more ways than it names.
    if (!(error instanceof CodecError || error instanceof RangeError || error instanceof TypeError))
      throw error;
    throw new SnapshotDamage(`its records: ${error.message}`, { cause: error });
  }
}
