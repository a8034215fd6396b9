/**
 * A backup as a stream of bytes, asked for piece by piece: at the pace of who reads it, on through
 * broken connections, and not at its end before all of it has proved to be what was sent.
 */
import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { type SnapshotJson, type SnapshotParams, TqError } from "task-queue-protocol";

export interface SnapshotOptions {
  /** As this broker has it, even if it cannot reach the others; default false. */
  readonly stale?: boolean | undefined;
}

const ID_BYTES = 16;

/**
 * Throws `position_compacted` when the broker that had begun it can no longer go on: then all of it
 * is to be asked for anew.
 */
export async function* downloadSnapshot(
  call: (params: SnapshotParams) => Promise<SnapshotJson>,
  { stale = false }: SnapshotOptions,
): AsyncGenerator<Uint8Array> {
  const id = randomBytes(ID_BYTES).toString("hex");
  const consistency = stale ? "stale" : "linearizable";
  const digest = createHash("sha256");
  for (let offset = 0; ; ) {
    const piece = await call({ id, offset, consistency });
    const bytes = Buffer.from(piece.data, "base64");
    if (piece.offset !== offset || crc32(bytes) !== piece.crc32) {
      throw new TqError("internal", `the piece at ${offset} of the snapshot is not what was sent`);
    }
    digest.update(bytes);
    offset += bytes.length;
    yield bytes;
    if (piece.sha256 === undefined) continue;
    if (digest.digest("hex") === piece.sha256) return;
    throw new TqError("internal", "the snapshot is not what was sent: its checksum differs");
  }
}
