/** The folder of scheduled backups: names that say when they were made, and which to keep. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BackupHeader } from "./format.ts";
import { TAKING_MS_MAX } from "./limits.ts";

export interface Kept {
  readonly name: string;
  /** ms. */
  readonly at: number;
}

const CLUSTER_DIGITS = 8;
const NAME = /^tq-([0-9a-f]{1,8})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-\d+\.backup$/;
const PART = /^\.tq-[0-9a-f]{1,8}-\d{8}T\d{6}Z-\d+\.backup\.[0-9a-f]{8}\.part$/;

/** `tq-7a0bc5c0-20260131T235959Z-1234.backup`. */
export function nameOf({ cluster_id, index }: BackupHeader, at: number): string {
  const time = new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, "");
  return `tq-${cluster_id.slice(0, CLUSTER_DIGITS)}-${time}Z-${index}.backup`;
}

/** Those of this cluster, the oldest first. Whatever else is there is somebody else's. */
export async function keptIn(directory: string, clusterId: string): Promise<Kept[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const kept = names.flatMap((name): Kept[] => {
    const [, cluster, ...time] = NAME.exec(name) ?? [];
    if (cluster !== clusterId.slice(0, CLUSTER_DIGITS)) return [];
    const [year, month, day, hour, minute, second] = time.map(Number) as number[];
    return [{ name, at: Date.UTC(year!, month! - 1, day, hour, minute, second) }];
  });
  return kept.sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1));
}

/** All but the newest, and what a crash has left of one that was never finished. */
export async function removeOld(
  { directory, keep }: { readonly directory: string; readonly keep: number },
  clusterId: string,
  now: number,
): Promise<void> {
  // What a clock that was ahead has named does not push out what is new in truth.
  const kept = (await keptIn(directory, clusterId)).filter(({ at }) => at <= now);
  for (const { name } of kept.slice(0, Math.max(0, kept.length - keep))) {
    await rm(join(directory, name), { force: true });
  }
  for (const name of (await readdir(directory)).filter((each) => PART.test(each))) {
    const path = join(directory, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now }));
    if (now - mtimeMs > TAKING_MS_MAX) await rm(path, { force: true });
  }
}
