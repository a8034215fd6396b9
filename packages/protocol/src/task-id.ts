/**
 * Task ids: 16 bytes on the wire and inside the broker, the usual 36 characters for people. A task
 * id is a UUID of version 7 (RFC 9562): its first 48 bits are the millisecond it was made.
 */
import { ProtocolError } from "./protocol-error.ts";

export const TASK_ID_BYTES = 16;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** The 36-character form, lower case. */
export function formatTaskId(id: Uint8Array): string {
  if (id.length !== TASK_ID_BYTES) throw new ProtocolError("a task id has 16 bytes");
  let text = "";
  for (let i = 0; i < TASK_ID_BYTES; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += HEX[id[i]!];
  }
  return text;
}

/** The bytes of a UUIDv7 in its 36-character form; undefined when it is not one. */
export function parseTaskId(text: string): Uint8Array | undefined {
  if (!TEXT.test(text)) return undefined;
  const digits = text.replaceAll("-", "");
  const id = new Uint8Array(TASK_ID_BYTES);
  for (let i = 0; i < TASK_ID_BYTES; i++)
    id[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return id;
}

/** Is it a UUID of version 7, RFC 9562 variant? */
export function isTaskId(id: Uint8Array): boolean {
  return id.length === TASK_ID_BYTES && (id[6]! & 0xf0) === 0x70 && (id[8]! & 0xc0) === 0x80;
}
