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

/** The status and the words for whatever was thrown. */
export function explain(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof CliError) return { status: error.status, message: error.message };
  if (error instanceof TqError) {
    const fix = error.code === "unauthenticated" ? "; TQ_API_KEY or --api-key-file gives one" : "";
    return { status: STATUS_OF[error.code], message: `${error.code}: ${error.message}${fix}` };
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return { status: EXIT.temporary, message: error.message };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { status: EXIT.internal, message: text };
}
