/**
 * Refuses to start with too few file descriptors: running out of them later would fail a write to
 * the log, and the first failed write ends the process.
 */
import { readFile } from "node:fs/promises";
import { MAX_OPEN_FILES } from "./level.ts";
import { DataDirError } from "./storage-error.ts";

/** Descriptors for both stores' tables, logs, peers, and what Node itself holds. */
export const RESERVED_FILES = 1024;

/** Throws `DataDirError` if this process may open fewer files than the connections need. */
export async function checkFileLimit(
  maxConnections: number,
  limitsFile = "/proc/self/limits",
): Promise<void> {
  const limits = await readFile(limitsFile, "latin1").catch(() => "");
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  const need = maxConnections + RESERVED_FILES;
  if (soft === undefined || soft === "unlimited" || Number(soft) >= need) {
    return;
  }
  throw new DataDirError(
    `at most ${soft} files may be open, but ${need} are needed (max_connections ` +
      `${maxConnections} + ${RESERVED_FILES}, of which ${2 * MAX_OPEN_FILES} for the stores). ` +
      `Raise the limit (ulimit -n ${need}; LimitNOFILE= under systemd) or lower max_connections.`,
  );
}
