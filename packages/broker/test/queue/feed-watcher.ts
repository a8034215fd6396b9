/**
 * A watcher that knows tasks only by the feed: what it believes of their states must be so. It goes
 * on across restarts, with the position it has.
 */
import { expect } from "vitest";
import { ENTRY_END, type FeedEvent, type FeedPosition } from "../../src/queue/feed.ts";
import type { QueueMachine } from "../../src/queue/machine.ts";
import type { TaskId } from "../../src/queue/task.ts";
import { hex } from "./naive-state.ts";

export class FeedWatcher {
  #position: FeedPosition = { index: 0, ordinal: ENTRY_END };
  readonly #believed = new Map<string, FeedEvent>();

  /** Hears everything that is new, and holds it against the tasks themselves. */
  check(machine: QueueMachine, ids: readonly TaskId[]): void {
    const { events, next } = readAll(machine.feed, this.#position);
    for (const event of events) this.#hear(event);
    this.#position = next;
    for (const id of ids) {
      const known = this.#believed.get(hex(id));
      const task = machine.task(id);
      const believed = known?.kind === "deleted" ? undefined : known;
      const seen = { state: believed?.state, attempt: believed?.attempt };
      expect(seen).toEqual({ state: task?.state, attempt: task?.attempt });
    }
  }

  #hear(event: FeedEvent): void {
    const before = this.#believed.get(hex(event.id));
    const isNew = before === undefined || before.kind === "deleted";
    expect(event.kind === "submitted").toBe(isNew);
    if (event.kind === "started") expect(event.attempt).toBe(before!.attempt + 1);
    else if (!isNew) expect(event.attempt).toBe(before.attempt);
    this.#believed.set(hex(event.id), event);
  }
}

/** All events behind a position, which must not be compacted. */
export function readAll(feed: QueueMachine["feed"], after: FeedPosition) {
  const events: FeedEvent[] = [];
  for (let next = after; ; ) {
    const page = feed.read(next, 7);
    if (page.kind === "compacted") throw new Error("the position is compacted");
    events.push(...page.events);
    next = page.next;
    if (!page.more) return { events, next };
  }
}

/** A restarted machine says the same of what it has applied again. */
export function expectSameFeed(before: QueueMachine, after: QueueMachine): void {
  const { oldest } = after.feed;
  expect(readAll(after.feed, oldest)).toEqual(readAll(before.feed, oldest));
}
