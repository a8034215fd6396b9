/**
 * Every way in which a request can fail, turned into one problem document. What is not a refusal of
 * ours is a failure: it is logged in full and shown without its details.
 */
import type { Socket } from "node:net";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { isErrorCode, TqError } from "task-queue-protocol";
import type { Broker } from "../operations/broker.ts";
import { AssertionError } from "../queue/index.ts";
import type { RestLogger } from "./context.ts";
import { HttpRefusal, PROBLEM_TYPE, pathOf, problemOf, sendProblem } from "./problem.ts";

/** For `setErrorHandler` and for errors that come before a route is known. */
export function answerError(
  logger: RestLogger,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const refusal = toRefusal(error);
  if (refusal !== undefined) return sendProblem(request, reply, refusal);
  // A broken invariant must stop the process rather than be answered; a turn of its own lets it.
  if (error instanceof AssertionError) {
    setImmediate(() => {
      throw error;
    });
  }
  logger.error({ ...whichRequest(request), err: error }, "request failed");
  const detail = "the broker failed to answer; its log says why";
  return sendProblem(request, reply, new TqError("internal", detail));
}

/** How the log names a request. */
export function whichRequest({ id, method, url }: FastifyRequest): object {
  return { requestId: id, method, path: pathOf(url) };
}

/**
 * A request that is not HTTP, or came too slowly: answered on the bare socket, then cut. Without
 * `broker` the answer does not tell whose it is.
 */
export function answerBrokenRequest(
  broker: Broker | undefined,
  error: NodeJS.ErrnoException,
  socket: Socket,
): void {
  // A peer that has reset the connection hears nothing anyway.
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason, detail] = brokenRequest(error.code);
  const problem = problemOf(new HttpRefusal(status, "invalid_request", detail));
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  if (broker !== undefined) {
    head.push(`X-TQ-Node: ${broker.nodeId}`, `X-TQ-Applied-Index: ${broker.applied}`);
  }
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

function brokenRequest(code: string | undefined): readonly [number, string, string] {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [408, "Request Timeout", "the request came too slowly"];
    case "HPE_HEADER_OVERFLOW":
      return [431, "Request Header Fields Too Large", "the headers are too large"];
    default:
      return [400, "Bad Request", "this is not an HTTP request"];
  }
}

function toRefusal(error: unknown): TqError | undefined {
  if (error instanceof TqError) return error;
  const { code, statusCode, message } = error as Partial<FastifyError>;
  // The same class may be loaded twice where a program embeds the broker.
  if (typeof code === "string" && isErrorCode(code)) return new TqError(code, message ?? "");
  switch (code) {
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new HttpRefusal(415, "invalid_request", "send Content-Type: application/json");
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new TqError("too_large", "the request's body is too large");
    default:
      break;
  }
  if (statusCode === undefined || statusCode < 400 || statusCode > 499) return undefined;
  return new HttpRefusal(statusCode, "invalid_request", message ?? "");
}
