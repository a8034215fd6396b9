/**
 * The client: one connection to any broker of the cluster, kept through failures. Whatever is asked
 * is sent again, as the same request, until there is an answer or the deadline is over: nothing is
 * lost on a broken connection and nothing is done twice. Trouble shows as rejected promises, never
 * as an event.
 */
import {
  type AuditPageJson,
  type AuditParams,
  type Calls,
  type CallVerb,
  type ClusterJson,
  type CompactJson,
  type EventJson,
  type GraphJson,
  type ListJson,
  type LogsJson,
  type QueueJson,
  type StatsJson,
  type TaskJson,
  WAIT_MS_MAX,
  type WorkerJson,
} from "task-queue-protocol";
import { uuidv7obj } from "uuidv7";
import { Caller, type CallOptions } from "./caller.ts";
import { checkTlsOptions } from "./check-tls-options.ts";
import type { ClientOptions, LogsOptions } from "./client-options.ts";
import { Link } from "./connection/index.ts";
import { deadLetters } from "./dead-letters.ts";
import { closedError, timeoutError } from "./errors.ts";
import { type EventFilter, type FollowOptions, follow } from "./follow.ts";
import { Jobs } from "./jobs.ts";
import { Keys } from "./keys.ts";
import { LeaderQuestion } from "./leader-question.ts";
import { Leaderless } from "./leaderless.ts";
import { Members } from "./members.ts";
import { QueueHandle } from "./queue-handle.ts";
import { SeenIndex } from "./seen-index.ts";
import { downloadSnapshot, type SnapshotOptions } from "./snapshot.ts";
import {
  type RunOptions,
  Submissions,
  type SubmitItem,
  type SubmitManyOptions,
  type SubmitMiddleware,
  type SubmitOutcome,
} from "./submissions.ts";
import type { SubmitOptions } from "./submit-task.ts";
import { Submitter } from "./submitter.ts";
import {
  type TaskCalls,
  type TaskHandle,
  TaskReference,
  toResult,
  type WaitOptions,
  type When,
  whenToJson,
} from "./task-handle.ts";
import { type ListFilter, TaskList } from "./task-list.ts";
import type { AnyTasks, PayloadOf, ProgressOf, ResultOf, TaskMap, TypeOf } from "./task-map.ts";

const VERSION = "0.5.1";
const DEADLINE_MS = 30_000;
/** One `wait` call asks for this much less than its own deadline, so that the answer can arrive. */
const WAIT_MARGIN_MS = 10_000;

export class Client<M extends TaskMap = AnyTasks> implements TaskCalls, AsyncDisposable {
  readonly #deadlineMs: number;
  readonly #link: Link;
  readonly #submitter: Submitter;
  readonly #submissions: Submissions<M>;
  readonly #caller: Caller;
  /** Adding and removing brokers, and handing over leadership: for administrators. */
  readonly members: Members;
  #closed: Promise<void> | undefined;

  /** Use `connect()`. Throws `TqError` when an address is malformed. */
  constructor(options: ClientOptions<M>) {
    this.#deadlineMs = options.timeoutMs ?? DEADLINE_MS;
    this.#link = this.#createLink(options);
    const leaderless = new Leaderless(() => this.#link.redirect(""));
    const onOutcome = (code: string): void => leaderless.note(code);
    const seen = new SeenIndex();
    const leader = new LeaderQuestion(this.#link, onOutcome);
    this.#submitter = new Submitter(this.#link, seen, leader, onOutcome);
    this.#caller = new Caller(this.#link, seen, leader, onOutcome);
    this.#submissions = new Submissions<M>(options, {
      client: this,
      submit: async (task, deadlineMs = this.#deadlineMs, signal) => {
        this.#assertOpen();
        return await this.#submitter.submit(task, deadlineMs, signal);
      },
      submitAll: (params, signal) => {
        return this.#call("submit_all", params, { deadlineMs: this.#deadlineMs, signal });
      },
    });
    this.members = new Members(this.#link, this.#caller, this.#deadlineMs);
    this.#link.start();
  }

  #createLink(options: ClientOptions<M>): Link {
    const tell = options.onConnection ?? (() => {});
    const { servers, stay, apiKey = "", name = "task-queue-client", tls, openSocket } = options;
    if (tls !== undefined) checkTlsOptions(tls);
    const dialOptions = { role: "client", apiKey, name, version: VERSION } as const;
    return new Link(
      { servers, stay, tls, openSocket, ...dialOptions },
      {
        onUp: ({ address }) => {
          this.#link.settled();
          this.#submitter.retryNow();
          this.#caller.wake();
          tell({ state: "up", address: `${address.host}:${address.port}`, error: undefined });
        },
        onDown: (error) => {
          this.#changed();
          tell({ state: "down", address: undefined, error });
        },
        onFailedTry: (address, error) => {
          this.#changed();
          tell({ state: "failed", address, error });
        },
        onMessage: () => {},
      },
    );
  }

