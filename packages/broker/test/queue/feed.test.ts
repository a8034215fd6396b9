/** The feed: what it says of a task, where one can go on, and what gives way. */
import { describe, expect, test } from "vitest";
import { ENTRY_END, EventFeed, type FeedPage } from "../../src/queue/feed.ts";
import { FeedNames } from "../../src/queue/feed-names.ts";
import { FeedRing, newRingEvent } from "../../src/queue/feed-ring.ts";
import type { Lane } from "../../src/queue/lane.ts";
import { FEED_LOOKS_MAX, FEED_NAMES_MAX } from "../../src/queue/limits.ts";
import { FREE, LiveTable } from "../../src/queue/live-table.ts";
import { QueueMachine } from "../../src/queue/machine.ts";
import { PENDING } from "../../src/queue/state-number.ts";
import { readAll } from "./feed-watcher.ts";
import {
  bytesOf,
  completeOf,
  Driver,
  failOf,
  MemoryStore,
  makeId,
  registerOf,
  submitOf,
} from "./harness.ts";

const BEGIN = { index: 0, ordinal: ENTRY_END };
const [A, B] = [makeId(1), makeId(2)];

function begin(): Driver {
  const driver = new Driver();
  driver.raise(2);
  driver.raise(3);
  driver.apply(registerOf("w"));
  return driver;
}

function kinds(driver: Driver): string[] {
  const { events } = readAll(driver.machine.feed, BEGIN);
  return events.map(({ kind, state, attempt }) => `${kind} ${state} ${attempt}`);
}

function eventsOf(page: FeedPage) {
  if (page.kind === "compacted") throw new Error("compacted");
  return page.events;
}

describe("what is said of a task", () => {
  test("from its submit to its end", () => {
    const driver = begin();
    driver.apply(submitOf(A), { type: "lease", session: "w", count: 1 });
    driver.apply(completeOf(A, 1));
    expect(kinds(driver)).toEqual([
      "submitted pending 0",
      "started running 1",
      "completed completed 1",
    ]);
    const [first, second, third] = readAll(driver.machine.feed, BEGIN).events;
    expect(first).toMatchObject({ index: 4, ordinal: 0, queue: "default", type: "mail", id: A });
    expect(second).toMatchObject({ index: 4, ordinal: 1, at: driver.now });
    expect(third).toMatchObject({ index: 5, ordinal: 0 });
  });

  test("when runs end early", () => {
    const driver = begin();
    driver.apply(submitOf(A, { timeoutMs: 1000 }), { type: "lease", session: "w", count: 1 });
    driver.apply({ type: "release", id: A, token: 1 }, { type: "lease", session: "w", count: 1 });
    driver.apply(failOf(A, 2));
    driver.now += 5000;
    driver.apply({ type: "wake", max: 10 }, { type: "lease", session: "w", count: 1 });
    driver.now += 1000;
    driver.apply({ type: "wake", max: 10 });
    expect(kinds(driver)).toEqual([
      "submitted pending 0",
      "started running 1",
      "released running 1",
      "pending pending 1",
      "started running 2",
      "failed running 2",
      "retrying retrying 2",
      "pending pending 2",
      "started running 3",
      "timeout running 3",
      "retrying retrying 3",
    ]);
  });

  test("when its session lapses, it dies, comes back, is cancelled and deleted", () => {
    const driver = begin();
    driver.apply(submitOf(A), { type: "lease", session: "w", count: 1 });
    driver.now += 31_000;
    driver.apply({ type: "lapse", session: "w", renewals: 0 });
    driver.apply(registerOf("w"), { type: "lease", session: "w", count: 1 });
    driver.apply(failOf(A, 2, { retryable: false }));
    driver.apply({ type: "retry", id: A, requestId: bytesOf("r") });
    driver.apply({ type: "cancel", id: A, reason: "" });
    driver.apply({ type: "delete", id: A, requestId: bytesOf("d") });
    expect(kinds(driver).slice(2)).toEqual([
      "lapsed running 1",
      "pending pending 1",
      "started running 2",
      "failed running 2",
      "dead dead 2",
      "restarted pending 2",
      "cancelled cancelled 2",
      "deleted cancelled 2",
    ]);
  });
});

describe("reading on", () => {
  test("by pages, and by an index alone", () => {
    const driver = begin();
    driver.apply(submitOf(A), submitOf(B));
    const { feed } = driver.machine;
    const first = feed.read(BEGIN, 1);
    expect(first).toMatchObject({ more: true, next: { index: 4, ordinal: 0 } });
    const rest = feed.read({ index: 4, ordinal: 0 }, 10);
    expect(eventsOf(rest).map(({ id }) => id)).toEqual([B]);
    expect(rest).toMatchObject({ more: false, next: { index: 4, ordinal: ENTRY_END } });
    expect(eventsOf(feed.read({ index: 4, ordinal: ENTRY_END }, 10))).toEqual([]);
    expect(eventsOf(feed.read({ index: 3, ordinal: ENTRY_END }, 10))).toHaveLength(2);
  });

  test("without a position: from now on", () => {
    const driver = begin();
    driver.apply(submitOf(A));
    const page = driver.machine.feed.read(undefined, 10);
    expect(page).toEqual({
      kind: "events",
      events: [],
      next: driver.machine.feed.newest,
      more: false,
    });
  });

  test("a position that this node has not reached is waited for", () => {
    const driver = begin();
    const far = { index: 99, ordinal: 3 };
    const page = driver.machine.feed.read(far, 10);
    expect(page).toEqual({ kind: "events", events: [], next: far, more: false });
  });

  test("filters", () => {
    const driver = begin();
    driver.apply(submitOf(A, { queue: "q", type: "sms" }), submitOf(B));
    driver.apply({ type: "cancel", id: B, reason: "" });
    const { feed } = driver.machine;
    const count = (filter: Parameters<typeof feed.read>[2]) =>
      eventsOf(feed.read(BEGIN, 10, filter)).length;
    expect(count({ queue: "q" })).toBe(1);
    expect(count({ queue: "default" })).toBe(2);
    expect(count({ type: "sms" })).toBe(1);
    expect(count({ type: "sms", queue: "default" })).toBe(0);
    expect(count({ id: B })).toBe(2);
    expect(count({ kinds: ["cancelled", "dead"] })).toBe(1);
    expect(count({ kinds: [] })).toBe(0);
  });

  test("a restart begins anew behind what was flushed", () => {
    const driver = begin();
    driver.apply(submitOf(A));
    driver.flush();
    driver.apply(submitOf(B));
    driver.restart();
    const { feed } = driver.machine;
    expect(feed.oldest).toEqual({ index: 4, ordinal: ENTRY_END });
    expect(feed.read({ index: 4, ordinal: 0 }, 10)).toEqual({
      kind: "compacted",
      oldest: feed.oldest,
    });
    expect(eventsOf(feed.read(feed.oldest, 10)).map(({ id }) => id)).toEqual([B]);
  });
});

