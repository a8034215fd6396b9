/** Draining, stopping, and signals. */
import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import { SILENT } from "../src/logger.ts";
import { handleSignals, type SignalSource } from "../src/signals.ts";
import { bench, delivery } from "./doubles.ts";

describe("stop", () => {
  test("gives back what has not begun, lets the rest finish, says good-bye", async () => {
    const { clock, dialer, held, worker } = await bench({ concurrency: 1, prefetch: 2 });
    const { link } = dialer;
    link.deliver(delivery(1), delivery(2), delivery(3));
    await clock.settle();
    const stopped = worker.stop();
    await clock.settle();
    expect(worker.state).toBe("draining");
    expect(link.window).toBe(0);
    expect(link.reported("release")).toEqual([2, 3]);
    expect(link.saidBye).toBe(false);
    held.resolve(1);
    await clock.settle();
    expect(await stopped).toEqual({ finished: 1, returned: 2, aborted: 0, undelivered: 0 });
    expect(link.saidBye).toBe(true);
    expect(worker.state).toBe("stopped");
    await worker.done;
  });

  test("what is still delivered while draining is given back", async () => {
    const { clock, dialer, worker } = await bench();
    dialer.link.deliver(delivery(1));
    void worker.stop();
    dialer.link.deliver(delivery(2));
    await clock.settle();
    expect(dialer.link.reported("release")).toEqual([2]);
  });

  test("after the grace period runs are aborted with `shutdown` and given back", async () => {
    const { clock, dialer, held, worker } = await bench();
    dialer.link.deliver(delivery(1));
    const stopped = worker.stop({ graceMs: 1_000 });
    await clock.advance(999);
    expect(held.signals.get(1)?.aborted).toBe(false);
    await clock.advance(1);
    expect(held.why(1)).toBe("shutdown");
    expect(dialer.link.reported("release")).toEqual([1]);
    expect(await stopped).toMatchObject({ finished: 0, aborted: 1 });
  });

  test("a run that completes although it was told to stop is completed", async () => {
    const { clock, dialer, held, worker } = await bench({}, { heeds: false });
    dialer.link.deliver(delivery(1));
    const stopped = worker.stop({ graceMs: 0 });
    await clock.advance(1);
    held.resolve(1, "just in time");
    await clock.settle();
    expect(dialer.link.reported("complete")).toEqual([1]);
    expect(await stopped).toMatchObject({ finished: 1, aborted: 0 });
  });

  test("a run that heeds nothing is given back all the same", async () => {
    const { clock, dialer, worker } = await bench({}, { heeds: false });
    dialer.link.deliver(delivery(1));
    const stopped = worker.stop({ graceMs: 1_000, abortMs: 500 });
    await clock.advance(1_500);
    expect(dialer.link.reported("release")).toEqual([1]);
    expect(await stopped).toMatchObject({ aborted: 1 });
  });

  test("without a broker it ends after a while and tells what it could not deliver", async () => {
    const { clock, dialer, held, worker } = await bench();
    dialer.link.deliver(delivery(1));
    await clock.settle();
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    dialer.link.break();
    held.resolve(1);
    await clock.settle();
    const stopped = worker.stop({ graceMs: 1_000 });
    await clock.advance(10_000);
    expect(await stopped).toMatchObject({ undelivered: 1 });
  });

  test("drain alone leaves the worker registered, and a second stop changes nothing", async () => {
    const { clock, dialer, held, worker } = await bench();
    dialer.link.deliver(delivery(1));
    const drained = worker.drain();
    held.resolve(1);
    await clock.settle();
    await drained;
    await clock.advance(10_000);
    expect(dialer.link.beats).toHaveLength(1);
    expect(dialer.link.saidBye).toBe(false);
    const stops = [worker.stop(), worker.stop()];
    await clock.settle();
    expect(await stops[0]).toBe(await stops[1]);
  });

  test("a worker starts once", async () => {
    const { worker } = await bench();
    await expect(worker.start()).rejects.toThrow("a worker starts once");
  });

  test("stopping before any broker was found resolves `start` too", async () => {
    const { clock, dialer, worker } = await bench({}, { start: false });
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    const started = worker.start();
    await clock.settle();
    const stopped = worker.stop();
    await clock.settle();
    await Promise.all([started, stopped, worker.done]);
    expect(worker.state).toBe("stopped");
  });
});

test("a registration under way when the worker stops is taken back", async () => {
  const { clock, dialer, worker } = await bench({}, { start: false });
  let answer: () => void = () => {};
  const dial = dialer.dial.bind(dialer);
  dialer.dial = async (...args) => {
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return dial(...args);
  };
  void worker.start();
  const stopped = worker.stop();
  await clock.settle();
  answer();
  await clock.settle();
  await stopped;
  expect(dialer.link.saidBye).toBe(true);
  expect(dialer.link.isClosed).toBe(true);
});

class FakeProcess extends EventEmitter implements SignalSource {
  readonly exits: number[] = [];

  exit(code: number): void {
    this.exits.push(code);
  }
}

describe("signals", () => {
  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("the first %s drains, the second ends the process with %i", async (signal, code) => {
    const { clock, dialer, worker } = await bench();
    const source = new FakeProcess();
    handleSignals(worker, source, SILENT);
    dialer.link.deliver(delivery(1));
    source.emit(signal);
    await clock.settle();
    expect(worker.state).toBe("draining");
    expect(source.exits).toEqual([]);
    source.emit(signal);
    expect(source.exits).toEqual([code]);
  });

  test("nothing is left of the listeners once the worker is done", async () => {
    const { clock, worker } = await bench();
    const source = new FakeProcess();
    handleSignals(worker, source, SILENT);
    source.emit("SIGTERM");
    await clock.settle();
    await worker.done;
    await clock.settle();
    expect(source.listenerCount("SIGTERM") + source.listenerCount("SIGINT")).toBe(0);
  });
});
