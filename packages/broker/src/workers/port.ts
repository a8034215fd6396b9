/** What the connections of the worker port share, and what a handler may do to its connection. */
import type { SentMessage } from "task-queue-protocol";
import type { Throttle } from "../observe/throttle.ts";
import type { Access, Caller } from "../operations/access.ts";
import type { Audit } from "../operations/audit.ts";
import type { Broker } from "../operations/broker.ts";
import type { SubmitSettings } from "../operations/submit.ts";
import type { WorkerPortLimits } from "./limits.ts";
import type { WorkerSession } from "./worker-session.ts";

/** As pino's: fields first, then the sentence. */
export interface PortLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface PortContext {
  readonly broker: Broker;
  readonly access: Access;
  /** Told of administrative calls; nobody is without it. */
  readonly audit: Audit | undefined;
  readonly logger: PortLogger;
  /** For lines about strangers. */
  readonly throttle: Throttle;
  readonly limits: WorkerPortLimits;
  /** This program's version. */
  readonly version: string;
  readonly submit: SubmitSettings;
  /** Length of a worker's leases. */
  readonly leaseMs: number;
  /** How often a worker beats at least. */
  readonly heartbeatMs: number;
  /**
   * Sessions attached through this port, so that a worker's newer connection replaces its older.
   */
  readonly sessions: Map<string, WorkerSession>;
}

/** One connection as its handlers see it. */
export interface Peer {
  /** For the log. */
  readonly address: string;
  /** Who has said hello. */
  readonly caller: Caller;
  send(requestId: number, message: SentMessage): void;
  /**
   * Work that has no answer yet; the connection is read no further when there is too much of it.
   */
  opened(items: number, bytes: number): void;
  settled(items: number, bytes: number): void;
  /** Bytes that the peer has not taken. */
  readonly unsentBytes: number;
  /** False: its key permits work no longer; it was told so, and the connection ends. */
  mayWork(): boolean;
  /** Sends a last error and ends the connection. */
  refuse(code: "invalid_request" | "state_conflict", message: string): void;
  readonly signal: AbortSignal;
  /** Ends waits for tasks: the peer has gone, or should go elsewhere because the broker closes. */
  readonly waits: AbortSignal;
}
