/** What a worker tells of its runs: each once, when it is true, whatever its listeners do. */
import { describe, expect, test, vi } from "vitest";
import { EventFeed } from "../src/core/event-feed.ts";
import { UNREAD_MAX } from "../src/core/unread.ts";
import { NonRetryable } from "../src/errors.ts";
import { createWorker, defineTasks, task, type Worker, type WorkerEvent } from "../src/index.ts";
import { SILENT } from "../src/logger.ts";
import { WORKER_EVENT_KINDS } from "../src/worker-event.ts";
import { bench, delivery, idOf } from "./doubles.ts";

function hear(worker: Worker): WorkerEvent[] {
  const heard: WorkerEvent[] = [];
  for (const kind of WORKER_EVENT_KINDS) worker.on(kind, (event) => heard.push(event));
  return heard;
}

function ofRuns(heard: readonly WorkerEvent[]): string[] {
  return heard.flatMap((event) => ("id" in event ? [`${event.kind} ${event.attempt}`] : []));
}

describe("of a run", () => {
  test("completed is told with its result and time, once the broker has it", async () => {
    const { clock, dialer, held, worker } = await bench();
    const heard = hear(worker);
    const { link } = dialer;
    link.acksReports = false;
    link.deliver(delivery(1, { attempt: 3, queue: "mail" }));
    await clock.advance(250);
    held.resolve(1, { sent: true });
    await clock.settle();
    expect(ofRuns(heard)).toEqual(["started 3"]);
    await clock.advance(1_000);
    link.listener.answered(link.reports[0]!, undefined);
    link.listener.answered(link.reports[0]!, undefined);
    await clock.settle();
    const run = { id: idOf(1), type: "work", queue: "mail", attempt: 3 };
    expect(heard).toEqual([
      { kind: "started", ...run },
      { kind: "completed", ...run, ms: 250, result: { sent: true } },
    ]);
  });

  test("failed is told with what was thrown", async () => {
    const { clock, dialer, held, worker } = await bench();
    const errors: Error[] = [];
    worker.on("failed", ({ error }) => errors.push(error));
    dialer.link.deliver(delivery(1), delivery(2), delivery(3));
    const refused = new NonRetryable("never");
    held.reject(1, refused);
    held.reject(2, "words");
    held.reject(3, undefined);
    await clock.settle();
    expect(errors[0]).toBe(refused);
    expect(errors[1]).toMatchObject({ message: "the handler threw words", cause: "words" });
    expect(errors[2]).toMatchObject({ message: "the handler threw undefined" });
  });

  test.each(["cancelled", "timeout", "lapsed"] as const)(
    "%s at the broker it is aborted, once",
    async (reason) => {
      const { clock, dialer, held, worker } = await bench({}, { heeds: false });
      const heard = hear(worker);
      dialer.link.deliver(delivery(1));
      dialer.link.listener.leaseLost(1, reason);
      await clock.settle();
      held.resolve(1, "too late");
      await clock.settle();
      expect(ofRuns(heard)).toEqual(["started 1", "aborted 1"]);
      expect(heard.at(-1)).toMatchObject({ why: reason === "lapsed" ? "lease-lost" : reason });
    },
  );

  test("a report that came too late is an aborted run, not a completed one", async () => {
    const { clock, dialer, held, worker } = await bench();
    const heard = hear(worker);
    const { link } = dialer;
    link.acksReports = false;
    link.deliver(delivery(1));
    held.resolve(1);
    await clock.settle();
    const refusal = { code: "stale_token", message: "taken over", retryable: false };
    link.listener.answered(link.reports[0]!, refusal);
    await clock.settle();
    expect(ofRuns(heard)).toEqual(["started 1", "aborted 1"]);
    expect(heard.at(-1)).toMatchObject({ why: "lease-lost" });
  });

  test("a result that the broker refuses is a failed run", async () => {
    const { clock, dialer, held, worker } = await bench();
    const heard = hear(worker);
    const { link } = dialer;
    link.acksReports = false;
    link.deliver(delivery(1));
    held.resolve(1);
    await clock.settle();
    const refusal = { code: "too_large", message: "9 bytes too long", retryable: false };
    link.listener.answered(link.reports[0]!, refusal);
    await clock.settle();
    link.listener.answered(link.reports[1]!, undefined);
    await clock.settle();
    expect(ofRuns(heard)).toEqual(["started 1", "failed 1"]);
    expect(heard.at(-1)).toMatchObject({
      error: new Error("the broker refused the result: 9 bytes too long"),
    });
  });

  test("a lost connection repeats nothing", async () => {
    const { clock, dialer, held, worker } = await bench();
    const heard = hear(worker);
    const first = dialer.link;
    first.acksReports = false;
    first.deliver(delivery(1), delivery(2));
    held.resolve(1);
    await clock.settle();
    dialer.onDial = (link) => {
      link.acksReports = false;
    };
    first.break();
    await clock.advance(1_000);
    const second = dialer.link;
    second.deliver(delivery(1), delivery(2));
    held.reject(2, new Error("no"));
    await clock.settle();
    for (const report of second.reports) second.listener.answered(report, undefined);
    await clock.settle();
    expect(ofRuns(heard)).toEqual(["started 1", "started 1", "completed 1", "failed 1"]);
    const states = heard.flatMap((event) => (event.kind === "connection" ? [event] : []));
    expect(states).toMatchObject([
      { state: "down", address: first.address, error: new Error("broken by the test") },
      { state: "up", address: dialer.link.address, error: undefined },
    ]);
  });

  test("a task that is given back before it begins is not told of", async () => {
    const { clock, dialer, held, worker } = await bench({ concurrency: 1, prefetch: 1 });
    const heard = hear(worker);
    dialer.link.deliver(delivery(1), delivery(2));
    void worker.pause();
    held.resolve(1);
    await clock.settle();
    expect(ofRuns(heard)).toEqual(["started 1", "completed 1"]);
  });

  test("one that was told to stop with the worker is aborted, heeding it or not", async () => {
    for (const heeds of [true, false]) {
      const { clock, dialer, worker } = await bench({}, { heeds });
      const heard = hear(worker);
      dialer.link.deliver(delivery(1));
      const stopped = worker.stop({ graceMs: 0, abortMs: 10 });
      await clock.advance(1_000);
      await stopped;
      expect(ofRuns(heard)).toEqual(["started 1", "aborted 1"]);
      expect(heard).toContainEqual(expect.objectContaining({ why: "shutdown" }));
    }
  });

  test("one whose report nobody takes before the worker has stopped is aborted", async () => {
    const { clock, dialer, held, worker } = await bench();
    const heard = hear(worker);
    const { link } = dialer;
    link.acksReports = false;
    link.deliver(delivery(1));
    held.resolve(1);
    const stopped = worker.stop({ graceMs: 0 });
    await clock.advance(10_000);
    expect(await stopped).toMatchObject({ undelivered: 1 });
    link.listener.answered(link.reports[0]!, undefined);
    await clock.settle();
    expect(ofRuns(heard)).toEqual(["started 1", "aborted 1"]);
  });
});

