/**
 * The worker's view of a registered connection to the leader, and of how one is made. The core is
 * written against these interfaces alone; the wire is behind them.
 *
 * A link is born registered and ends once: after `closed` it calls nothing any more.
 */
import type {
  CompleteItem,
  DeliveredTask,
  FailItem,
  ItemError,
  LeaseRef,
  LossReason,
  ReportItem,
} from "task-queue-protocol";

/** How a lease ends from the worker's side. A release uses no retry. */
export type Report =
  | ({ readonly kind: "complete" } & CompleteItem)
  | ({ readonly kind: "fail" } & FailItem)
  | ({ readonly kind: "release" } & LeaseRef);

/** The broker's answer to one report or extension; `undefined` = done. */
export type Refusal = Pick<ItemError, "code" | "message" | "retryable"> | undefined;

export interface LinkListener {
  delivered(tasks: readonly DeliveredTask[]): void;
  /** The broker has ended this lease. */
  leaseLost(token: number, reason: LossReason): void;
  /** Every heartbeat sent up to `sentAt` (on the worker's clock) has been committed. */
  renewed(sentAt: number): void;
  answered(report: Report, refusal: Refusal): void;
  /** The broker has ended the session with all its leases; `closed` follows. */
  sessionEnded(): void;
  /** Called once. `hint`: the address of the node that leads now, where it is known. */
  closed(why: string, hint: string | undefined): void;
}

export interface Link {
  readonly address: string;
  readonly leaseMs: number;
  /** Longest interval between heartbeats that the broker wants; 0 = no opinion. */
  readonly heartbeatMs: number;
  /** Largest result that the broker takes, in bytes. */
  readonly resultBytesMax: number;
  /** Tokens of the registration's `held` that are no longer this session's. */
  readonly lost: readonly number[];
  /** When the registration was sent: the lease runs at least from then. */
  readonly registeredAt: number;
  beat(): void;
  setWindow(window: number): void;
  /** Reports of one turn; each is answered through the listener. */
  report(reports: readonly Report[]): void;
  /** What handlers say of runs that go on; nobody answers. Dropped where the broker is too old. */
  note(items: readonly ReportItem[]): void;
  /** Answers with the refusal; rejects when the link ends first. */
  extend(id: Uint8Array, token: number, forMs: number): Promise<Refusal>;
  /** Ends the session at the broker, then the connection. Resolves when both are done. */
  bye(): Promise<void>;
  /** Ends the connection without a word; the session lives on at the broker. */
  close(): void;
}

/** How the worker presents itself. */
export interface Registration {
  readonly session: string;
  readonly secret: Uint8Array;
  readonly name: string;
  /** Empty = all. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
  /** `key=value`. */
  readonly labels: readonly string[];
  readonly concurrency: number;
  readonly window: number;
  /** Leases that this worker believes to hold. */
  readonly held: readonly number[];
}

/** Why a registration did not come about. */
export class RegistrationError extends Error {
  override readonly name = "RegistrationError";
  /** Go there instead, at once. */
  readonly hint: string | undefined;
  /** The broker knows the session under another secret, or not at all any more. */
  readonly sessionRefused: boolean;

  constructor(message: string, hint?: string, sessionRefused = false, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.hint = hint;
    this.sessionRefused = sessionRefused;
  }
}

export interface Dialer {
  /** Connects to `address` and registers; rejects with `RegistrationError`. */
  dial(
    address: string,
    registration: Registration,
    listener: LinkListener,
    signal: AbortSignal,
  ): Promise<Link>;
}
