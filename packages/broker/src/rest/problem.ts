/**
 * Refusals as problem documents (RFC 9457). `type` is a path on this broker that explains the code.
 * The HTTP status is the code's, except for the few refusals of HTTP itself, which share a code.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { ERRORS, type ErrorCode, TqError } from "task-queue-protocol";
import { withoutSecrets } from "../operations/key-text.ts";
import { retryAfterSeconds } from "../operations/retry-after.ts";
import { SubmitRefused } from "../operations/submit.ts";

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";
const INSTANCE_LENGTH_MAX = 200;

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly field?: string;
  /** The path that was asked for. */
  readonly instance?: string;
  /** As in the answer's X-Request-Id and in the log. */
  readonly request_id?: string;
  /** The id under which a submit was tried: sending it again with this id is safe. */
  readonly task_id?: string;
  readonly [extension: string]: unknown;
}

/** A refusal whose HTTP status is not that of its code. */
export class HttpRefusal extends TqError {
  readonly status: number;

  constructor(status: number, code: ErrorCode, message: string) {
    super(code, message);
    this.status = status;
  }
}

export function problemOf(error: TqError, url?: string): Problem {
  const { title, http, retryable } = ERRORS[error.code];
  return {
    type: `/errors/${error.code}`,
    title,
    status: error instanceof HttpRefusal ? error.status : http,
    detail: error.message,
    code: error.code,
    retryable,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(url === undefined ? {} : { instance: pathOf(url) }),
    ...(error instanceof SubmitRefused ? { task_id: error.taskId } : {}),
  };
}

export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  error: TqError,
  extensions: Readonly<Record<string, unknown>> = {},
): FastifyReply {
  request.refusedWith = error.code;
  const problem = { ...problemOf(error, request.url), request_id: request.id, ...extensions };
  if (problem.status === 401) reply.header("www-authenticate", "Bearer");
  const retryAfter = retryAfterSeconds(error, problem.status);
  if (retryAfter !== undefined) reply.header("retry-after", retryAfter);
  return reply.code(problem.status).header("content-type", PROBLEM_TYPE).send(problem);
}

/** Without the query and the secret of a key, which should not be repeated. */
export function pathOf(url: string): string {
  return withoutSecrets(url.split("?", 1)[0]!).slice(0, INSTANCE_LENGTH_MAX);
}