describe("of rest and of the connection", () => {
  test("drained is told once for each pause, before that resolves, and after the runs", async () => {
    const { clock, dialer, held, worker } = await bench();
    const heard = hear(worker);
    dialer.link.deliver(delivery(1));
    const told = worker.pause().then(() => heard.map(({ kind }) => kind));
    held.resolve(1);
    await clock.settle();
    expect(await told).toEqual(["started", "completed", "drained"]);
    await worker.pause();
    const stopped = worker.stop();
    await clock.settle();
    await stopped;
    expect(heard.filter(({ kind }) => kind === "drained")).toHaveLength(1);
  });

  test("drained is not told while a run that did not heed its signal is still to be given back", async () => {
    const { clock, dialer, worker } = await bench({}, { heeds: false });
    const heard = hear(worker);
    const { link } = dialer;
    link.acksReports = false;
    link.deliver(delivery(1));
    const stopped = worker.stop({ graceMs: 0, abortMs: 10 });
    await clock.advance(1_000);
    expect(link.reported("release")).toEqual([1]);
    expect(heard.map(({ kind }) => kind)).toEqual(["started", "aborted"]);
    link.listener.answered(link.reports[0]!, undefined);
    await clock.settle();
    await stopped;
    expect(heard.map(({ kind }) => kind)).toEqual(["started", "aborted", "drained"]);
  });

  test("drained is not told of a pause that ended before it was reached", async () => {
    const { clock, dialer, held, worker } = await bench();
    const heard = hear(worker);
    dialer.link.deliver(delivery(1));
    void worker.pause();
    await clock.settle();
    worker.resume();
    held.resolve(1);
    await clock.settle();
    expect(heard.map(({ kind }) => kind)).toEqual(["started", "completed"]);
    await worker.pause();
    worker.resume();
    await worker.pause();
    expect(heard.filter(({ kind }) => kind === "drained")).toHaveLength(2);
  });

  test("a broker that cannot be reached is told of with its address", async () => {
    const { clock, dialer, worker } = await bench({}, { start: false });
    const heard = hear(worker);
    dialer.onDial = (link) => {
      if (link.address === "a:1") throw new Error("nobody there");
    };
    const started = worker.start();
    await clock.advance(1_000);
    await started;
    expect(heard).toEqual([
      { kind: "connection", state: "failed", address: "a:1", error: new Error("nobody there") },
      { kind: "connection", state: "up", address: "b:2", error: undefined },
    ]);
  });
});

