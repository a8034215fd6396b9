/**
 * Where a list goes on: which half (live or finished) and after which task. Opaque to callers, so
 * that its contents may change; a version byte tells an old one apart.
 */
import { TASK_ID_BYTES } from "task-queue-protocol";
import type { TaskId } from "../queue/index.ts";
import { invalid } from "./invalid.ts";

export interface ListCursor {
  readonly half: "live" | "finished";
  /** Exclusive; undefined = from the start of that half. */
  readonly after: TaskId | undefined;
}

const VERSION = 1;
const HALVES = ["live", "finished"] as const;

export function encodeCursor(cursor: ListCursor): string {
  const head = Buffer.from([VERSION, HALVES.indexOf(cursor.half)]);
  return Buffer.concat([head, cursor.after ?? Buffer.alloc(0)]).toString("base64url");
}

/** Throws `invalid_request` for a text that `encodeCursor` did not make. */
export function decodeCursor(text: string): ListCursor {
  const bytes = Buffer.from(text, "base64url");
  const half = HALVES[bytes[1] ?? HALVES.length];
  const whole = bytes.length === 2 || bytes.length === 2 + TASK_ID_BYTES;
  const same = bytes.toString("base64url") === text;
  if (bytes[0] !== VERSION || half === undefined || !whole || !same) {
    throw invalid("cursor", "not a cursor of this list; send back next_cursor as it was given");
  }
  return { half, after: bytes.length === 2 ? undefined : Uint8Array.from(bytes.subarray(2)) };
}