  /** Puts `middleware` around every submit that follows, inside of what was put there before. */
  use(middleware: SubmitMiddleware): this {
    this.#submissions.use(middleware);
    return this;
  }

  /** Resolves when the task is on a quorum's disks; throws `TqError`. */
  submit<K extends TypeOf<M>>(
    type: K,
    payload: PayloadOf<M, K>,
    options: SubmitOptions = {},
  ): Promise<TaskHandle<ResultOf<M, K>, ProgressOf<M, K>>> {
    return this.#submissions.one({ type, payload, options });
  }

  /** Submits it and waits for its result; throws `TaskFailed` when it ends otherwise. */
  async run<K extends TypeOf<M>>(
    type: K,
    payload: PayloadOf<M, K>,
    { waitMs: timeoutMs, ...options }: RunOptions = {},
  ): Promise<ResultOf<M, K>> {
    const handle = await this.submit(type, payload, options);
    return await handle.result({ timeoutMs, signal: options.signal });
  }

  /**
   * Each item stands for itself: one that is refused does not hold up the others. With `atomic` all
   * of them are made, or it throws and none is: the error's `field` says which could not be.
   */
  submitMany<K extends TypeOf<M>>(
    items: Iterable<SubmitItem<M, K>>,
    options: SubmitManyOptions & { readonly atomic: true },
  ): Promise<TaskHandle[]>;
  submitMany<K extends TypeOf<M>>(
    items: Iterable<SubmitItem<M, K>>,
    options?: SubmitManyOptions,
  ): Promise<SubmitOutcome[]>;
  submitMany<K extends TypeOf<M>>(
    items: Iterable<SubmitItem<M, K>>,
    { atomic = false, signal }: SubmitManyOptions = {},
  ): Promise<SubmitOutcome[]> {
    return atomic
      ? this.#submissions.together(items, signal)
      : this.#submissions.each(items, signal);
  }

  /** A task whose id is known from elsewhere. Asks nothing yet, not even whether it is there. */
  handle<K extends TypeOf<M> = TypeOf<M>>(
    id: string,
  ): TaskReference<ResultOf<M, K>, ProgressOf<M, K>> {
    return new TaskReference(this, id);
  }

  /** Throws `not_found` for a task that is not known. */
  get(id: string): Promise<TaskJson> {
    return this.#call("get", { id });
  }

