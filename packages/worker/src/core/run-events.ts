/** The events of runs, made only where somebody listens: most workers have nobody who does. */
import type { Clock } from "../clock.ts";
import type { AbortCause } from "../errors.ts";
import type { EventFeed } from "./event-feed.ts";
import type { Held } from "./held.ts";
import type { Report } from "./link.ts";

export class RunEvents {
  readonly #clock: Clock;
  readonly #feed: EventFeed;

  constructor(clock: Clock, feed: EventFeed) {
    this.#clock = clock;
    this.#feed = feed;
  }

  started(held: Held): void {
    if (this.#feed.hears("started")) this.#feed.emit({ kind: "started", ...runOf(held) });
  }

  /** The broker has answered the report of a run; `taken` is what it took of it. */
  reported(held: Held, taken: Report | undefined): void {
    if (taken?.kind === "complete") {
      if (!this.#feed.hears("completed")) return;
      const { result } = held;
      this.#feed.emit({ kind: "completed", ...runOf(held), ms: this.#msOf(held), result });
    } else if (taken?.kind === "fail") {
      if (!this.#feed.hears("failed")) return;
      const error = errorOf(held.thrown, taken.message);
      this.#feed.emit({ kind: "failed", ...runOf(held), ms: this.#msOf(held), error });
    } else {
      this.aborted(held, held.aborted ?? "lease-lost");
    }
  }

  aborted(held: Held, why: AbortCause): void {
    if (!this.#feed.hears("aborted")) return;
    this.#feed.emit({ kind: "aborted", ...runOf(held), ms: this.#msOf(held), why });
  }

  #msOf({ startedAt, endedAt }: Held): number {
    return (endedAt ?? this.#clock.now()) - (startedAt ?? 0);
  }
}

function runOf({ id, task }: Held) {
  return { id, type: task.type, queue: task.queue, attempt: task.attempt };
}

/** A result that the broker refused has failed although nothing was thrown. */
function errorOf(thrown: unknown, message: string): Error {
  if (thrown instanceof Error) return thrown;
  return new Error(message, thrown === undefined ? undefined : { cause: thrown });
}
