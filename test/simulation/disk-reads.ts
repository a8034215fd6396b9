/** What is read of a disk while its process runs: whole and checked, or found to be damaged. */
import type { Entry, EntryId } from "task-queue-raft";
import type { DiskLog } from "./disk-log.ts";
import { DamageFound, type StateImage } from "./state-image.ts";

export interface Slice {
  readonly prev: EntryId;
  readonly entries: readonly Entry[];
}

/** No entries, behind the base, when `from` has been compacted away. */
export function readSlice(log: DiskLog, from: number, maxBytes: number): Slice | DamageFound {
  const { base } = log;
  const isGone = from <= base.index;
  const entries: Entry[] = [];
  let bytes = 0;
  for (let index = from; !isGone; index++) {
    const entry = log.entryAt(index);
    if (entry === undefined) break;
    if (log.bad.has(index)) return new DamageFound(`entry ${index} of the log`);
    bytes += entry.data.length;
    if (entries.length > 0 && bytes > maxBytes) break;
    entries.push(entry);
  }
  const { term, index } = isGone ? base : (log.entryAt(from - 1) ?? base);
  return { prev: { term, index }, entries };
}

export function readRecord(image: StateImage, key: string): Uint8Array | undefined | DamageFound {
  try {
    return image.get(key);
  } catch (error) {
    if (error instanceof DamageFound) return error;
    throw error;
  }
}
