/** Replies as bytes: what a leader sends back to the follower that forwarded a command. */
import { assert } from "../assert.ts";
import type { Accepted, RefusalCode, Reply } from "../reply.ts";
import type { TaskState } from "../task.ts";
import { TASK_STATES } from "../task.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter, type Writer } from "./writer.ts";

/** All that a program before version 3 knows; stands wherever it is enough. */
const PLAIN_REPLY = 1;
const FULL_REPLY = 2;
const ID_BYTES = 16;
const ACCEPTED = 0;
const LEASED = 1;
const REFUSED = 2;
const PLAIN_KINDS = 3;
const SUBMITTED = 3;
const REFUSED_AT = 4;
const KINDS = 5;

/** Position = stored number. Append only. */
export const REFUSAL_CODES: readonly RefusalCode[] = [
  "not_found",
  "state_conflict",
  "stale_token",
  "idempotency_mismatch",
  "id_out_of_window",
  "queue_full",
  "permission_denied",
  "overloaded",
  "invalid_request",
];

export function encodeReply(reply: Reply): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(isPlain(reply) ? PLAIN_REPLY : FULL_REPLY);
  if (reply.code === "ok") {
    out.byte(ACCEPTED);
    writeAccepted(out, reply);
  } else if (reply.code === "leased") {
    out.byte(LEASED);
    out.uint(reply.granted);
    out.uint(reply.tokens.length);
    for (const token of reply.tokens) out.uint(token);
  } else if (reply.code === "submitted") {
    out.byte(SUBMITTED);
    out.uint(reply.tasks.length);
    for (const task of reply.tasks) writeAccepted(out, task);
  } else {
    out.byte(reply.at === undefined ? REFUSED : REFUSED_AT);
    out.byte(REFUSAL_CODES.indexOf(reply.code));
    out.text(reply.message);
    if (reply.at !== undefined) out.uint(reply.at);
  }
  return out.finish();
}

function isPlain(reply: Reply): boolean {
  return reply.code !== "submitted" && !("at" in reply);
}

function writeAccepted(out: Writer, { id, state, duplicate }: Accepted): void {
  out.flag(id !== undefined);
  if (id !== undefined) {
    assert(id.length === ID_BYTES, "a task id has 16 bytes");
    out.raw(id);
  }
  out.byte(state === undefined ? 0 : TASK_STATES.indexOf(state) + 1);
  out.flag(duplicate);
}

/** @throws CodecError */
export function decodeReply(bytes: Uint8Array): Reply {
  const from = new Reader(bytes);
  const isFull = bytes[0] === FULL_REPLY;
  readFormat(from, isFull ? FULL_REPLY : PLAIN_REPLY);
  const reply = readReply(from, from.choice(isFull ? KINDS : PLAIN_KINDS));
  from.end();
  return reply;
}

function readReply(from: Reader, kind: number): Reply {
  if (kind === ACCEPTED) return readAccepted(from);
  if (kind === LEASED) {
    const granted = from.uint();
    const tokens: number[] = [];
    const count = from.count();
    for (let i = 0; i < count; i++) tokens.push(from.uint());
    return { code: "leased", granted, tokens };
  }
  if (kind === SUBMITTED) {
    const tasks: Accepted[] = [];
    for (let left = from.count(); left > 0; left--) tasks.push(readAccepted(from));
    return { code: "submitted", tasks };
  }
  const code = REFUSAL_CODES[from.choice(REFUSAL_CODES.length)] as RefusalCode;
  const message = from.text();
  return kind === REFUSED ? { code, message } : { code, message, at: from.uint() };
}

function readAccepted(from: Reader): Accepted {
  const id = from.flag() ? from.raw(ID_BYTES) : undefined;
  const state = from.choice(TASK_STATES.length + 1);
  return {
    code: "ok",
    id,
    state: state === 0 ? undefined : (TASK_STATES[state - 1] as TaskState),
    duplicate: from.flag(),
  };
}
