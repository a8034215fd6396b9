/** A worker that takes nothing for a while: what runs, what waits, and what comes all the same. */
import { describe, expect, test } from "vitest";
import { bench, delivery } from "./doubles.ts";

/** Lets the promise be looked at without waiting for it. */
function watch(promise: Promise<unknown>): { isOver: boolean } {
  const seen = { isOver: false };
  void promise.then(() => {
    seen.isOver = true;
  });
  return seen;
}

describe("pause", () => {
  test("gives back what has not begun, and lets the rest run to its end", async () => {
    const { clock, dialer, held, worker } = await bench({ concurrency: 1, prefetch: 2 });
    const { link } = dialer;
    link.deliver(delivery(1), delivery(2), delivery(3));
    const paused = watch(worker.pause());
    await clock.settle();
    expect(worker.state).toBe("paused");
    expect(link.window).toBe(0);
    expect(link.reported("release")).toEqual([2, 3]);
    expect(paused.isOver).toBe(false);
    held.resolve(1, "kept");
    await clock.settle();
    expect(link.reported("complete")).toEqual([1]);
    expect(paused.isOver).toBe(true);
    expect(held.started).toEqual([1]);
  });

  test("is over at once where nothing runs, and may be asked for twice", async () => {
    const { worker } = await bench();
    await worker.pause();
    await worker.pause();
    expect(worker.state).toBe("paused");
  });

  test("lasts until the reports are answered, not only until the handlers are", async () => {
    const { clock, dialer, held, worker } = await bench();
    const { link } = dialer;
    link.acksReports = false;
    link.deliver(delivery(1));
    const paused = watch(worker.pause());
    held.resolve(1);
    await clock.settle();
    expect(paused.isOver).toBe(false);
    link.listener.answered(link.reports[0]!, undefined);
    await clock.settle();
    expect(paused.isOver).toBe(true);
  });

  test("what was on its way is given back, and heartbeats go on", async () => {
    const { clock, dialer, held, worker } = await bench();
    const { link } = dialer;
    void worker.pause();
    link.deliver(delivery(1));
    await clock.advance(30_000);
    expect(link.reported("release")).toEqual([1]);
    expect(held.started).toEqual([]);
    expect(link.beats.length).toBeGreaterThan(1);
    expect(link.isClosed).toBe(false);
  });

  test("a run whose handler hangs on without its lease does not hold it up", async () => {
    const { clock, dialer, worker } = await bench({}, { heeds: false });
    dialer.link.deliver(delivery(1));
    const paused = watch(worker.pause());
    dialer.link.listener.leaseLost(1, "cancelled");
    await clock.settle();
    expect(paused.isOver).toBe(true);
    expect(dialer.link.window).toBe(0);
  });
});

describe("resume", () => {
  test("takes tasks again, beside those that still run", async () => {
    const { clock, dialer, held, worker } = await bench({ concurrency: 2, prefetch: 1 });
    const { link } = dialer;
    link.deliver(delivery(1));
    const paused = watch(worker.pause());
    await clock.settle();
    worker.resume();
    await clock.settle();
    expect(worker.state).toBe("running");
    expect(link.window).toBe(3);
    // It waits for rest no longer: under load there may never be any.
    expect(paused.isOver).toBe(true);
    link.deliver(delivery(2));
    await clock.settle();
    expect(held.started).toEqual([1, 2]);
  });

  test("without a pause it changes nothing", async () => {
    const { dialer, worker } = await bench();
    const before = [...dialer.link.windows];
    worker.resume();
    expect(dialer.link.windows).toEqual(before);
  });

  test("what comes back under the same token after a resume does not run while it is given back", async () => {
    const { clock, dialer, held, worker } = await bench();
    const first = dialer.link;
    first.acksReports = false;
    void worker.pause();
    first.deliver(delivery(1));
    await clock.settle();
    expect(first.reported("release")).toEqual([1]);
    dialer.onDial = (link) => {
      link.acksReports = false;
    };
    first.break();
    worker.resume();
    await clock.advance(1_000);
    const second = dialer.link;
    expect(second.registration.held).toEqual([1]);
    second.deliver(delivery(1));
    await clock.settle();
    expect(held.started).toEqual([]);
    expect(second.reported("release")).toEqual([1]);
  });

  test("what hung before the pause still keeps tasks from waiting behind it", async () => {
    const { clock, dialer, worker } = await bench({ concurrency: 1 }, { heeds: false });
    const { link } = dialer;
    link.deliver(delivery(1));
    link.listener.leaseLost(1, "lapsed");
    void worker.pause();
    worker.resume();
    link.deliver(delivery(2));
    await clock.advance(5_000);
    expect(link.reported("release")).toEqual([2]);
  });

  test("does not undo a drain", async () => {
    const { dialer, worker } = await bench();
    await worker.pause();
    await worker.drain();
    worker.resume();
    expect(worker.state).toBe("draining");
    expect(dialer.link.window).toBe(0);
  });
});

describe("across connections", () => {
  test("a paused worker registers again for nothing, keeps its runs, and reports them", async () => {
    const { clock, dialer, held, worker } = await bench();
    const first = dialer.link;
    first.deliver(delivery(1));
    const paused = watch(worker.pause());
    await clock.settle();
    first.break();
    await clock.advance(1_000);
    const second = dialer.link;
    expect(second).not.toBe(first);
    expect(second.registration).toMatchObject({ window: 0, held: [1] });
    expect(second.window).toBe(0);
    held.resolve(1);
    await clock.settle();
    expect(second.reported("complete")).toEqual([1]);
    expect(paused.isOver).toBe(true);
    worker.resume();
    expect(second.window).toBe(4);
  });

  test("paused and resumed while nobody is there", async () => {
    const { clock, dialer, worker } = await bench();
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    dialer.link.break();
    await worker.pause();
    await clock.advance(1_000);
    worker.resume();
    dialer.onDial = () => {};
    await clock.advance(10_000);
    expect(dialer.link.registration.window).toBe(4);
  });

  test("paused before it starts, it registers for nothing", async () => {
    const { clock, dialer, worker } = await bench({}, { start: false });
    await worker.pause();
    expect(worker.state).toBe("idle");
    const started = worker.start();
    await clock.settle();
    await started;
    expect(worker.state).toBe("paused");
    expect(dialer.link.registration.window).toBe(0);
    worker.resume();
    expect(dialer.link.window).toBe(4);
  });
});

describe("stopping while paused", () => {
  test("waits for what runs, and resolves the pause", async () => {
    const { clock, dialer, held, worker } = await bench();
    dialer.link.deliver(delivery(1));
    const paused = watch(worker.pause());
    const stopped = worker.stop();
    await clock.settle();
    expect(dialer.link.saidBye).toBe(false);
    held.resolve(1);
    await clock.settle();
    expect(await stopped).toEqual({ finished: 1, returned: 0, aborted: 0, undelivered: 0 });
    expect(paused.isOver).toBe(true);
    expect(worker.state).toBe("stopped");
  });

  test("pause and drain end with a worker that could not deliver its reports", async () => {
    const { clock, dialer, held, worker } = await bench();
    dialer.link.deliver(delivery(1));
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    dialer.link.break();
    held.resolve(1);
    const paused = worker.pause();
    const drained = worker.drain();
    const stopped = worker.stop({ graceMs: 1_000 });
    await clock.advance(10_000);
    await Promise.all([paused, drained]);
    expect(await stopped).toMatchObject({ undelivered: 1 });
    await worker.pause();
    worker.resume();
    expect(worker.state).toBe("stopped");
  });
});
