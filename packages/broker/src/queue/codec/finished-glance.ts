/**
 * What a list asks of every finished task that it passes, most of which it does not want: read from
 * the record without taking it to pieces, in a fraction of the time.
 */
import { stateName } from "../state-number.ts";
import type { FinishedSummary } from "../view.ts";
import { CodecError } from "./codec-error.ts";
import {
  FULL_FINISHED,
  HAS_CONTENT,
  HAS_ERROR,
  HAS_FINAL,
  HAS_OTHER_QUEUE,
  HAS_REQUEST,
  HAS_RESULT,
  PLAIN_FINISHED,
} from "./finished-record.ts";
import { skipPolicy } from "./policy.ts";
import { Reader } from "./reader.ts";

const REQUEST_BYTES = 8;

/** What most lists choose by. */
export type FinishedGlance = Pick<
  FinishedSummary,
  "state" | "type" | "queue" | "createdAt" | "finishedAt"
>;

/**
 * A fraction of `decodeFinished`, in a fraction of its time. Of a record that is whole; what is not
 * looked at is not checked either. @throws CodecError
 */
export function glance(bytes: Uint8Array): FinishedGlance {
  const from = new Reader(bytes);
  const format = from.byte();
  if (format !== PLAIN_FINISHED && format !== FULL_FINISHED) {
    throw new CodecError(`unknown format ${format}`);
  }
  const isPlain = format === PLAIN_FINISHED;
  const state = stateName(from.byte());
  const parts = from.byte();
  const createdAt = from.uint();
  from.uint(); // startedAt
  const finishedAt = from.uint();
  from.uint(); // attempt
  from.uint(); // failures
  skipPolicy(from, isPlain ? 1 : 2);
  from.uint(); // endedToken
  from.skip(1); // endedOutcome
  if (parts & HAS_REQUEST) from.skip(REQUEST_BYTES);
  if (!isPlain) for (let i = 0; i < 3; i++) from.uint(); // order, contentBytes, logLines
  skipEnding(from, parts);
  const ended = parts & HAS_OTHER_QUEUE ? from.text() : undefined;
  if (parts & HAS_CONTENT) {
    from.uint(); // its length
    from.byte(); // its format
  }
  const type = from.text();
  return { state, createdAt, finishedAt, type, queue: ended ?? from.text() };
}

function skipEnding(from: Reader, parts: number): void {
  if (parts & HAS_FINAL) {
    from.skip(from.uint());
    from.skip(from.uint());
  }
  if (parts & HAS_ERROR) {
    from.skip(from.uint());
    from.skip(from.uint());
  }
  if (parts & HAS_RESULT) {
    from.skip(1);
    from.skip(from.uint());
  }
}
