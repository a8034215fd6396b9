/**
 * A backup of the whole state, piece by piece: who asks names it, and asks for one piece after the
 * other. Every answer is checked by itself and the whole by the last one, because what comes out is
 * to be restored from on the worst of days.
 */
import type { SnapshotJson } from "task-queue-protocol";
import type { Broker } from "./broker.ts";
import { invalid } from "./invalid.ts";
import type { Fields } from "./read-fields.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";

/** The piece at 0 is of a state that includes all that a read would find. */
export async function readSnapshot(
  broker: Broker,
  params: Fields,
  read: ReadOptions,
): Promise<Answer<SnapshotJson>> {
  const id = params.string("id") ?? "";
  if (!/^[0-9a-f]{32}$/.test(id)) throw invalid("id", "32 hex digits, drawn by you for this one");
  const offset = params.integer("offset") ?? 0;
  if (offset < 0) throw invalid("offset", "0 or more");
  const index = offset === 0 ? await barrier(broker, read) : broker.applied;
  const { bytes, crc32, sha256 } = await broker.backupPiece(id, offset, index);
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  const end = sha256 === undefined ? {} : { sha256 };
  return { value: { offset, data, crc32, ...end }, index };
}
