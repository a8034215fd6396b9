/**
 * The pieces that several messages share: small enumerations as one byte, lists of texts and
 * numbers, results. A value outside its enumeration is an error, not a guess.
 */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { LIST_MAX } from "../limits.ts";
import type { ItemError, PayloadType } from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import type {
  BackoffName,
  LogLevelName,
  ParentFailureName,
  PriorityName,
  TaskStateName,
  UniqueConflictName,
} from "../task-json.ts";

export const PAYLOAD_TYPES = ["json", "binary"] as const satisfies readonly PayloadType[];

/** The position travels. */
export const LOG_LEVELS = [
  "debug",
  "info",
  "warn",
  "error",
] as const satisfies readonly LogLevelName[];

/** From least to most urgent; the position travels. */
export const PRIORITY_NAMES = [
  "low",
  "normal",
  "high",
  "critical",
] as const satisfies readonly PriorityName[];

/** The position travels. */
export const TASK_STATE_NAMES = [
  "scheduled",
  "blocked",
  "pending",
  "running",
  "retrying",
  "completed",
  "dead",
  "cancelled",
  "expired",
] as const satisfies readonly TaskStateName[];

/** The position travels. */
export const BACKOFF_NAMES = [
  "exponential",
  "linear",
  "fixed",
  "list",
] as const satisfies readonly BackoffName[];

/** The position travels. */
export const JITTER_NAMES = ["extra", "full", "equal"] as const;

/** The position travels. */
export const UNIQUE_CONFLICT_NAMES = [
  "keep",
  "replace",
  "reject",
] as const satisfies readonly UniqueConflictName[];

/** The position travels. */
export const PARENT_FAILURE_NAMES = [
  "fail",
  "cancel",
  "continue",
] as const satisfies readonly ParentFailureName[];

export function readChoice<T>(reader: ByteReader, choices: readonly T[], what: string): T {
  const position = reader.u8();
  const choice = choices[position];
  if (choice === undefined) throw new ProtocolError(`${position} is not a ${what}`);
  return choice;
}

export function writeChoice<T>(writer: ByteWriter, choices: readonly T[], value: T): void {
  const position = choices.indexOf(value);
  if (position < 0) throw new ProtocolError(`${String(value)} has no number in the protocol`);
  writer.u8(position);
}

export function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new ProtocolError(`a flag is ${value}, not 0 or 1`);
  return value === 1;
}

export function writeFlag(writer: ByteWriter, value: boolean): void {
  writer.u8(value ? 1 : 0);
}

/** What a reader would refuse is not written: it would cost the sender its connection. */
export function writeCount(writer: ByteWriter, count: number, max: number): void {
  if (count > max) throw new ProtocolError(`a list of ${count} is longer than ${max}`);
  writer.u32(count);
}

const STRING_BYTES_MIN = 2;
const NUMBER_BYTES = 8;

export function readStrings(reader: ByteReader, max = LIST_MAX): string[] {
  const count = reader.count(STRING_BYTES_MIN, max);
  const strings: string[] = [];
  for (let i = 0; i < count; i++) strings.push(reader.name());
  return strings;
}

export function writeStrings(writer: ByteWriter, strings: readonly string[], max = LIST_MAX): void {
  writeCount(writer, strings.length, max);
  for (const text of strings) writer.string(text);
}

export function readNumbers(reader: ByteReader, max: number): number[] {
  const count = reader.count(NUMBER_BYTES, max);
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) numbers.push(reader.u64());
  return numbers;
}

export function writeNumbers(writer: ByteWriter, numbers: readonly number[], max: number): void {
  writeCount(writer, numbers.length, max);
  for (const value of numbers) writer.u64(value);
}

/** First byte of a result. */
const OK = 0;
const DUPLICATE = 1;
const REFUSED = 2;

interface ItemOk {
  readonly ok: true;
  readonly duplicate: boolean;
}

export function writeResult<T extends ItemOk>(
  writer: ByteWriter,
  result: T | ItemError,
  writeOk: (writer: ByteWriter, ok: T) => void,
): void {
  if (result.ok) {
    writer.u8(result.duplicate ? DUPLICATE : OK);
    writeOk(writer, result);
  } else {
    writer.u8(REFUSED);
    writeRefusal(writer, result);
  }
}

export function readResult<T extends ItemOk>(
  reader: ByteReader,
  readOk: (reader: ByteReader, duplicate: boolean) => T,
): T | ItemError {
  const outcome = reader.u8();
  if (outcome === OK || outcome === DUPLICATE) return readOk(reader, outcome === DUPLICATE);
  if (outcome !== REFUSED) throw new ProtocolError(`${outcome} is not an outcome`);
  return { ok: false, ...readRefusal(reader) };
}

interface Refusal {
  readonly retryable: boolean;
  readonly code: string;
  readonly message: string;
  readonly field: string;
}

export function writeRefusal(writer: ByteWriter, refusal: Refusal): void {
  writeFlag(writer, refusal.retryable);
  writer.string(refusal.code);
  writer.string(refusal.message);
  writer.string(refusal.field);
}

export function readRefusal(reader: ByteReader): Refusal {
  return {
    retryable: readFlag(reader),
    code: reader.name(),
    message: reader.string(),
    field: reader.string(),
  };
}
