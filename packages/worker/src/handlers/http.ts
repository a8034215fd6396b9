/**
 * `http {url, method?, headers?, body?, timeout_ms?, expect_status?}`: makes one HTTP request. The
 * result is the answer's status and the beginning of its body. Redirects are not followed: a
 * redirect is a way to an address that nobody has checked.
 *
 * What is worth another attempt is retried (network trouble, 5xx, 408, 425, 429, with `Retry-After`
 * honoured); any other unexpected status goes to the dead at once.
 */
import http from "node:http";
import https from "node:https";
import { NonRetryable, RetryAfter } from "../errors.ts";
import type { Handler, TaskContext } from "../handler.ts";
import { AddressGuard } from "./addresses.ts";
import { type HttpOrder, readOrder } from "./http-order.ts";

export interface HttpOptions {
  /** Refuse loopback and private addresses; link-local ones are refused always. */
  readonly denyPrivate?: boolean;
}

export interface HttpResult {
  readonly status: number;
  readonly content_type: string;
  readonly body: string;
  readonly truncated: boolean;
}

/** Kept of the answer's body. */
export const BODY_BYTES_MAX = 4 * 1024;
const RETRY_AFTER_MS_MAX = 24 * 3_600_000;
const ERROR_BODY_CHARS = 200;
const RETRIED_4XX: readonly number[] = [408, 425, 429];

interface Answer extends HttpResult {
  readonly retryAfter: string | undefined;
}

/** The `http` handler; connections are kept open between tasks. */
export function httpHandler(options: HttpOptions = {}): Handler<unknown, HttpResult> {
  const guard = new AddressGuard(options.denyPrivate ?? false);
  const agents = {
    "http:": new http.Agent({ keepAlive: true }),
    "https:": new https.Agent({ keepAlive: true }),
  };
  return async (payload, ctx) => {
    const order = readOrder(payload);
    guard.checkHost(order.url.hostname);
    const agent = order.url.protocol === "https:" ? agents["https:"] : agents["http:"];
    const answer = await send(order, ctx, guard, agent);
    const { retryAfter, ...result } = answer;
    if (!order.expects(answer.status)) throw refusal(order, answer);
    return result;
  };
}

async function send(
  order: HttpOrder,
  ctx: TaskContext,
  guard: AddressGuard,
  agent: http.Agent,
): Promise<Answer> {
  const deadline = AbortSignal.timeout(order.timeoutMs);
  const signal = AbortSignal.any([ctx.signal, deadline]);
  try {
    return await exchange(order, ctx, guard, agent, signal);
  } catch (cause) {
    if (cause instanceof NonRetryable) throw cause;
    if (ctx.signal.aborted) throw ctx.signal.reason;
    const what = `http: ${order.method} ${order.url.origin}`;
    if (deadline.aborted) throw new Error(`${what} had no answer in ${order.timeoutMs} ms`);
    throw new Error(`${what} failed: ${messageOf(cause)}`, { cause });
  }
}

function exchange(
  order: HttpOrder,
  ctx: TaskContext,
  guard: AddressGuard,
  agent: http.Agent,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const module = order.url.protocol === "https:" ? https : http;
    const request = module.request(order.url, {
      method: order.method,
      headers: headersOf(order, ctx),
      lookup: guard.lookup,
      agent,
      signal,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      readAnswer(response).then(resolve, reject);
    });
    request.end(order.body);
  });
}

/** A receiver can tell a repeated attempt from a new task by `idempotency-key`. */
function headersOf(order: HttpOrder, ctx: TaskContext): Record<string, string> {
  const headers: Record<string, string> = {
    "user-agent": "tq-worker",
    "idempotency-key": ctx.id,
    ...order.headers,
  };
  if (ctx.traceparent !== "") headers["traceparent"] ??= ctx.traceparent;
  if (order.body !== undefined) headers["content-length"] = String(Buffer.byteLength(order.body));
  return headers;
}

async function readAnswer(response: http.IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) break; // Leaving the loop closes the connection.
  }
  return {
    status: response.statusCode ?? 0,
    content_type: response.headers["content-type"] ?? "",
    body: Buffer.concat(chunks).subarray(0, BODY_BYTES_MAX).toString("utf8"),
    truncated: bytes > BODY_BYTES_MAX,
    retryAfter: response.headers["retry-after"],
  };
}

function refusal(order: HttpOrder, answer: Answer): Error {
  const { status, body } = answer;
  const told = body.slice(0, ERROR_BODY_CHARS).trim();
  const what = `http: ${order.method} ${order.url.origin} answered ${status}`;
  const message = told === "" ? what : `${what}: ${told}`;
  if (status < 500 && !RETRIED_4XX.includes(status)) return new NonRetryable(message);
  const delayMs = parseRetryAfter(answer.retryAfter, Date.now());
  return delayMs === undefined ? new Error(message) : new RetryAfter(delayMs, message);
}

/** `Retry-After` is seconds or an HTTP date (RFC 9110, 10.2.3); undefined when it is neither. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}

/** Node reports a host whose every address failed as an `AggregateError` without a message. */
function messageOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.message === "") {
    return cause.errors.map(messageOf).join("; ");
  }
  return cause instanceof Error ? cause.message : String(cause);
}
