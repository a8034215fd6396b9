/**
 * Exit statuses: 0 = done, 1 = answered and the answer is "no", anything else from BSD's
 * sysexits(3), so that a script can tell a refusal from an outage.
 */
import { type ErrorCode, TqError } from "task-queue-client";

export const EXIT = {
  ok: 0,
  no: 1,
  usage: 64,
  data: 65,
  notFound: 66,
  unavailable: 69,
  internal: 70,
  temporary: 75,
  permission: 77,
  config: 78,
} as const;

const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  invalid_request: EXIT.data,
  unknown_field: EXIT.data,
  unauthenticated: EXIT.permission,
  permission_denied: EXIT.permission,
  not_found: EXIT.notFound,
  state_conflict: EXIT.no,
  stale_token: EXIT.no,
  position_compacted: EXIT.data,
  too_large: EXIT.data,
  idempotency_mismatch: EXIT.data,
  id_out_of_window: EXIT.data,
  queue_full: EXIT.temporary,
  rate_limited: EXIT.temporary,
  overloaded: EXIT.temporary,
  no_leader: EXIT.unavailable,
  outcome_unknown: EXIT.temporary,
  disk_full: EXIT.temporary,
  internal: EXIT.internal,
};

/** Something that ends the program with a status and a message for a person. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}

/** What could not be written may be when there is room again. */
export function unwritten(path: string, cause: unknown): CliError {
  return new CliError(EXIT.temporary, `${path}: ${(cause as Error).message}`, cause);
}

/** Verbs that brokers have since a version of the cluster. */
const SINCE: Readonly<Record<string, number>> = { create_key: 4, keys: 4, revoke_key: 4 };

function tooOld(verb: string): string {
  const since = SINCE[verb];
  const needs = since === undefined ? "upgrade them" : `it needs cluster version ${since}`;
  return `the brokers are too old for that: ${needs}; see tq-admin upgrade status`;
}

/** A file that somebody named and that cannot be read, in words for a person. */
export function unread(what: string, path: string, cause: unknown, status: number): CliError {
  const words = fileWords(path, cause);
  return new CliError(status, what === "" ? words : `${what}: ${words}`, cause);
}

/** Why nothing can be read from, or written to, the file of this name. */
export function fileWords(path: string, cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") return `there is no such file or folder: ${path}`;
  if (code === "EACCES") return `permission denied: ${path}`;
  if (code === "EISDIR") return `it is a folder: ${path}`;
  return message.includes(path) ? message : `${path}: ${message}`;
}

/** The status and the words for whatever was thrown. */
export function explain(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof CliError) return { status: error.status, message: error.message };
  if (error instanceof TqError) {
    const verb = /^there is no verb "?(\w+)/.exec(error.message)?.[1];
    if (verb !== undefined) return { status: EXIT.no, message: tooOld(verb) };
    const fix = error.code === "unauthenticated" ? "; TQ_API_KEY or --api-key-file gives one" : "";
    return { status: STATUS_OF[error.code], message: `${error.code}: ${error.message}${fix}` };
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return { status: EXIT.temporary, message: error.message };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { status: EXIT.internal, message: text };
}
