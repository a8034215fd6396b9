/** Ids by their time: the first 48 bits of a UUIDv7 (RFC 9562) are milliseconds since 1970. */
import { TASK_ID_BYTES } from "task-queue-protocol";
import type { TaskId } from "./queue/index.ts";

const TIME_BYTES = 6;
export const TIMES = 2 ** 48;

/** The smallest id of a time. */
export function idAt(time: number): TaskId {
  const id = new Uint8Array(TASK_ID_BYTES);
  Buffer.from(id.buffer).writeUIntBE(time, 0, TIME_BYTES);
  return id;
}
