/**
 * The service of `proto/taskqueue.proto`, loaded at start, and the shapes in which its requests
 * come from the wire: absent messages are null, other absent fields have their defaults, 64-bit
 * numbers are decimal texts, and enums are names, or numbers where this version knows no name.
 */
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";
import { protoPath } from "../proto-path.ts";
import { withBounds } from "./bounded-decoding.ts";

export const SERVICE_NAME = "taskqueue.v1.TaskQueue";

export interface WireTimestamp {
  readonly seconds: string;
  readonly nanos: number;
}
export type WireDuration = WireTimestamp;
export type WireEnum = string | number;

export interface WireContent {
  readonly content_type: string;
  readonly data: Buffer;
}

export interface WireRetry {
  readonly backoff: WireEnum;
  readonly initial_delay: WireDuration | null;
  readonly backoff_multiplier?: number;
  readonly max_delay: WireDuration | null;
  readonly delays: readonly WireDuration[];
  readonly jitter_share?: number;
  readonly jitter_kind?: WireEnum;
}

export interface WireNewTask {
  readonly id: string;
  readonly type: string;
  readonly queue: string;
  readonly payload: WireContent | null;
  readonly priority: WireEnum;
  readonly delay: WireDuration | null;
  readonly run_at: WireTimestamp | null;
  readonly expires_at: WireTimestamp | null;
  readonly expires_in: WireDuration | null;
  readonly timeout: WireDuration | null;
  readonly max_retries?: number;
  readonly retry: WireRetry | null;
  readonly idempotency_key: string;
  readonly unique_key: string;
  readonly unique_for: WireDuration | null;
  readonly unique_conflict: WireEnum;
  readonly group: string;
  readonly required_labels: readonly string[];
  readonly depends_on: readonly string[];
  readonly on_parent_failure: WireEnum;
  readonly tags: readonly string[];
  readonly metadata: string;
  readonly traceparent: string;
}

export interface SubmitTaskRequest {
  readonly task: WireNewTask | null;
}

export interface SubmitTasksRequest {
  readonly tasks: readonly WireNewTask[];
  readonly atomic: boolean;
}

export interface SubmitStreamRequest {
  readonly sequence: string;
  readonly tasks: readonly WireNewTask[];
  /** Of the whole message as it came; no field of it. */
  readonly size: number;
}

export interface ReadRequest {
  readonly consistency: WireEnum;
}

export interface GetTaskRequest extends ReadRequest {
  readonly id: string;
  readonly wait: WireDuration | null;
}

export interface ListTasksRequest extends ReadRequest {
  readonly state: WireEnum;
  readonly queue: string;
  readonly type: string;
  readonly tag: string;
  readonly group: string;
  readonly created_from: WireTimestamp | null;
  readonly created_to: WireTimestamp | null;
  readonly finished_from: WireTimestamp | null;
  readonly finished_to: WireTimestamp | null;
  readonly error: string;
  readonly limit: number;
  readonly cursor: string;
  readonly payload: boolean;
}

export interface CancelTaskRequest {
  readonly id: string;
  readonly reason: string;
}

export interface RetryTaskRequest {
  readonly id: string;
  readonly request_id: string;
}

export interface WatchTasksRequest {
  readonly after: string;
  readonly queue: string;
  readonly type: string;
  readonly id: string;
  readonly kinds: readonly WireEnum[];
}

/** Of all that `proto/taskqueue.proto` defines; what reflection tells of. */
export const DEFINITIONS: PackageDefinition = loadSync(protoPath("taskqueue.proto"), {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  arrays: true,
});

export const TASK_QUEUE: ServiceDefinition = withBounds(
  withSizes(DEFINITIONS[SERVICE_NAME] as ServiceDefinition),
  DEFINITIONS,
);

/** What waits for an answer is counted in bytes, and a decoded message no longer tells them. */
function withSizes(service: ServiceDefinition): ServiceDefinition {
  const method = service["SubmitStream"] as MethodDefinition<object, object>;
  const requestDeserialize = (bytes: Buffer): object => {
    return Object.assign(method.requestDeserialize(bytes), { size: bytes.length });
  };
  return { ...service, SubmitStream: { ...method, requestDeserialize } };
}
