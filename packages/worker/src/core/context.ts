/**
 * A handler's view of its task. Everything is computed when asked for: at tens of thousands of
 * tasks a second, what a handler does not look at must cost nothing.
 */
import type { PriorityName } from "task-queue-protocol";
import type { TaskContext } from "../handler.ts";
import { boundLogger, type Logger } from "../logger.ts";
import type { Held } from "./held.ts";

export class Context implements TaskContext {
  readonly #held: Held;
  readonly #logger: Logger;
  readonly #extend: (held: Held, forMs: number) => Promise<void>;
  #log: Logger | undefined;

  constructor(held: Held, logger: Logger, extend: (held: Held, forMs: number) => Promise<void>) {
    this.#held = held;
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
    this.#log ??= boundLogger(this.#logger, { task: id, type, attempt });
    return this.#log;
  }

  extend(forMs: number): Promise<void> {
    if (!Number.isFinite(forMs) || forMs <= 0) {
      return Promise.reject(new RangeError(`extend takes milliseconds above 0, not ${forMs}`));
    }
    return this.#extend(this.#held, Math.ceil(forMs));
  }
}
