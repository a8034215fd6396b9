/** What every route needs, and the settings that the REST edge reads. */
import type { CountRequest } from "../observe/api-figures.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Access } from "../operations/access.ts";
import type { Audit } from "../operations/audit.ts";
import type { Broker } from "../operations/broker.ts";
import type { SubmitSettings } from "../operations/submit.ts";
import type { RetryPolicy } from "../queue/index.ts";

/** The part of the broker's configuration that matters here. */
export interface RestConfig {
  readonly api: {
    readonly host: string;
    readonly restPort: number;
    /** Names that are answered to, in small letters; undefined = any. */
    readonly allowedHosts?: readonly string[] | undefined;
  };
  readonly broker: { readonly maxPayloadBytes: number; readonly queueDepthThreshold: number };
  readonly retry: RetryPolicy;
}

export interface RestLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RestContext {
  readonly broker: Broker;
  readonly access: Access;
  /** Names that are answered to; undefined = any. */
  readonly hosts?: readonly string[] | undefined;
  /** Told of administrative actions; nobody is without it. */
  readonly audit?: Audit | undefined;
  readonly settings: SubmitSettings;
  readonly logger: RestLogger;
  /** Without it there is no `/metrics`. */
  readonly metrics?: Metrics | undefined;
  /** Hears of each request that was answered. */
  readonly countRequest?: CountRequest | undefined;
  /** What an operator should see to although requests are served; undefined: nothing. */
  readonly warning?: (() => string | undefined) | undefined;
  /** Aborted when the server closes: ends what is waiting. */
  readonly closing: AbortSignal;
}
