/** What every call needs, and the settings that the gRPC edge reads. */
import type { CountRequest } from "../observe/api-figures.ts";
import type { Access } from "../operations/access.ts";
import type { Audit } from "../operations/audit.ts";
import type { Broker } from "../operations/broker.ts";
import type { SubmitSettings } from "../operations/submit.ts";
import type { RetryPolicy } from "../queue/index.ts";

/** The part of the broker's configuration that matters here. */
export interface GrpcConfig {
  readonly api: { readonly host: string; readonly grpcPort: number };
  readonly broker: { readonly maxPayloadBytes: number; readonly queueDepthThreshold: number };
  readonly retry: RetryPolicy;
}

export interface GrpcLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface GrpcContext {
  readonly broker: Broker;
  readonly access: Access;
  /** Told of administrative actions; nobody is without it. */
  readonly audit?: Audit | undefined;
  readonly settings: SubmitSettings;
  readonly logger: GrpcLogger;
  /** Hears of each call that has ended. */
  readonly countRequest?: CountRequest | undefined;
  /** Aborted when the server closes: ends what is waiting. */
  readonly closing: AbortSignal;
}