describe("what gives way", () => {
  const lane = { number: 0, queue: { name: "q" }, type: "t" } as unknown as Lane;

  function filled(events: number): EventFeed {
    const feed = new EventFeed(1);
    const table = new LiveTable();
    for (let index = 1; index <= events; index++) {
      feed.entry(index);
      const slot = table.add(makeId(index));
      table.state[slot] = PENDING;
      feed.moved(table, slot, lane, FREE, index);
      table.remove(slot);
    }
    return feed;
  }

  test("the oldest events of a full ring", () => {
    const { capacity } = new FeedRing(1);
    expect(filled(capacity).oldest).toEqual(BEGIN);
    const feed = filled(capacity + 1);
    const gone = capacity / 16;
    expect(feed.oldest).toEqual({ index: gone, ordinal: 0 });
    expect(feed.read({ index: gone - 1, ordinal: 0 }, 1).kind).toBe("compacted");
    const { events } = readAll(feed, feed.oldest);
    expect(events.map(({ index }) => index)).toEqual(
      Array.from({ length: capacity + 1 - gone }, (_, at) => gone + 1 + at),
    );
    expect(events.at(-1)!.id).toEqual(makeId(capacity + 1));
  });

  test("a page looks at a bounded number of events", () => {
    const bytes = 6 * 4096 * 56;
    expect(new FeedRing(bytes).capacity).toBeGreaterThan(FEED_LOOKS_MAX);
    const feed = new EventFeed(bytes);
    feed.entry(1);
    const gone = { queue: "q", type: "t", state: 5, attempt: 1 };
    for (let i = 0; i < FEED_LOOKS_MAX + 1; i++) feed.removed(A, gone, 1);
    const page = feed.read(BEGIN, 10, { queue: "other" });
    const next = { index: 1, ordinal: FEED_LOOKS_MAX - 1 };
    expect(page).toEqual({ kind: "events", events: [], next, more: true });
    expect(feed.read(next, 10, { queue: "other" })).toMatchObject({ more: false });
  });

  test("names that nobody uses any more, and events when all are in use", () => {
    const feed = new EventFeed(Number.MAX_SAFE_INTEGER);
    feed.entry(1);
    const count = FEED_NAMES_MAX + 5;
    for (let i = 0; i < count; i++) {
      feed.removed(A, { queue: `q${i}`, type: "t", state: 5, attempt: 1 }, 1);
    }
    expect(feed.oldest.ordinal).toBe(FEED_NAMES_MAX / 2 - 1);
    const page = eventsOf(feed.read(feed.oldest, 2));
    expect(page.map(({ queue }) => queue)).toEqual([
      `q${FEED_NAMES_MAX / 2}`,
      `q${FEED_NAMES_MAX / 2 + 1}`,
    ]);
    expect(eventsOf(feed.read(feed.oldest, 1, { queue: `q${count - 1}` }))).toHaveLength(0);
    const last = feed.read({ index: 1, ordinal: count - 2 }, 9);
    expect(eventsOf(last).map(({ queue }) => queue)).toEqual([`q${count - 1}`]);
  });

  test("a lane's number comes to stand for another lane", () => {
    const names = new FeedNames();
    const other = { number: 0, queue: { name: "q" }, type: "u" } as unknown as Lane;
    const [first, second] = [names.ofLane(lane, 1), names.ofLane(other, 2)];
    expect(names.get(first)).toMatchObject({ type: "t", last: 1 });
    expect(names.get(second)).toMatchObject({ type: "u", last: 2 });
    names.sweep(2);
    expect(names.size).toBe(1);
    expect(names.ofLane(lane, 3)).toBe(first);
  });

  test("numbers of full size come back as they were", () => {
    const ring = new FeedRing(1);
    const event = newRingEvent();
    Object.assign(event, { index: 2 ** 53 - 1, at: 8.64e15, ordinal: 7, attempt: 2 ** 32 - 1 });
    event.id.set([0, 0xffff_ffff, 1, 0x8000_0000]);
    ring.write(event);
    const found = newRingEvent();
    ring.read(0, found);
    expect(found).toEqual(event);
  });
});

test("a machine whose feed is small says the same otherwise", () => {
  const small = new QueueMachine(new MemoryStore(), 0, 1);
  expect(small.feed.oldest).toEqual(BEGIN);
});
