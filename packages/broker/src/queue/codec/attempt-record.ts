/** The record of an attempt that ended without finishing its task; its number is in the key. */
import type { Attempt, AttemptOutcome } from "../task.ts";
import { ATTEMPT_OUTCOMES } from "../task.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter } from "./writer.ts";

const ATTEMPT_FORMAT = 1;

export function encodeAttempt(attempt: Attempt): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(ATTEMPT_FORMAT);
  out.text(attempt.session);
  out.text(attempt.worker);
  out.uint(attempt.token);
  out.uint(attempt.startedAt);
  out.uint(attempt.endedAt);
  out.byte(attempt.outcome === undefined ? 0 : ATTEMPT_OUTCOMES.indexOf(attempt.outcome) + 1);
  out.flag(attempt.error !== undefined);
  if (attempt.error !== undefined) {
    out.text(attempt.error.message);
    out.text(attempt.error.stack);
  }
  return out.finish();
}

/** @throws CodecError */
export function decodeAttempt(bytes: Uint8Array, number: number): Attempt {
  const from = new Reader(bytes);
  readFormat(from, ATTEMPT_FORMAT);
  const attempt = {
    number,
    session: from.text(),
    worker: from.text(),
    token: from.uint(),
    startedAt: from.uint(),
    endedAt: from.uint(),
    outcome: readOutcome(from),
    error: from.flag() ? { message: from.text(), stack: from.text() } : undefined,
  };
  from.end();
  return attempt;
}

function readOutcome(from: Reader): AttemptOutcome | undefined {
  const outcome = from.choice(ATTEMPT_OUTCOMES.length + 1);
  return outcome === 0 ? undefined : ATTEMPT_OUTCOMES[outcome - 1];
}
