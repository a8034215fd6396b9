/**
 * What a worker is made from, with the defaults filled in and everything checked before anything is
 * opened. A mistake here is a programmer's: it throws a `TypeError` that names the option.
 */
import { hostname } from "node:os";
import type { AnyTasks, TaskMap } from "task-queue-client";
import {
  type ApiKey,
  checkTls,
  formatAddress,
  parseServers,
  type TlsOptions,
} from "task-queue-client/connection";
import { WINDOW_MAX } from "task-queue-protocol";
import { checkedHandler } from "./checked-handler.ts";
import type { Handlers, HandlersOf } from "./handler.ts";
import { type Logger, SILENT } from "./logger.ts";

export interface ShutdownOptions {
  /** How long running handlers may go on after `stop`; default 25,000. */
  readonly graceMs?: number;
  /** How long they may take to heed their signal after that; default 3,000. */
  readonly abortMs?: number;
  /** Stop on SIGTERM and SIGINT, and exit at once on a second one; default false. */
  readonly handleSignals?: boolean;
}

export interface WorkerOptions<M extends TaskMap = AnyTasks> {
  /** `host:port` of any brokers, as a list or separated by commas. */
  readonly servers: string | readonly string[];
  /** The task map that submitters use too: payloads and results are checked by its schemas. */
  readonly tasks?: M;
  /** What to do with each type; the worker is offered no other types. */
  readonly handlers: HandlersOf<M>;
  /** Default: all. */
  readonly queues?: readonly string[];
  /** Handlers at work at once; default 4. */
  readonly concurrency?: number;
  /**
   * Tasks held ready besides those that run; default 0. Raises the rate of short tasks; a task's
   * timeout runs while it waits here, and nobody else can take it meanwhile.
   */
  readonly prefetch?: number;
  /** Default 15; the broker may want more heartbeats. */
  readonly heartbeatIntervalSecs?: number;
  /** Shown in lists and attempts; default: host name and process id. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Where the brokers ask for one; a function is asked at each dial. */
  readonly apiKey?: ApiKey;
  /** TLS to the brokers, whose certificate and name are checked; plain text without. */
  readonly tls?: TlsOptions | undefined;
  readonly shutdown?: ShutdownOptions;
  /** Default: silence. */
  readonly logger?: Logger;
}

/** The same with nothing left open. */
export interface ResolvedOptions {
  readonly servers: readonly string[];
  readonly handlers: Handlers;
  readonly types: readonly string[];
  readonly queues: readonly string[];
  readonly concurrency: number;
  readonly prefetch: number;
  readonly heartbeatMs: number;
  /** It was asked for: doing otherwise is worth a warning. */
  readonly heartbeatGiven: boolean;
  readonly name: string;
  /** `key=value`, sorted. */
  readonly labels: readonly string[];
  readonly apiKey: ApiKey;
  readonly tls: TlsOptions | undefined;
  readonly graceMs: number;
  readonly abortMs: number;
  readonly handleSignals: boolean;
  readonly logger: Logger;
}

const GRACE_MS = 25_000;
const ABORT_MS = 3_000;
const HEARTBEAT_SECS = 15;
const CONCURRENCY = 4;
const WORD = /^[A-Za-z0-9._:-]{1,200}$/;
const WORD_IN_WORDS = "1 to 200 letters, digits and . _ : -";
const LABEL = /^[A-Za-z0-9._/-]{1,100}=[^\p{Control}]{0,200}$/u;
const LABELS_MAX = 64;
const NAME = /^[^\p{Control}]{1,200}$/u;

