/** What a command is answered with. An expected refusal is a reply, never an exception. */
import type { TaskState, Token } from "./task.ts";

/** Codes a command can be refused with; a subset of the protocol's one error catalogue. */
export type RefusalCode =
  | "not_found"
  | "state_conflict"
  | "stale_token"
  | "idempotency_mismatch"
  | "id_out_of_window"
  | "queue_full"
  | "permission_denied"
  /** A named limit of the machine is reached: too many sessions, queues or leases. */
  | "overloaded"
  /** The command makes no sense whatever the state, such as a session without types. */
  | "invalid_request";

export interface Accepted {
  readonly code: "ok";
  /** The task's id after a `submit` (an idempotency key may answer with an older task's id). */
  readonly id: Uint8Array | undefined;
  readonly state: TaskState | undefined;
  /** True when this command had been applied before and nothing changed now. */
  readonly duplicate: boolean;
}

export interface Refused {
  readonly code: RefusalCode;
  /** One sentence for a person: what was wrong, and what to do. */
  readonly message: string;
  /** Of several tasks in one command: the position of the one that was to blame. */
  readonly at?: number;
}

/** Answer to `lease`: how many of the tasks asked for were given. */
export interface Leased {
  readonly code: "leased";
  readonly granted: number;
  readonly tokens: readonly Token[];
}

/** Answer to `submitAll`: one for each task, in their order. */
export interface Submitted {
  readonly code: "submitted";
  readonly tasks: readonly Accepted[];
}

export type Reply = Accepted | Refused | Leased | Submitted;
