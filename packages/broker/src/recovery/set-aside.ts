/**
 * Moves what a former incarnation has left in the data directory into a folder beside it. Only
 * renames: nothing is deleted and nothing is overwritten, so it can be repeated after a crash at
 * any point, and a person can look at the pieces later.
 */
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "../storage/durable-file.ts";
import { StorageFault } from "../storage/storage-error.ts";

const FOLDER = /^set-aside-/;
/**
 * What a node keeps of itself. Anything else stays where it is: the files about this way back, or
 * about others, and what somebody else keeps here, such as `lost+found`.
 */
const OWN = /^(format|identity|log|state-\d+|state\.pointer|suspect)$/;
/** Attempts at a name that is not taken: one for each time that a crash has cut this short. */
const NAMES_MAX = 1000;

/** `set-aside-2026-01-31T23-59-59Z`. */
export function folderNameAt(wallMs: number): string {
  const time = new Date(wallMs).toISOString().slice(0, 19).replaceAll(":", "-");
  return `set-aside-${time}Z`;
}

/** Durable when it resolves. Throws `StorageFault`. */
export async function setAside(dataDir: string, folder: string): Promise<void> {
  const target = join(dataDir, folder);
  try {
    await mkdir(target, { recursive: true, mode: 0o700 });
    for (const name of await readdir(dataDir)) {
      if (!OWN.test(name)) continue;
      await rename(join(dataDir, name), await freeName(target, name));
    }
    await syncDirectory(target);
    await syncDirectory(dataDir);
  } catch (error) {
    throw new StorageFault("data directory", `moving old files into ${target}`, error);
  }
}

/** Everything that was ever set aside here, and how much room it takes. */
export async function setAsideSoFar(
  dataDir: string,
): Promise<{ readonly folders: readonly string[]; readonly bytes: number }> {
  const folders = (await readdir(dataDir)).filter((name) => FOLDER.test(name)).sort();
  let bytes = 0;
  for (const folder of folders) {
    const found = await readdir(join(dataDir, folder), { recursive: true });
    for (const name of found) {
      const { size } = await stat(join(dataDir, folder, name)).catch(() => ({ size: 0 }));
      bytes += size;
    }
  }
  return { folders, bytes };
}

async function freeName(folder: string, name: string): Promise<string> {
  for (let n = 1; n <= NAMES_MAX; n++) {
    const path = join(folder, n === 1 ? name : `${name}.${n}`);
    const isFree = await stat(path).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === "ENOENT",
    );
    if (isFree) return path;
  }
  throw new Error(`there are ${NAMES_MAX} files called ${name} in ${folder}`);
}