describe("listeners", () => {
  test("one that throws or rejects harms neither the others nor the worker", async () => {
    const { clock, dialer, held, log, worker } = await bench();
    const kinds: string[] = [];
    worker.on("started", () => {
      throw new Error("from a listener");
    });
    worker.on("started", async () => {
      throw new Error("from an asynchronous one");
    });
    worker.on("started", ({ kind }) => kinds.push(kind));
    dialer.link.deliver(delivery(1));
    await clock.settle();
    held.resolve(1);
    await clock.settle();
    expect(kinds).toEqual(["started"]);
    expect(dialer.link.reported("complete")).toEqual([1]);
    const complaints = log.filter((line) => line.message === "a listener of the worker threw");
    expect(complaints.map(({ fields }) => fields)).toMatchObject([
      { event: "started", error: expect.stringContaining("from a listener") },
      { event: "started", error: expect.stringContaining("from an asynchronous one") },
    ]);
  });

  test("one that pauses the worker from within an event is heeded", async () => {
    const { clock, dialer, held, worker } = await bench({ concurrency: 1, prefetch: 1 });
    worker.on("failed", () => void worker.pause());
    dialer.link.deliver(delivery(1));
    held.reject(1, new Error("the mail server is down"));
    await clock.settle();
    expect(worker.state).toBe("paused");
    dialer.link.deliver(delivery(2));
    await clock.settle();
    expect(dialer.link.reported("release")).toEqual([2]);
  });

  test("the same one twice hears twice, and each registration is ended by itself", async () => {
    const { clock, dialer, worker } = await bench();
    const listener = vi.fn();
    const ends = [worker.on("started", listener), worker.on("started", listener)];
    dialer.link.deliver(delivery(1));
    await clock.settle();
    expect(listener).toHaveBeenCalledTimes(2);
    ends[0]?.();
    dialer.link.deliver(delivery(2));
    await clock.settle();
    expect(listener).toHaveBeenCalledTimes(3);
    ends[1]?.();
    dialer.link.deliver(delivery(3));
    await clock.settle();
    expect(listener).toHaveBeenCalledTimes(3);
  });

  test("a kind that is none, and a listener that is none, are refused by name", async () => {
    const { worker } = await bench();
    expect(() => worker.on("complete" as "completed", () => {})).toThrow(
      'no event "complete"; it has started, completed, failed, aborted, drained, connection',
    );
    expect(() => worker.on("completed", "log" as never)).toThrow("this is: string");
  });
});

