/**
 * What goes wrong with what a disk holds, and how a start finds it: checksums first, then what the
 * files say of each other. The verdict on a log that is too short is the one that ships.
 */
import { type BootVerdict, bootVerdict } from "../../packages/broker/src/storage/boot-verdict.ts";
import type { Disk, DiskImage } from "./disk.ts";
import type { DiskLog } from "./disk-log.ts";

export const DAMAGES = [
  /** One entry fails its checksum. */
  "entry",
  /** Several entries in a row are gone, and later ones are there. */
  "log page",
  /** The end of the log is gone, below what the newest flush knows to be durable. */
  "log tail",
  "record",
  "state page",
  "pointer",
  /** The directory as it is now, in another place. */
  "copy",
  /** The directory as it was, in another place. */
  "old copy",
  /** The volume as it was: nothing on it says so. */
  "old volume",
  /** One page of the identity: the other copy of its slot is there. */
  "identity page",
] as const;

export type Damage = (typeof DAMAGES)[number];

/** Several records that lie side by side. */
const PAGE_RECORDS = 12;

/** Where the damage is: `share` of the way, and an image of earlier if one is needed. */
export interface DamagePlace {
  readonly share: number;
  readonly image: DiskImage | undefined;
  /** Of a copy: never used twice. */
  readonly inode: string;
}

/** No process runs. False: there is nothing on the disk yet that could be damaged so. */
export function damage(disk: Disk, kind: Damage, { share, image, inode }: DamagePlace): boolean {
  switch (kind) {
    case "entry":
      return spoilLog(disk.log, share, 1);
    case "log page":
      return spoilLog(disk.log, share, PAGE_RECORDS);
    case "log tail":
      return loseTail(disk, share);
    case "record":
      disk.live.spoil(share, 1);
      return disk.live.badCount > 0;
    case "state page":
      disk.live.spoil(share, PAGE_RECORDS);
      return disk.live.badCount > 0;
    case "pointer":
      disk.isPointerBad = true;
      return true;
    case "copy":
      disk.rollBack(disk.image(), inode);
      return true;
    case "old copy":
      if (image !== undefined) disk.rollBack(image, inode);
      return image !== undefined;
    case "old volume":
      if (image !== undefined) disk.rollBack(image, undefined);
      return image !== undefined;
    case "identity page":
      return disk.identity.spoilPage(share);
  }
}

function spoilLog(log: DiskLog, share: number, count: number): boolean {
  log.spoil(log.base.index + 1 + Math.floor(share * log.length), count);
  return log.bad.size > 0;
}

/** A loss that begins behind the mark cannot be told from entries that were never written. */
function loseTail({ log, mark }: Disk, share: number): boolean {
  const known = mark.logDurable.index;
  if (known <= log.base.index || log.termAt(known) === undefined) return false;
  const from = log.base.index + 1 + Math.floor(share * (known - log.base.index));
  log.lose(Math.min(from, known));
  return true;
}

/** What a start finds wrong; undefined: the node may take part. */
export function examine(disk: Disk): string | undefined {
  const { log, live, identity, isPointerBad } = disk;
  const [bad] = log.bad;
  if (bad !== undefined) return `entry ${bad} of the log is damaged`;
  if (isPointerBad) return "the state pointer is damaged";
  if (live.badCount > 0) return `${live.badCount} records of the state are damaged`;
  if (identity.isCopy) return "the directory is a copy";
  const verdict = verdictOn(disk);
  return verdict.kind === "clean" ? undefined : verdict.reason;
}

function verdictOn({ log, mark }: Disk): BootVerdict {
  const { base, last } = log;
  // A flush speaks of committed entries only, and no leader has these cut away.
  const facts = { base, last, dropped: () => false };
  return bootVerdict({ ...facts, termAt: (index) => log.termAt(index) ?? 0 }, mark);
}
