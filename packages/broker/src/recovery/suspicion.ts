/**
 * The file `suspect` in the data directory: the last run ended because it read something that is
 * not what was written. The next start then reads every record before it goes on; usually it would
 * find the damage anyhow, but not if a record was bad before LevelDB got it. Without the file such
 * a node would start, come upon it again, and stop again, for ever.
 *
 * Synchronous, because the process ends right behind it; and if it cannot be written, that is all.
 */
import { writeFileSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";

const SUSPECT_FILE = "suspect";

export function noteSuspicion(dataDir: string, what: string): void {
  try {
    writeFileSync(join(dataDir, SUSPECT_FILE), `${what}\n`, { mode: 0o600, flush: true });
  } catch {
    // The disk that damages what it keeps may well refuse this, too.
  }
}

export async function isSuspect(dataDir: string): Promise<boolean> {
  return await stat(join(dataDir, SUSPECT_FILE)).then(
    () => true,
    () => false,
  );
}

/** Everything was read and is whole. */
export async function clearSuspicion(dataDir: string): Promise<void> {
  await rm(join(dataDir, SUSPECT_FILE), { force: true });
}
