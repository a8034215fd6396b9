/**
 * The bytes of the identity file: two slots, each holding the same page twice. A save writes the
 * slot that holds the older version, both copies in one write. So a torn write loses at most the
 * version that was never vouched for, and one bad copy of a version that was vouched for (a bit,
 * a sector, a zeroed page) never brings back an older vote. Pure.
 *
 *     page, 8192 bytes: "tqid" | crc u32 | format u16 | length u16 | sequence u64 | JSON | zeros
 */
import { crc32 } from "node:zlib";
import type { Formation, Identity, Member } from "../ports.ts";
import { DataDirError } from "./storage-error.ts";
import { readUint64, writeUint64 } from "./uint64.ts";

/** What the file holds: the identity and the number of the file that it was written to. */
export interface IdentityBody {
  readonly identity: Identity;
  /** Decimal inode number; another one than the file's own means that the file is a copy. */
  readonly inode: string;
}

export interface IdentityVersion extends IdentityBody {
  /** Rises by one with every save. */
  readonly sequence: number;
}

/** Result of reading the file. */
export interface ReadSlots {
  /** undefined: no page is valid. */
  readonly newest: IdentityVersion | undefined;
  /** Pages that are not valid, of four. */
  readonly badPages: number;
}

export const PAGE_BYTES = 8192;
export const SLOT_BYTES: number = 2 * PAGE_BYTES;
export const FILE_BYTES: number = 2 * SLOT_BYTES;

const MAGIC = "tqid";
const FORMAT = 1;
const CRC_FROM = 8;
const HEADER_BYTES = 20;
const BODY_MAX = PAGE_BYTES - HEADER_BYTES;

/** Where in the file the slot for this version begins. */
export function slotOffset(sequence: number): number {
  return (sequence % 2) * SLOT_BYTES;
}

/** Both copies. Throws a RangeError, before anything is written, if the body does not fit. */
export function encodeSlot({ sequence, identity, inode }: IdentityVersion): Buffer {
  const body = Buffer.from(JSON.stringify(sortKeys({ ...identity, inode })));
  if (body.length > BODY_MAX) {
    const size = `it would take ${body.length} bytes, at most ${BODY_MAX} fit`;
    throw new RangeError(
      `the identity cannot be saved: ${size}. The cluster has too many members, or their ids and ` +
        "addresses are too long.",
    );
  }
  const page = Buffer.alloc(PAGE_BYTES);
  page.write(MAGIC, 0, "latin1");
  page.writeUInt16BE(FORMAT, 8);
  page.writeUInt16BE(body.length, 10);
  writeUint64(page, sequence, 12);
  page.set(body, HEADER_BYTES);
  page.writeUInt32BE(crc32(page.subarray(CRC_FROM)), 4);
  return Buffer.concat([page, page]);
}

/** The newest version that any valid page holds. Throws `DataDirError` if a newer broker's is. */
export function readSlots(file: Buffer): ReadSlots {
  let newest: IdentityVersion | undefined;
  let badPages = 0;
  for (let at = 0; at < FILE_BYTES; at += PAGE_BYTES) {
    const version = decodePage(file.subarray(at, at + PAGE_BYTES));
    if (version === undefined) {
      badPages += 1;
    } else if (newest === undefined || version.sequence > newest.sequence) {
      newest = version;
    }
  }
  return { newest, badPages };
}

function decodePage(page: Buffer): IdentityVersion | undefined {
  const valid =
    page.length === PAGE_BYTES &&
    page.toString("latin1", 0, 4) === MAGIC &&
    page.readUInt32BE(4) === crc32(page.subarray(CRC_FROM));
  if (!valid) {
    return undefined;
  }
  const format = page.readUInt16BE(8);
  if (format !== FORMAT) {
    throw new DataDirError(
      `the identity has format ${format}, this tq-broker knows ${FORMAT}: ` +
        "start the newer tq-broker that wrote it",
    );
  }
  const json = page.toString("utf8", HEADER_BYTES, HEADER_BYTES + page.readUInt16BE(10));
  const { inode, ...identity } = JSON.parse(json) as StoredBody;
  const vote = identity.hardState.vote;
  return {
    sequence: readUint64(page, 12),
    inode,
    identity: {
      ...identity,
      formation: formationOf(identity.formation),
      hardState: { term: identity.hardState.term, vote },
    },
  };
}

/** JSON leaves out what is undefined. */
type StoredBody = Omit<Identity, "formation"> & {
  readonly inode: string;
  readonly formation?: StoredFormation;
};

/** Before members could change there were voters only, and one revision. */
interface StoredFormation {
  readonly clusterId: string;
  readonly revision?: number;
  readonly members: readonly (Member & { readonly voter?: boolean })[];
}

function formationOf(stored: StoredFormation | undefined): Formation | undefined {
  if (stored === undefined) {
    return undefined;
  }
  const members = stored.members.map((member) => ({ ...member, voter: member.voter ?? true }));
  return { ...stored, revision: stored.revision ?? 0, members };
}

/** The same identity gives the same bytes, whatever the order of its keys. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sortKeys);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}
