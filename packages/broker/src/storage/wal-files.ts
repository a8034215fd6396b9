/**
 * Makes everything written so far durable. LevelDB 1.20 can sync only its newest write-ahead log:
 * when it starts the next one it closes the last without fsync, so a synced write does not cover
 * unsynced ones before a rotation. A log that has vanished meanwhile is already in a synced table.
 */
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "./durable-file.ts";

export async function syncWalFiles(directory: string): Promise<void> {
  for (const name of await walFiles(directory)) {
    await syncFile(join(directory, name));
  }
  await syncDirectory(directory);
}

/** Names of the write-ahead logs in a LevelDB directory, oldest first. */
export async function walFiles(directory: string): Promise<readonly string[]> {
  const names = (await readdir(directory)).filter((name) => /^\d+\.log$/.test(name));
  return names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw error;
  });
  try {
    await file?.datasync();
  } finally {
    await file?.close();
  }
}
