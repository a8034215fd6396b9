/**
 * Every way in which a call can fail, turned into one status of gRPC with rich details. What is not
 * a refusal of ours is a failure: it is logged in full and shown without its details.
 */
import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";
import { ERRORS, isErrorCode, TqError } from "task-queue-protocol";
import { retryAfterSeconds } from "../operations/retry-after.ts";
import { SubmitRefused } from "../operations/submit.ts";
import { protoPath } from "../proto-path.ts";
import { AssertionError } from "../queue/index.ts";
import type { GrpcLogger } from "./context.ts";
import { STATUS_MESSAGE_BYTES_MAX } from "./limits.ts";
import { toDuration } from "./values.ts";

const DETAILS_KEY = "grpc-status-details-bin";
const DOMAIN = "task-queue";

const definitions = loadSync(protoPath("error-details.proto"), { keepCase: true });

/** `what`: the call, for the log. */
export function toStatus(error: unknown, what: string, logger: GrpcLogger): StatusObject {
  const refusal = toRefusal(error);
  if (refusal !== undefined) return statusOf(refusal);
  // A broken invariant must stop the process rather than be answered; a turn of its own lets it.
  if (error instanceof AssertionError) {
    setImmediate(() => {
      throw error;
    });
  }
  logger.error({ err: error, call: what }, "a gRPC call failed");
  return statusOf(new TqError("internal", "the broker failed to answer; its log says why"));
}

/** What ends the streams of a broker that closes. */
export function stopping(): TqError {
  return new TqError("no_leader", "this broker is about to stop; go on at another one");
}

function statusOf(error: TqError): StatusObject {
  const code = status[ERRORS[error.code].grpc as keyof typeof status];
  const details = presentable(error.message);
  const metadata = new Metadata();
  const packed = { code, message: details, details: detailsOf(error) };
  metadata.set(DETAILS_KEY, encode("Status", packed));
  return { code, details, metadata };
}

function detailsOf(error: TqError): object[] {
  const ids = error instanceof SubmitRefused ? { task_id: error.taskId } : {};
  const details = [pack("ErrorInfo", { reason: error.code, domain: DOMAIN, metadata: ids })];
  if (error.field !== undefined) {
    // In JSON a duration has its unit in its name, here it has a type.
    const field = presentable(error.field.replace(/_ms(?=$|\[)/, ""));
    const description = presentable(error.message);
    details.push(pack("BadRequest", { field_violations: [{ field, description }] }));
  }
  const seconds = retryAfterSeconds(error);
  if (seconds !== undefined) {
    details.push(pack("RetryInfo", { retry_delay: toDuration(seconds * 1000) }));
  }
  return details;
}

function pack(name: string, message: object): object {
  return { type_url: `type.googleapis.com/google.rpc.${name}`, value: encode(name, message) };
}

function encode(name: string, message: object): Buffer {
  const type = definitions[`google.rpc.${name}`] as MessageTypeDefinition<object, object>;
  return type.serialize(message);
}

/**
 * Short enough for a header, and without half a character, on which the library's own encoding of
 * headers would throw.
 */
function presentable(text: string): string {
  return Buffer.from(text).subarray(0, STATUS_MESSAGE_BYTES_MAX).toString();
}

function toRefusal(error: unknown): TqError | undefined {
  if (error instanceof TqError) return error;
  const { code, message } = error as { code?: unknown; message?: string };
  // The same class may be loaded twice where a program embeds the broker.
  return typeof code === "string" && isErrorCode(code)
    ? new TqError(code, message ?? "")
    : undefined;
}
