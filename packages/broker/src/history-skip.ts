/**
 * Passing over parts of the history backwards. Its summaries say from an id on where the next task
 * may be that matches; who reads the newest first wants to know where the last one may be before an
 * id. That is found by halving the time that ids carry: some fifty looks, a tenth of a millisecond
 * each for ten million tasks.
 */
import { TASK_ID_BYTES } from "task-queue-protocol";
import type { TaskId } from "./queue/index.ts";

/** Of a UUIDv7 the first 48 bits are a time. */
const TIME_BYTES = 6;
export const TIMES = 2 ** 48;

/**
 * An id, at most `before`, from which to `before` nothing can match; `before` itself when something
 * may be close to it. Undefined: nothing can match at all. `before` undefined: beyond all ids.
 */
export function idBefore(
  before: TaskId | undefined,
  skipTo: (from: TaskId) => TaskId | undefined,
): TaskId | undefined {
  const mayMatchFrom = (time: number): boolean => {
    const next = skipTo(idAt(time));
    return next !== undefined && (before === undefined || Buffer.compare(next, before) < 0);
  };
  let last = 0;
  let end = before === undefined ? TIMES : timeOf(before) + 1;
  if (!mayMatchFrom(0)) return undefined;
  while (end - last > 1) {
    const middle = last + Math.floor((end - last) / 2);
    if (mayMatchFrom(middle)) last = middle;
    else end = middle;
  }
  // Something may match in the millisecond `last`, and nothing from `end` on.
  if (end === TIMES) return idAt(TIMES - 1);
  const edge = idAt(end);
  return before !== undefined && Buffer.compare(edge, before) >= 0 ? before : edge;
}

export function timeOf(id: TaskId): number {
  return Buffer.from(id.buffer, id.byteOffset, TIME_BYTES).readUIntBE(0, TIME_BYTES);
}

/** The smallest id of a time. */
export function idAt(time: number): TaskId {
  const id = new Uint8Array(TASK_ID_BYTES);
  Buffer.from(id.buffer).writeUIntBE(time, 0, TIME_BYTES);
  return id;
}
