/**
 * Events that a reader has not read yet. Beyond a bound they are counted instead of kept, and the
 * count stands where they would have stood: a reader that is too slow knows what it lacks.
 */
import type { MissedEvents, WorkerEvent } from "../worker-event.ts";

export const UNREAD_MAX = 10_000;

export class Unread {
  #events: (WorkerEvent | MissedEvents)[] = [];
  #missed = 0;
  /** Taken, and not all of them read. */
  #reading = 0;
  #wakeReader: () => void = () => {};
  #hasNews = false;

  add(event: WorkerEvent): void {
    if (this.#events.length + this.#reading >= UNREAD_MAX) this.#missed++;
    else this.#events.push(event);
    this.wake();
  }

  /** All of them, in their order. */
  take(): (WorkerEvent | MissedEvents)[] {
    const events = this.#events;
    if (this.#missed > 0) events.push({ kind: "missed", count: this.#missed });
    this.#events = [];
    this.#reading = events.length;
    this.#missed = 0;
    this.#hasNews = false;
    return events;
  }

  /** One of those that were taken has been read. */
  read(): void {
    this.#reading--;
  }

  /** The reader is to look again. */
  wake(): void {
    this.#hasNews = true;
    this.#wakeReader();
  }

  /** Resolves at the first `wake` since the last `take`. */
  more(): Promise<void> {
    if (this.#hasNews) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wakeReader = resolve;
    });
  }
}
