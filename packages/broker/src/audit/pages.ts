/**
 * The log as it is read: a piece of a file at a time, from a position that stays what it is while
 * files are put aside. A position is the number of a file's first line and a place in that file.
 */
import { open } from "node:fs/promises";
import {
  type AuditJson,
  type AuditPageJson,
  type AuditParams,
  parseAuditLine,
  TqError,
} from "task-queue-protocol";
import { type Segment, segmentsOf } from "./file.ts";
import { PAGE_BYTES } from "./limits.ts";

const NEWLINE = 0x0a;
const POSITION = /^(\d{1,16})\.(\d{1,16})$/;

interface Place {
  /** Of the file. */
  readonly first: number;
  readonly offset: number;
}

/** Throws `TqError`: `invalid_request`; `position_compacted` when that file is kept no more. */
export async function readPage(
  path: string,
  node: string,
  { position, since }: AuditParams,
): Promise<AuditPageJson> {
  const segments = await segmentsOf(path);
  const place = position === undefined ? await placeOf(segments, since) : parsePlace(position);
  const at = place.first === 0 ? 0 : segments.findIndex(({ first }) => first === place.first);
  const segment = segments[at];
  if (segments.length === 0) return page(node, [], place, true);
  if (segment === undefined) {
    const text = "the lines from there on are kept no more; begin without a position";
    throw new TqError("position_compacted", text, { field: "position" });
  }
  const { lines, bytes } = await readPiece(segment, place.offset, PAGE_BYTES);
  const wanted = lines.filter(({ time }) => since === undefined || !(Date.parse(time) < since));
  const next = segments[at + 1];
  if (bytes === 0 && next !== undefined) {
    return page(node, wanted, { first: next.first, offset: 0 }, false);
  }
  const after = { first: segment.first, offset: place.offset + bytes };
  return page(node, wanted, after, bytes === 0);
}

function page(
  node_id: string,
  lines: AuditJson[],
  { first, offset }: Place,
  end: boolean,
): AuditPageJson {
  return { node_id, lines, position: `${first}.${offset}`, end };
}

function parsePlace(position: string): Place {
  const [, first, offset] = POSITION.exec(position) ?? [];
  if (offset !== undefined) return { first: Number(first), offset: Number(offset) };
  const text = "position: send what an earlier answer has there";
  throw new TqError("invalid_request", text, { field: "position" });
}

/** The newest file that begins before that time. */
async function placeOf(segments: readonly Segment[], since: number | undefined): Promise<Place> {
  for (const segment of since === undefined ? [] : segments.toReversed()) {
    const { lines } = await readPiece(segment, 0, PAGE_BYTES);
    if (lines[0] !== undefined && Date.parse(lines[0].time) < since!) {
      return { first: segment.first, offset: 0 };
    }
  }
  return { first: segments[0]?.first ?? 0, offset: 0 };
}

/** Whole lines from there, and how far they reach; 0: there is none yet. */
async function readPiece(
  { path }: Segment,
  offset: number,
  length: number,
): Promise<{ readonly lines: AuditJson[]; readonly bytes: number }> {
  const handle = await open(path, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    const end = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
    // What has no end for so long was not written by a broker, and is passed over.
    if (end === 0) return { lines: [], bytes: bytesRead === length ? length : 0 };
    const texts = buffer.toString("utf8", 0, end).split("\n");
    const lines = texts.map((text) => parseAuditLine(text)?.line);
    return { lines: lines.filter((line) => line !== undefined), bytes: end };
  } finally {
    await handle.close();
  }
}
