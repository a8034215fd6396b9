/**
 * Between the bytes that travel and the values that handlers see. A result that cannot travel is a
 * bug of the handler that no further attempt repairs, hence `NonRetryable`.
 */
import type { CompleteItem, DeliveredTask, FailItem } from "task-queue-protocol";
import { NonRetryable, RetryAfter } from "../errors.ts";

export const ERROR_MESSAGE_BYTES_MAX = 4 * 1024;
export const ERROR_STACK_BYTES_MAX = 8 * 1024;

const RETRY_AFTER_MS_MAX = 365 * 24 * 3_600_000;

/** What a handler that returns nothing has for a result. */
const NOTHING: Uint8Array = Buffer.from("null");

/** A JSON value, or the bytes themselves. */
export function decodePayload(task: DeliveredTask): unknown {
  if (task.payloadType === "binary") return task.payload;
  if (task.payload.length === 0) return undefined;
  const { buffer, byteOffset, byteLength } = task.payload;
  try {
    return JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString("utf8"));
  } catch (cause) {
    throw new NonRetryable("the payload is not JSON", { cause });
  }
}

/**
 * Throws `NonRetryable` for what is neither bytes nor writable as JSON, and for what is too long.
 */
export function encodeResult(
  value: unknown,
  bytesMax: number,
): Pick<CompleteItem, "result" | "resultType"> {
  const binary = value instanceof Uint8Array;
  const result = binary ? value : toJson(value);
  if (result.length > bytesMax) {
    const size = `${result.length} bytes`;
    throw new NonRetryable(`the handler's result has ${size}; the broker takes ${bytesMax}`);
  }
  return { result, resultType: binary ? "binary" : "json" };
}

function toJson(value: unknown): Uint8Array {
  if (value === undefined) return NOTHING;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    throw new NonRetryable(`the handler's result cannot be written as JSON: ${why}`, { cause });
  }
  if (text === undefined) {
    throw new NonRetryable(`the handler's result is a ${typeof value}, which JSON cannot hold`);
  }
  return Buffer.from(text, "utf8");
}

/** What a handler threw, as it is reported: the words, and how the failure is to be treated. */
export function encodeFailure(thrown: unknown): Omit<FailItem, "id" | "token"> {
  const error = thrown instanceof Error ? thrown : undefined;
  const message = error === undefined ? `the handler threw ${describe(thrown)}` : wordsOf(error);
  return {
    message: clip(message, ERROR_MESSAGE_BYTES_MAX),
    stack: clip(error === undefined ? "" : textOf(() => error.stack), ERROR_STACK_BYTES_MAX),
    retryAfterMs:
      thrown instanceof RetryAfter ? Math.min(thrown.delayMs, RETRY_AFTER_MS_MAX) : undefined,
    retryable: !(thrown instanceof NonRetryable),
  };
}

/** For the log, which may write an `Error` as `{}`. */
export function describeThrown(thrown: unknown): string {
  if (!(thrown instanceof Error)) return describe(thrown);
  return textOf(() => thrown.stack) || wordsOf(thrown);
}

function wordsOf(error: Error): string {
  const message = textOf(() => error.message);
  return message === "" ? textOf(() => error.name) : message;
}

/** Libraries put objects there, and getters: what a handler throws must never end its worker. */
function textOf(read: () => unknown): string {
  try {
    const value = read();
    return value === undefined ? "" : describe(value);
  } catch {
    return "";
  }
}

function describe(thrown: unknown): string {
  try {
    return typeof thrown === "string" ? thrown : (JSON.stringify(thrown) ?? String(thrown));
  } catch {
    return `a ${typeof thrown}`;
  }
}

/** At most `bytesMax` bytes of UTF-8, cut between characters. */
export function clip(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString("utf8");
}
