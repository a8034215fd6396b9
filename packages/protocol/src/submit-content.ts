/** What the submitter says of a task, as it travels in `submit` and with `complete`. */
import type {
  BackoffName,
  ParentFailureName,
  PriorityName,
  UniqueConflictName,
} from "./task-json.ts";

/** What payload and result bytes are: JSON text in UTF-8, or bytes of the caller's own. */
export type PayloadType = "json" | "binary";

/** What a submitter asks of the retry policy; absent members come from the broker's settings. */
export interface SubmitRetry {
  readonly maxRetries?: number;
  readonly initialDelayMs?: number;
  readonly multiplier?: number;
  readonly maxDelayMs?: number;
  /** 0 to 1. */
  readonly jitter?: number;
  // Since protocol version 2:
  readonly backoff?: BackoffName;
  /** Of backoff `list`, and only of that. */
  readonly delaysMs?: readonly number[];
  readonly jitterKind?: "extra" | "full" | "equal";
}

/** What can be said of a task since protocol version 2; for the broker's rules see the client. */
export interface SubmitExtras {
  /** From now; 0 = none. */
  readonly expiresInMs: number;
  /** Milliseconds since 1970; 0 = none. */
  readonly expiresAt: number;
  readonly unique:
    | {
        readonly key: string;
        /** From the submit on; 0 = while the task is live. */
        readonly forMs: number;
        readonly onConflict: UniqueConflictName;
      }
    | undefined;
  /** Empty = none. */
  readonly group: string;
  /** `key=value`. */
  readonly requires: readonly string[];
  /** 16 bytes each. */
  readonly dependsOn: readonly Uint8Array[];
  readonly onParentFailure: ParentFailureName;
}

/** What the submitter says of a task; absent texts are empty, absent numbers 0. */
export interface SubmitContent {
  readonly type: string;
  readonly queue: string;
  readonly priority: PriorityName;
  readonly payload: Uint8Array;
  readonly payloadType: PayloadType;
  /** From now; 0 = none. */
  readonly delayMs: number;
  /** Milliseconds since 1970; 0 = none. */
  readonly runAt: number;
  /** 0 = no limit. */
  readonly timeoutMs: number;
  readonly retry: SubmitRetry;
  readonly idempotencyKey: string;
  readonly tags: readonly string[];
  /** JSON text of an object. */
  readonly metadata: string;
  /** W3C trace context. */
  readonly traceparent: string;
  /** Undefined = nothing of it. */
  readonly extras?: SubmitExtras | undefined;
}

export interface SubmitTask {
  /** 16 bytes, UUIDv7, minted by the submitter: a resend carries the same. */
  readonly id: Uint8Array;
  readonly content: SubmitContent;
}
