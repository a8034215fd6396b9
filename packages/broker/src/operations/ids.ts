/**
 * Task ids at the edges. New ones are minted from the cluster's clock, not this machine's, because
 * a task whose id's time is far from the cluster's is refused.
 */
import { randomFillSync } from "node:crypto";
import { parseTaskId, TqError } from "task-queue-protocol";
import { V7Generator } from "uuidv7";
import type { TaskId } from "../queue/index.ts";
import { shown } from "./invalid.ts";

/** Bytes drawn at a time: a call for the few of one id would cost more than the rest of it. */
const RANDOM_BYTES = 4096;

const generator = new V7Generator({ nextUint32 });
const random = Buffer.alloc(RANDOM_BYTES);
let used = RANDOM_BYTES;

/** The id of a task that is being asked for. A text that is no id names no task: `not_found`. */
export function idToFind(text: unknown): TaskId {
  const id = typeof text === "string" ? parseTaskId(text) : undefined;
  if (id !== undefined) return id;
  const message = `there is no task ${shown(text)}: a task id is a UUID of version 7`;
  throw new TqError("not_found", message, { field: "id" });
}

/** A new id whose time is `now`, ms since 1970 on the cluster's clock. */
export function mintId(now: number): TaskId {
  return Uint8Array.from(generator.generateOrResetWithTs(Math.max(0, Math.floor(now))).bytes);
}

function nextUint32(): number {
  if (used === RANDOM_BYTES) {
    randomFillSync(random);
    used = 0;
  }
  const word = random.readUInt32LE(used);
  used += 4;
  return word;
}
