/**
 * The file of a backup, for the verbs about them. The broker's own code reads and writes it, and is
 * loaded only where there is a file: no other verb waits for that.
 */
import { dirname } from "node:path";
import type { BackupHeader } from "task-queue-broker/backup";
import type { Arguments } from "./command.ts";
import { CliError, EXIT, fileWords } from "./exit-status.ts";
import type { FieldList } from "./output/output.ts";
import { text } from "./values.ts";

type Backup = typeof import("task-queue-broker/backup");

/** `act` with the broker's code, and what that throws told as the fault of the file it is. */
export async function withFiles<T>(path: string, act: (backup: Backup) => Promise<T>): Promise<T> {
  const backup = await import("task-queue-broker/backup");
  try {
    return await act(backup);
  } catch (error) {
    if (error instanceof backup.SnapshotDamage) {
      throw new CliError(EXIT.data, `${path}: ${error.message}`, error);
    }
    if (error instanceof backup.KeyFileError) {
      const words = error.message.replace("name the file with its key", "--key-file names its key");
      throw new CliError(EXIT.config, words, error);
    }
    if (error instanceof backup.FileExists) {
      throw new CliError(EXIT.usage, `${error.message}; --force replaces it`, error);
    }
    const { code, message, path: at = path } = error as NodeJS.ErrnoException;
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    const isRoom = code === "ENOSPC" || code === "EDQUOT" || code === "EIO";
    // A new file is written under another name first, which nobody knows.
    const words = code === "ENOENT" ? fileWords(at === path ? path : dirname(at), error) : message;
    throw new CliError(isRoom ? EXIT.temporary : EXIT.notFound, words, error);
  }
}

/** What `--key-file` names; undefined: it was not given. */
export async function keyOf(backup: Backup, args: Arguments): Promise<Uint8Array | undefined> {
  const path = text(args, "key-file");
  return path === undefined ? undefined : await backup.readKeyFile(path);
}

export function headerFields(header: BackupHeader): FieldList {
  const tasks = Object.entries(header.tasks).filter(([, count]) => count > 0);
  return [
    ["cluster", header.cluster_id],
    ["taken by", `${header.node_id}, tq-broker ${header.program_version}`],
    ["taken at", header.created_at],
    ["cluster time", header.cluster_time],
    ["last entry", `${header.index} of term ${header.term}`],
    ["cluster version", String(header.cluster_version)],
    ["snapshot", header.snapshot_id],
    ["queues", String(header.queues)],
    ["tasks", tasks.map(([state, count]) => `${count} ${state}`).join(", ") || "none"],
  ];
}