  /**
   * The task once it is finished, whichever way. Throws a `DOMException` named `TimeoutError` after
   * `timeoutMs`, and the signal's reason when it is aborted.
   */
  async wait(id: string, { timeoutMs, signal }: WaitOptions = {}): Promise<TaskJson> {
    const until = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const left = Math.max(0, Math.min(until - performance.now(), WAIT_MS_MAX));
      const params = { id, timeout_ms: Math.ceil(left) };
      const task = await this.#call("wait", params, { deadlineMs: left + WAIT_MARGIN_MS, signal });
      if (task.finished_at !== undefined) return task;
      if (performance.now() >= until) {
        throw timeoutError(`task ${id} is ${task.state} after ${timeoutMs} ms`);
      }
    }
  }

  /** The result once it is completed; throws `TaskFailed` when it ended otherwise. */
  async result(id: string, options?: WaitOptions): Promise<unknown> {
    return toResult(await this.wait(id, options));
  }

  /** Await it for one page, or iterate over it for all tasks. `cursor`: from an earlier page. */
  list(
    filter: ListFilter & { cursor?: string | undefined } = {},
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): TaskList {
    const { cursor: first, ...rest } = filter;
    const options = { deadlineMs: this.#deadlineMs, signal };
    const fetch = (cursor: string | undefined): Promise<ListJson> =>
      this.#call("list", cursor === undefined ? rest : { ...rest, cursor }, options);
    return new TaskList(fetch, first);
  }

  /** Lines that its handlers wrote, behind number `after`; at most 1,000 at a time. */
  logs(id: string, { after = 0, limit = 100 }: LogsOptions = {}): Promise<LogsJson> {
    return this.#call("logs", { id, after, limit });
  }

  /**
   * What it depends on, and what depends on it: at most 1,000 tasks, the nearest first. Throws
   * `not_found` for a task that is not known.
   */
  graph(id: string): Promise<GraphJson> {
    return this.#call("graph", { id });
  }

  /**
   * What happens to tasks, for ever: break off to end it. Throws `position_compacted` when `after`
   * is older than what the broker still knows: then list the tasks anew.
   */
  events(filter: EventFilter = {}, options: FollowOptions = {}): AsyncGenerator<EventJson, void> {
    return follow(
      (params, signal) => {
        const deadlineMs = (params.wait_ms ?? 0) + Math.max(WAIT_MARGIN_MS, this.#deadlineMs);
        return this.#call("events", params, { deadlineMs, signal });
      },
      filter,
      options,
    );
  }

  /** Cancels it, running or not. Throws `state_conflict` when it is completed or dead. */
  cancel(id: string, reason?: string): Promise<TaskJson> {
    return this.#call("cancel", reason === undefined ? { id } : { id, reason });
  }

  /** Starts a dead or cancelled task again with a fresh retry budget. */
  retry(id: string): Promise<TaskJson> {
    return this.#call("retry", { id, request_id: uuidv7obj().toHex() });
  }

  /**
   * Ends the lease of a running task, whoever holds it: it is pending again, with no retry used.
   * `token`: only if that run is under way. Throws `state_conflict` for a task that does not run.
   */
  release(id: string, token?: string): Promise<TaskJson> {
    return this.#call("release", token === undefined ? { id } : { id, token });
  }

  /**
   * Another time for a task that waits for its time, for its retry or for a worker. Throws
   * `state_conflict` for any other.
   */
  reschedule(id: string, when: When): Promise<TaskJson> {
    return this.#call("reschedule", { id, ...whenToJson(when) });
  }

  /** The dead letter queue. */
  readonly dead = deadLetters({
    list: (filter) => this.list(filter),
    retry: (id) => this.retry(id),
    groups: (params) => this.#call("error_groups", params),
    delete: async (params) => void (await this.#call("delete", params)),
  });

  async queues(): Promise<QueueJson[]> {
    return (await this.#call("queues", {})).queues;
  }

  /** One queue: its settings, pause and drain. Asks nothing yet. */
  queue(name: string): QueueHandle {
    return new QueueHandle(
      {
        get: () => this.#call("queue", { name }),
        configure: (params) => this.#call("configure_queue", params),
        delete: async () => void (await this.#call("delete_queue", { name })),
      },
      name,
    );
  }

  /** Changes of many tasks at once. */
  readonly jobs = new Jobs({
    start: (params) => this.#call("start_job", params),
    list: async () => (await this.#call("jobs", {})).jobs,
    get: (id) => this.#call("job", { id }),
    cancel: (id) => this.#call("cancel_job", { id }),
  });

  /** Access keys that the cluster keeps; for administrators. */
  readonly keys = new Keys({
    create: (params) => {
      return this.#call("create_key", params, { deadlineMs: this.#deadlineMs, resend: false });
    },
    list: async () => (await this.#call("keys", {})).keys,
    revoke: (params) => this.#call("revoke_key", params),
  });

  async workers(): Promise<WorkerJson[]> {
    return (await this.#call("workers", {})).workers;
  }

  stats(): Promise<StatsJson> {
    return this.#call("stats", {});
  }

  /** The bytes of a backup of everything; see `SnapshotOptions`. */
  snapshot(options: SnapshotOptions = {}): AsyncGenerator<Uint8Array> {
    return downloadSnapshot((params) => this.#call("snapshot", params), options);
  }

  audit(params: AuditParams = {}): Promise<AuditPageJson> {
    return this.#call("audit", params);
  }

  /** Gives the disk of the node that answers back what removed records still take. */
  compact(): Promise<CompactJson> {
    return this.#call("compact", {});
  }

  cluster(): Promise<ClusterJson> {
    return this.#call("cluster", {});
  }

  /** Takes nothing new, waits until every submit has its answer or deadline, then disconnects. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#caller.failAll(closedError());
    await this.#submitter.drained();
    await this.#link.close();
  }

  async #call<V extends CallVerb>(
    verb: V,
    params: Calls[V]["params"],
    options: CallOptions = { deadlineMs: this.#deadlineMs },
  ): Promise<Calls[V]["answer"]> {
    this.#assertOpen();
    return await this.#caller.call(verb, params, options);
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw closedError();
  }

  #changed(): void {
    this.#submitter.schedule();
    this.#caller.wake();
  }
}

/**
 * A client of the cluster. It dials at once, in the background; requests wait for the connection.
 * Throws `TqError` `invalid_request` when an address is malformed.
 */
export function connect<const M extends TaskMap = AnyTasks>(options: ClientOptions<M>): Client<M> {
  return new Client(options);
}