export function resolveOptions<M extends TaskMap>(options: WorkerOptions<M>): ResolvedOptions {
  const handlers: Handlers = { ...(options.handlers as Handlers) };
  const concurrency = whole("concurrency", options.concurrency ?? CONCURRENCY, 1, WINDOW_MAX);
  const prefetchMax = WINDOW_MAX - concurrency;
  const heartbeatSecs = options.heartbeatIntervalSecs ?? HEARTBEAT_SECS;
  if (!Number.isFinite(heartbeatSecs) || heartbeatSecs <= 0) {
    throw new TypeError(`heartbeatIntervalSecs must be above 0, not ${heartbeatSecs}`);
  }
  const { shutdown = {} } = options;
  return {
    servers: addresses(options.servers),
    handlers: checked(handlers, options.tasks),
    types: typesOf(handlers),
    queues: queuesOf(options.queues ?? []),
    concurrency,
    prefetch: whole("prefetch", options.prefetch ?? 0, 0, prefetchMax),
    heartbeatMs: heartbeatSecs * 1_000,
    heartbeatGiven: options.heartbeatIntervalSecs !== undefined,
    name: nameOf(options.name ?? `${hostname()}-${process.pid}`),
    labels: labelsOf(options.labels ?? {}),
    apiKey: options.apiKey ?? "",
    tls: tlsOf(options.tls),
    graceMs: milliseconds("shutdown.graceMs", shutdown.graceMs ?? GRACE_MS),
    abortMs: milliseconds("shutdown.abortMs", shutdown.abortMs ?? ABORT_MS),
    handleSignals: shutdown.handleSignals ?? false,
    logger: options.logger ?? SILENT,
  };
}

function checked(handlers: Handlers, tasks: TaskMap = {}): Handlers {
  const behindSchemas = Object.entries(handlers).map(([type, handler]) => {
    const spec = Object.hasOwn(tasks, type) ? tasks[type] : undefined;
    return [type, checkedHandler(handler, spec)] as const;
  });
  return Object.fromEntries(behindSchemas);
}

function tlsOf(tls: TlsOptions | undefined): TlsOptions | undefined {
  if (tls === undefined) return undefined;
  try {
    checkTls(tls);
    return tls;
  } catch (cause) {
    throw new TypeError((cause as Error).message, { cause });
  }
}

function addresses(servers: string | readonly string[]): readonly string[] {
  try {
    return parseServers(servers).map(formatAddress);
  } catch (cause) {
    throw new TypeError((cause as Error).message, { cause });
  }
}

function typesOf(handlers: Handlers): readonly string[] {
  const types = Object.keys(handlers);
  if (types.length === 0) throw new TypeError("handlers must have at least one task type");
  for (const type of types) {
    if (typeof handlers[type] !== "function") {
      throw new TypeError(`handlers: the handler of "${type}" is not a function`);
    }
    if (!WORD.test(type)) {
      throw new TypeError(`handlers: "${type}" is not a task type (${WORD_IN_WORDS})`);
    }
  }
  return types;
}

function queuesOf(queues: readonly string[]): readonly string[] {
  for (const queue of queues) {
    if (WORD.test(queue)) continue;
    throw new TypeError(`queues: "${queue}" is not a queue's name (${WORD_IN_WORDS})`);
  }
  return queues;
}

function nameOf(name: string): string {
  if (NAME.test(name)) return name;
  throw new TypeError(`name must be 1 to 200 printable characters, not ${JSON.stringify(name)}`);
}

function labelsOf(labels: Readonly<Record<string, string>>): readonly string[] {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  for (const pair of pairs) {
    if (!LABEL.test(pair)) throw new TypeError(`labels: "${pair}" is not a valid key=value`);
  }
  if (pairs.length > LABELS_MAX) throw new TypeError(`labels: at most ${LABELS_MAX} are allowed`);
  return pairs.sort();
}

function whole(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new TypeError(`${name} must be a whole number from ${min} to ${max}, not ${value}`);
  }
  return value;
}

function milliseconds(name: string, value: number): number {
  if (!Number.isFinite(value) || value < 0) {
    throw new TypeError(`${name} must be milliseconds from 0 up, not ${value}`);
  }
  return value;
}
