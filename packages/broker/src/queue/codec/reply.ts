/** Replies as bytes: what a leader sends back to the follower that forwarded a command. */
import { assert } from "../assert.ts";
import type { RefusalCode, Reply } from "../reply.ts";
import type { TaskState } from "../task.ts";
import { TASK_STATES } from "../task.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter } from "./writer.ts";

const REPLY_FORMAT = 1;
const ID_BYTES = 16;
const ACCEPTED = 0;
const LEASED = 1;
const REFUSED = 2;
const KINDS = 3;

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
  out.byte(REPLY_FORMAT);
  if (reply.code === "ok") {
    out.byte(ACCEPTED);
    out.flag(reply.id !== undefined);
    if (reply.id !== undefined) {
      assert(reply.id.length === ID_BYTES, "a task id has 16 bytes");
      out.raw(reply.id);
    }
    out.byte(reply.state === undefined ? 0 : TASK_STATES.indexOf(reply.state) + 1);
    out.flag(reply.duplicate);
  } else if (reply.code === "leased") {
    out.byte(LEASED);
    out.uint(reply.granted);
    out.uint(reply.tokens.length);
    for (const token of reply.tokens) out.uint(token);
  } else {
    out.byte(REFUSED);
    out.byte(REFUSAL_CODES.indexOf(reply.code));
    out.text(reply.message);
  }
  return out.finish();
}

/** @throws CodecError */
export function decodeReply(bytes: Uint8Array): Reply {
  const from = new Reader(bytes);
  readFormat(from, REPLY_FORMAT);
  const reply = readReply(from, from.choice(KINDS));
  from.end();
  return reply;
}

function readReply(from: Reader, kind: number): Reply {
  if (kind === ACCEPTED) {
    const id = from.flag() ? from.raw(ID_BYTES) : undefined;
    const state = from.choice(TASK_STATES.length + 1);
    return {
      code: "ok",
      id,
      state: state === 0 ? undefined : (TASK_STATES[state - 1] as TaskState),
      duplicate: from.flag(),
    };
  }
  if (kind === LEASED) {
    const granted = from.uint();
    const tokens: number[] = [];
    const count = from.count();
    for (let i = 0; i < count; i++) tokens.push(from.uint());
    return { code: "leased", granted, tokens };
  }
  const code = REFUSAL_CODES[from.choice(REFUSAL_CODES.length)] as RefusalCode;
  return { code, message: from.text() };
}
