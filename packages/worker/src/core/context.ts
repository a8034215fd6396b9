/**
 * A handler's view of its task. Everything is computed when asked for: at tens of thousands of
 * tasks a second, what a handler does not look at must cost nothing.
 */
import { toSubmitTask } from "task-queue-client/connection";
import {
  BATCH_MAX,
  formatTaskId,
  type LogLevelName,
  PROGRESS_BYTES_MAX,
  type PriorityName,
} from "task-queue-protocol";
import type { ChildOptions } from "../handler.ts";
import { boundLogger, type Logger } from "../logger.ts";
import type { RunContext } from "../middleware.ts";
import type { Held } from "./held.ts";
import type { Notes } from "./notes.ts";

export class Context implements RunContext {
  /** For middleware; a handler gets it as its argument. */
  payload: unknown;
  /** For middleware: what the handler has answered. */
  result: unknown;
  readonly #held: Held;
  readonly #logger: Logger;
  readonly #extend: (held: Held, forMs: number) => Promise<void>;
  readonly #notes: Notes;
  readonly #mintId: (() => string) | undefined;
  #log: Logger | undefined;

  constructor(
    held: Held,
    logger: Logger,
    extend: (held: Held, forMs: number) => Promise<void>,
    notes: Notes,
    mintId: (() => string) | undefined,
  ) {
    this.#held = held;
    this.#mintId = mintId;
    this.#notes = notes;
    this.#logger = logger;
    this.#extend = extend;
  }

  get id(): string {
    return this.#held.id;
  }

  get type(): string {
    return this.#held.task.type;
  }

  get queue(): string {
    return this.#held.task.queue;
  }

  get attempt(): number {
    return this.#held.task.attempt;
  }

  get maxRetries(): number {
    return this.#held.task.maxRetries;
  }

  get token(): bigint {
    return BigInt(this.#held.token);
  }

  get priority(): PriorityName {
    return this.#held.task.priority;
  }

  get tags(): readonly string[] {
    return this.#held.task.tags;
  }

  get metadata(): Readonly<Record<string, unknown>> {
    const { metadata } = this.#held.task;
    return metadata === "" ? {} : JSON.parse(metadata);
  }

  get createdAt(): Date {
    return new Date(this.#held.task.createdAt);
  }

  get traceparent(): string {
    return this.#held.task.traceparent;
  }

  get signal(): AbortSignal {
    return this.#held.signal;
  }

  get log(): Logger {
    const { id, type, attempt } = this;
    this.#log ??= this.#noting(boundLogger(this.#logger, { task: id, type, attempt }));
    return this.#log;
  }

  progress(value: unknown): void {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError("progress takes a JSON value");
    const bytes = Buffer.byteLength(text);
    if (bytes > PROGRESS_BYTES_MAX) {
      throw new RangeError(`progress takes ${PROGRESS_BYTES_MAX} bytes of JSON, not ${bytes}`);
    }
    this.#notes.progress(this.#held, text);
  }

  submit(type: string, payload?: unknown, options: ChildOptions = {}): string {
    const id = options.id ?? this.#mintId?.();
    const said = id === undefined ? options : { ...options, id };
    const task = toSubmitTask(type, payload, said, undefined);
    this.#held.children ??= [];
    if (this.#held.children.length >= BATCH_MAX) {
      throw new RangeError(`one completion makes at most ${BATCH_MAX} tasks`);
    }
    this.#held.children.push(task);
    return formatTaskId(task.id);
  }

  /** Every line goes to the task's log in the cluster, too. */
  #noting(logger: Logger): Logger {
    const at = (level: LogLevelName) => (fields: object, message: string) => {
      logger[level](fields, message);
      this.#notes.line(this.#held, level, toLine(fields, message));
    };
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  }

  extend(forMs: number): Promise<void> {
    if (!Number.isFinite(forMs) || forMs <= 0) {
      return Promise.reject(new RangeError(`extend takes milliseconds above 0, not ${forMs}`));
    }
    return this.#extend(this.#held, Math.ceil(forMs));
  }
}

function toLine(fields: object, message: string): string {
  if (Object.keys(fields).length === 0) return message;
  try {
    return `${message} ${JSON.stringify(fields)}`;
  } catch {
    // Cycles and big integers: the logger may know what to do with them.
    return message;
  }
}
