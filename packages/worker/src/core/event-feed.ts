/**
 * Brings a worker's events to whoever listens. They are told in their order once the code that
 * caused them has come to its end, so that a listener may do anything to the worker; and what a
 * listener throws or rejects with goes to the log and nowhere else.
 */
import type { Logger } from "../logger.ts";
import {
  type MissedEvents,
  WORKER_EVENT_KINDS,
  type WorkerEvent,
  type WorkerEventKind,
} from "../worker-event.ts";
import { describeThrown } from "./payload.ts";
import { Unread } from "./unread.ts";

type Listener = (event: never) => unknown;

export class EventFeed {
  readonly #logger: Logger;
  readonly #listeners = new Map<string, Set<{ readonly listener: Listener }>>(
    WORKER_EVENT_KINDS.map((kind) => [kind, new Set()]),
  );
  readonly #readers = new Set<Unread>();
  #untold: WorkerEvent[] = [];
  #isOver = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Is an event of this kind worth making? */
  hears(kind: WorkerEventKind): boolean {
    return this.#readers.size > 0 || this.#listenersOf(kind).size > 0;
  }

  emit(event: WorkerEvent): void {
    if (!this.hears(event.kind)) return;
    if (this.#untold.push(event) === 1) queueMicrotask(() => this.#tell());
  }

  /** Answers how to end it. Throws `TypeError` for a kind that is none. */
  on(kind: WorkerEventKind, listener: Listener): () => void {
    if (typeof listener !== "function") {
      throw new TypeError(`on() takes a function (event) => …; this is: ${typeof listener}`);
    }
    const listeners = this.#listenersOf(kind);
    const entry = { listener };
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  /** From the first `next()` on, until `end`; throws the signal's reason. */
  async *follow(signal?: AbortSignal): AsyncGenerator<WorkerEvent | MissedEvents, void, undefined> {
    signal?.throwIfAborted();
    const unread = new Unread();
    const wake = (): void => unread.wake();
    this.#readers.add(unread);
    signal?.addEventListener("abort", wake);
    try {
      for (;;) {
        const isLast = this.#isOver;
        for (const event of unread.take()) {
          unread.read();
          yield event;
          signal?.throwIfAborted();
        }
        if (isLast) return;
        await unread.more();
        signal?.throwIfAborted();
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      this.#readers.delete(unread);
    }
  }

  /** Nothing is emitted any more: readers end when they have read what there is. */
  end(): void {
    // Behind what is still to be told.
    queueMicrotask(() => {
      this.#isOver = true;
      for (const unread of this.#readers) unread.wake();
    });
  }

  #tell(): void {
    const events = this.#untold;
    this.#untold = [];
    for (const event of events) {
      for (const unread of this.#readers) unread.add(event);
      for (const { listener } of [...this.#listenersOf(event.kind)]) this.#call(listener, event);
    }
  }

  #call(listener: Listener, event: WorkerEvent): void {
    const complain = (thrown: unknown): void => {
      const fields = { event: event.kind, error: describeThrown(thrown) };
      this.#logger.error(fields, "a listener of the worker threw");
    };
    try {
      const answer = listener(event as never);
      if (typeof answer === "object") Promise.resolve(answer).catch(complain);
    } catch (thrown) {
      complain(thrown);
    }
  }

  #listenersOf(kind: string): Set<{ readonly listener: Listener }> {
    const listeners = this.#listeners.get(kind);
    if (listeners !== undefined) return listeners;
    throw new TypeError(`a worker has no event "${kind}"; it has ${WORKER_EVENT_KINDS.join(", ")}`);
  }
}