describe("events()", () => {
  async function kindsOf(events: AsyncIterable<{ kind: string }>): Promise<string[]> {
    const kinds: string[] = [];
    for await (const { kind } of events) kinds.push(kind);
    return kinds;
  }

  test("yields all of them in order, and ends when the worker has stopped", async () => {
    const { clock, dialer, held, worker } = await bench();
    const kinds = kindsOf(worker.events());
    dialer.link.deliver(delivery(1));
    await clock.settle();
    held.resolve(1);
    const stopped = worker.stop();
    await clock.settle();
    await stopped;
    expect(await kinds).toEqual(["started", "completed", "drained"]);
    expect(await kindsOf(worker.events())).toEqual([]);
  });

  test("throws the reason of its signal, before and while it waits", async () => {
    const { clock, worker } = await bench();
    const until = new AbortController();
    const kinds = kindsOf(worker.events({ signal: until.signal }));
    const ended = expect(kinds).rejects.toThrow("enough");
    await clock.settle();
    until.abort(new Error("enough"));
    await ended;
    await expect(kindsOf(worker.events({ signal: until.signal }))).rejects.toThrow("enough");
  });

  test("a reader that breaks off is forgotten", async () => {
    const feed = new EventFeed(SILENT);
    const events = feed.follow();
    expect(feed.hears("drained")).toBe(false);
    const first = events.next();
    feed.emit({ kind: "drained" });
    expect((await first).value).toEqual({ kind: "drained" });
    expect(feed.hears("drained")).toBe(true);
    await events.return();
    expect(feed.hears("drained")).toBe(false);
  });

  test("one that reads too slowly is told how many it has missed, and goes on", async () => {
    const count = UNREAD_MAX + 5;
    const handlers = { work: () => {} };
    const { clock, dialer, worker } = await bench({ handlers, concurrency: 2 });
    const events = worker.events();
    const first = events.next();
    dialer.link.deliver(delivery(1));
    await clock.settle();
    await first;
    // Besides the completion of the first, whose start is read.
    for (let token = 2; token <= count; token++) dialer.link.deliver(delivery(token));
    await clock.settle();
    let read = 0;
    let missed = 0;
    while (read + missed < 2 * count - 1) {
      const { value } = await events.next();
      if (value?.kind === "missed") missed += value.count;
      else read++;
    }
    expect(missed).toBe(2 * count - 1 - UNREAD_MAX);
    const next = events.next();
    dialer.link.deliver(delivery(count + 1));
    expect((await next).value).toMatchObject({ kind: "started", id: idOf(count + 1) });
  });
});

test("results have the types of the map, and any worker is a Worker", () => {
  const tasks = defineTasks({
    "email.send": task<{ to: string }, string>(),
    "image.resize": task<{ width: number }, { bytes: number }>(),
  });
  const worker = createWorker({
    servers: "127.0.0.1:6379",
    tasks,
    handlers: { "email.send": ({ to }) => to },
  });
  worker.on("completed", (event) => {
    if (event.type === "image.resize") expect(event.result.bytes).toBeTypeOf("number");
    else expect(event.result.length).toBeTypeOf("number");
    // @ts-expect-error there is no such type in the map
    expect(event.type === "image.rotate").toBe(false);
  });
  // @ts-expect-error a failed run has no result
  worker.on("failed", ({ result }) => result);
  const any: Worker = worker;
  expect(any.state).toBe("idle");
});
