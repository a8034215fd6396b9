/**
 * Reads the bytes of a backup, in whatever pieces they come, and checks all of them. Nothing is
 * believed: a length beyond its bound is refused before anything is kept for it, and only bytes
 * that reach the digest at their end are a backup.
 */
import { createHash } from "node:crypto";
import { SnapshotDecoder, type SnapshotPart } from "../snapshots/decoder.ts";
import type { SnapshotHeader } from "../snapshots/format.ts";
import { SnapshotDamage } from "../snapshots/frame-reader.ts";
import { type BackupHeader, DIGEST_BYTES, decodeHead, FIXED_BYTES, headBytes } from "./format.ts";

export type BackupPart = { readonly kind: "head"; readonly head: BackupHeader } | SnapshotPart;

/** The parts of a backup, each once it is known to be sound. Throws `SnapshotDamage`. */
export async function* readBackup(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<BackupPart> {
  const digest = createHash("sha256");
  const decoder = new SnapshotDecoder((_header, first) => first);
  let head: BackupHeader | undefined;
  // All that has come and may still turn out to be the digest, or a head that is not whole yet.
  let held: Uint8Array = new Uint8Array(0);
  for await (const piece of bytes) {
    held = Buffer.concat([held, piece]);
    if (head === undefined) {
      const length = headLength(held);
      if (length === undefined) continue;
      const whole = Buffer.from(held.subarray(0, length));
      head = decodeHead(whole);
      digest.update(whole);
      held = held.subarray(length);
      yield { kind: "head", head };
    }
    if (held.length <= DIGEST_BYTES) continue;
    const frames = held.subarray(0, held.length - DIGEST_BYTES);
    held = held.slice(frames.length);
    digest.update(frames);
    for (const part of decoder.push(frames)) {
      if (part.kind === "header") checkSame(head, part.header);
      yield part;
    }
  }
  if (head === undefined) throw new SnapshotDamage("it is cut short");
  decoder.end();
  if (!digest.digest().equals(held)) throw new SnapshotDamage("it fails its checksum");
}

/** undefined: that is not known yet, or not all of it is there. */
function headLength(held: Uint8Array): number | undefined {
  if (held.length < FIXED_BYTES) return undefined;
  const length = headBytes(Buffer.from(held.subarray(0, FIXED_BYTES)));
  return held.length < length ? undefined : length;
}

/** Each has a checksum of its own; together they must be of one snapshot. */
function checkSame(head: BackupHeader, header: SnapshotHeader): void {
  const isSame =
    head.cluster_id === header.clusterId &&
    head.snapshot_id === header.id &&
    head.index === header.index &&
    head.term === header.term;
  if (!isSame) throw new SnapshotDamage("its header is that of another one");
}
