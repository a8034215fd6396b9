/**
 * The one error catalogue: every refusal that tq can answer with, on every door. REST turns a code
 * into an HTTP status and a problem document (RFC 9457), the worker protocol and gRPC carry the
 * code.
 */

export interface ErrorKind {
  /** HTTP status. */
  readonly http: number;
  /** gRPC status name. */
  readonly grpc: string;
  /** May the same request, unchanged, succeed later? */
  readonly retryable: boolean;
  readonly title: string;
}

export const ERRORS = {
  invalid_request: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    retryable: false,
    title: "The request is not valid",
  },
  unknown_field: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    retryable: false,
    title: "The request has a field that does not exist",
  },
  unauthenticated: {
    http: 401,
    grpc: "UNAUTHENTICATED",
    retryable: false,
    title: "A valid key is needed",
  },
  permission_denied: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    retryable: false,
    title: "The key does not permit this",
  },
  not_found: { http: 404, grpc: "NOT_FOUND", retryable: false, title: "There is no such thing" },
  state_conflict: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The present state does not allow this",
  },
  stale_token: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    retryable: false,
    title: "The lease is no longer held",
  },
  position_compacted: {
    http: 410,
    grpc: "OUT_OF_RANGE",
    retryable: false,
    title: "The position is no longer kept",
  },
  too_large: {
    http: 413,
    grpc: "RESOURCE_EXHAUSTED",
    retryable: false,
    title: "The request is too large",
  },
  idempotency_mismatch: {
    http: 422,
    grpc: "ALREADY_EXISTS",
    retryable: false,
    title: "The same id or key was used with other content",
  },
  id_out_of_window: {
    http: 422,
    grpc: "OUT_OF_RANGE",
    retryable: false,
    title: "The task id's time is outside the accepted window",
  },
  queue_full: {
    http: 429,
    grpc: "RESOURCE_EXHAUSTED",
    retryable: true,
    title: "The queue is full",
  },
  rate_limited: {
    http: 429,
    grpc: "RESOURCE_EXHAUSTED",
    retryable: true,
    title: "Too many requests",
  },
  overloaded: {
    http: 429,
    grpc: "RESOURCE_EXHAUSTED",
    retryable: true,
    title: "The broker is overloaded",
  },
  no_leader: {
    http: 503,
    grpc: "UNAVAILABLE",
    retryable: true,
    title: "The cluster has no leader; nothing was done",
  },
  outcome_unknown: {
    http: 504,
    grpc: "UNKNOWN",
    retryable: true,
    title: "It is not known whether the request took effect",
  },
  disk_full: {
    http: 507,
    grpc: "RESOURCE_EXHAUSTED",
    retryable: true,
    title: "The disk is nearly full",
  },
  internal: { http: 500, grpc: "INTERNAL", retryable: false, title: "The broker failed to answer" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal as it travels: a code of the catalogue and one sentence for a person. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  /** Dotted path of the offending field, where there is one: `tasks[3].delay_ms`. */
  readonly field?: string;
}
