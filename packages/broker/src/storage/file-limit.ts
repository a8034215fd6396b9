/**
 * Refuses to start with too few file descriptors: running out of them later would fail a write to
 * the log, and the first failed write ends the process.
 */
import { readFile } from "node:fs/promises";
import { MAX_OPEN_FILES } from "./level.ts";
import { DataDirError } from "./storage-error.ts";

/** Descriptors for the stores' tables, logs, peers, and what Node itself holds. */
export const RESERVED_FILES = 1024;

/** The log, the state, and another state that is being received. */
const STORES = 3;

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
  const parts = `${RESERVED_FILES}, ${STORES * MAX_OPEN_FILES} of them for the stores`;
  throw new DataDirError(
    `at most ${soft} files may be open, but ${need} are needed ` +
      `(max_connections ${maxConnections} + ${parts}). ` +
      `Raise the limit (ulimit -n ${need}; LimitNOFILE= under systemd) or lower max_connections.`,
  );
}
