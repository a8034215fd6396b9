/**
 * Every message of the worker protocol, as data. A message is one frame; what travels with it is
 * the request id of the frame's header, which answers repeat. All of it is readonly, and byte
 * fields of a decoded message are views into the frame it came in.
 */
import type { PayloadType, SubmitTask } from "./submit-content.ts";
import type { LogLevelName, PriorityName } from "./task-json.ts";

export type {
  PayloadType,
  SubmitContent,
  SubmitExtras,
  SubmitRetry,
  SubmitTask,
} from "./submit-content.ts";

/** A client submits and asks; a worker registers and runs tasks, and may do both. */
export type Role = "client" | "worker";

/** First message on a connection, from the side that dialled. */
export interface Hello {
  readonly kind: "hello";
  /** Range of protocol versions that the dialler speaks. */
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly role: Role;
  /** API key; empty = none. */
  readonly key: string;
  /** Name and version of the program, for logs and lists. */
  readonly name: string;
  readonly version: string;
}

/** A `hello` of versions that are not spoken here: nothing else of it can be read. */
export interface UnknownHello {
  readonly kind: "unknownHello";
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** Answer to a `hello` that was accepted. */
export interface Welcome {
  readonly kind: "welcome";
  /** The version both will speak from here on. */
  readonly protocolVersion: number;
  readonly nodeId: string;
  readonly clusterId: string;
  /** Version of the broker program. */
  readonly version: string;
  /** `host:port` of the leader as far as this broker knows; empty = unknown. */
  readonly leader: string;
  /** Greatest length of a frame that the broker accepts. */
  readonly maxFrameBytes: number;
  readonly maxPayloadBytes: number;
  readonly leaseMs: number;
  /** How often a worker beats at least. */
  readonly heartbeatMs: number;
}

/** A refusal. With request id 0 it concerns the connection, which then ends. */
export interface ErrorMessage {
  readonly kind: "error";
  /** May the same request, unchanged, succeed later? */
  readonly retryable: boolean;
  /** A code of the catalogue; one of a later version may be unknown here. */
  readonly code: string;
  readonly message: string;
  /** Dotted path of the offending field; empty = none. */
  readonly field: string;
}

export interface Ping {
  readonly kind: "ping";
}

export interface Pong {
  readonly kind: "pong";
}

/** Idempotent by task id. */
export interface Submit {
  readonly kind: "submit";
  readonly tasks: readonly SubmitTask[];
}

export interface ItemError {
  readonly ok: false;
  readonly retryable: boolean;
  readonly code: string;
  readonly message: string;
  readonly field: string;
}

export interface SubmitOk {
  readonly ok: true;
  /** The task's id: another than was sent when its idempotency key belongs to an older task. */
  readonly id: Uint8Array;
  /** Its state by its position in the list of states. */
  readonly state: TaskStateCode;
  /** It had been submitted before. */
  readonly duplicate: boolean;
}

/** Position in `TASK_STATE_NAMES`. */
export type TaskStateCode = number;

/** Answer to `submit`: one result for each task, in order. */
export interface Submitted {
  readonly kind: "submitted";
  /** A read at or above this log index sees what was accepted; 0 = nothing was. */
  readonly index: number;
  readonly results: readonly (SubmitOk | ItemError)[];
}

/** A request with a JSON body; which verbs there are is the business of both ends. */
export interface Call {
  readonly kind: "call";
  readonly verb: string;
  /** A read sees at least everything up to this log index; 0 = whatever its consistency gives. */
  readonly minIndex: number;
  /** JSON text of an object in UTF-8. */
  readonly body: Uint8Array;
}

/** Answer to `call`. */
export interface Answer {
  readonly kind: "answer";
  /** The log index at which it was true; after a write, one that includes it. */
  readonly index: number;
  /** JSON text in UTF-8. */
  readonly body: Uint8Array;
}

/** A worker presents itself, or itself again after a lost connection. Idempotent by session. */
export interface Register {
  readonly kind: "register";
  /** Minted by the worker, kept for its life. */
  readonly session: string;
  /** 16 random bytes that prove the session is its own. */
  readonly secret: Uint8Array;
  readonly name: string;
  /** Empty = all. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
  /** `key=value`. */
  readonly labels: readonly string[];
  readonly concurrency: number;
  /** How many tasks it is willing to hold at once, those it runs included. */
  readonly window: number;
  /** Tokens of the leases it still holds. */
  readonly held: readonly number[];
}

/** Answer to `register`. Every other live lease of the session is delivered again. */
export interface Registered {
  readonly kind: "registered";
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** Tokens of `held` that are no longer its leases: stop that work. */
  readonly lost: readonly number[];
}

/** Answer to `register` at a broker that does not lead; unasked when it ceases to lead. */
export interface NotLeader {
  readonly kind: "notLeader";
  /** `host:port` of the leader; empty = unknown. */
  readonly address: string;
}

/** A worker leaves for good: its leases are released at once. Answered by `reported`. */
export interface Bye {
  readonly kind: "bye";
}

/** How many tasks the worker is willing to hold from now on; 0 = none more. Not answered. */
export interface Window {
  readonly kind: "window";
  readonly window: number;
}

export interface Heartbeat {
  readonly kind: "heartbeat";
}

/** Every heartbeat up to the one with this request id counts. */
export interface HeartbeatAck {
  readonly kind: "heartbeatAck";
}

export interface DeliveredTask {
  readonly id: Uint8Array;
  readonly token: number;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  readonly failures: number;
  readonly maxRetries: number;
  readonly priority: PriorityName;
  /** What is left of the lease; relative, so that clocks do not matter. */
  readonly leaseMs: number;
  /** 0 = no limit. */
  readonly timeoutMs: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly type: string;
  readonly queue: string;
  readonly payload: Uint8Array;
  readonly payloadType: PayloadType;
  readonly tags: readonly string[];
  /** JSON text of an object; empty = none. */
  readonly metadata: string;
  readonly traceparent: string;
}

/** Tasks for the worker. */
export interface Deliver {
  readonly kind: "deliver";
  readonly tasks: readonly DeliveredTask[];
}

export const LOSS_REASONS = ["cancelled", "timeout", "lapsed"] as const;
export type LossReason = (typeof LOSS_REASONS)[number];

export interface LostLease {
  readonly id: Uint8Array;
  readonly token: number;
  readonly reason: LossReason;
}

/** Leases that ended by another's hand: stop that work; its report would be refused. */
export interface LeaseLost {
  readonly kind: "leaseLost";
  readonly leases: readonly LostLease[];
}

/** The session is gone with all its leases: register anew under a new session. */
export interface SessionEnded {
  readonly kind: "sessionEnded";
}

/** The broker is going to close this connection; sessions live on at another. */
export interface Terminate {
  readonly kind: "terminate";
  /** Where to go; empty = unknown. */
  readonly address: string;
  /** For the log. */
  readonly reason: string;
}

export interface LeaseRef {
  readonly id: Uint8Array;
  readonly token: number;
}

export interface CompleteItem extends LeaseRef {
  readonly result: Uint8Array;
  readonly resultType: PayloadType;
  /** Tasks that are made with it, all of them, or it is refused. Since protocol version 2. */
  readonly children?: readonly SubmitTask[] | undefined;
}

export interface FailItem extends LeaseRef {
  readonly message: string;
  /** Empty = none. */
  readonly stack: string;
  /** Not before this; undefined = as the retry policy says. */
  readonly retryAfterMs: number | undefined;
  /** false = straight to the dead. */
  readonly retryable: boolean;
}

export interface ExtendItem extends LeaseRef {
  /** Keep the lease at least this long from now. */
  readonly forMs: number;
}

export interface Complete {
  readonly kind: "complete";
  readonly items: readonly CompleteItem[];
}

export interface Fail {
  readonly kind: "fail";
  readonly items: readonly FailItem[];
}

/** Give tasks back unrun. */
export interface Release {
  readonly kind: "release";
  readonly items: readonly LeaseRef[];
}

export interface Extend {
  readonly kind: "extend";
  readonly items: readonly ExtendItem[];
}

export interface NotedLine {
  readonly level: LogLevelName;
  readonly text: string;
}

export interface ReportItem extends LeaseRef {
  /** JSON text; empty = nothing new. */
  readonly progress: string;
  readonly lines: readonly NotedLine[];
}

/**
 * What handlers say of runs that go on, since protocol version 2. Progress counts as it is said
 * last; lines may be kept twice when they are sent twice.
 */
export interface Report {
  readonly kind: "report";
  readonly items: readonly ReportItem[];
}

export interface ReportOk {
  readonly ok: true;
  /** It had been reported before. */
  readonly duplicate: boolean;
}

/**
 * Answer to `complete`, `fail`, `release`, `extend`, `report`, `bye`: one result for each item, in
 * order.
 */
export interface Reported {
  readonly kind: "reported";
  readonly results: readonly (ReportOk | ItemError)[];
}

export type Message =
  | Hello
  | UnknownHello
  | Welcome
  | ErrorMessage
  | Ping
  | Pong
  | Submit
  | Submitted
  | Call
  | Answer
  | Register
  | Registered
  | NotLeader
  | Bye
  | Window
  | Heartbeat
  | HeartbeatAck
  | Deliver
  | LeaseLost
  | SessionEnded
  | Terminate
  | Complete
  | Fail
  | Release
  | Extend
  | Report
  | Reported;

export type MessageKind = Message["kind"];
