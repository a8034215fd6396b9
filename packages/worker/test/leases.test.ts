/**
 * Heartbeats, and honesty about leases: what is aborted when, and what is reported all the same.
 */
import { describe, expect, test } from "vitest";
import { bench, delivery } from "./doubles.ts";

describe("heartbeats", () => {
  test("go out every third of the lease when the configured interval is longer", async () => {
    const { clock, dialer, log } = await bench({ heartbeatIntervalSecs: 15 });
    const start = clock.now();
    await clock.advance(30_000);
    expect(dialer.link.beats.map((at) => at - start)).toEqual([10_000, 20_000, 30_000]);
    const warnings = log.filter((line) => line.message.includes("more often than configured"));
    expect(warnings).toHaveLength(1);
    dialer.link.break();
    await clock.advance(10_000);
    expect(log.filter((line) => line.message.includes("more often"))).toHaveLength(1);
  });

  test("go out as configured when that is shorter, without a warning", async () => {
    const { clock, dialer, log } = await bench({ heartbeatIntervalSecs: 4 });
    await clock.advance(8_000);
    expect(dialer.link.beats).toHaveLength(2);
    expect(log.filter((line) => line.level === "warn")).toEqual([]);
  });

  test("a silent leader is left for another while the leases are still good", async () => {
    const { clock, dialer, held } = await bench();
    dialer.link.acksBeats = false;
    dialer.link.deliver(delivery(1));
    await clock.advance(22_600);
    expect(dialer.links).toHaveLength(2);
    expect(dialer.links[0]?.isClosed).toBe(true);
    expect(dialer.link.registration.held).toEqual([1]);
    expect(held.signals.get(1)?.aborted).toBe(false);
  });

  test("what a link says after it was left counts no longer", async () => {
    const { clock, dialer, held } = await bench();
    const [first] = dialer.links;
    first!.acksBeats = false;
    await clock.advance(22_600);
    first?.deliver(delivery(9));
    await clock.settle();
    expect(held.started).toEqual([]);
  });
});

describe("a lease that cannot be renewed", () => {
  test("ends the runs one lease after the last acknowledged heartbeat was sent", async () => {
    const { clock, dialer, held, log } = await bench();
    await clock.advance(10_000); // A heartbeat was sent and acknowledged just now.
    dialer.link.deliver(delivery(1), delivery(2));
    await clock.settle();
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    dialer.link.break();
    await clock.advance(29_999);
    expect(held.signals.get(1)?.aborted).toBe(false);
    await clock.advance(1);
    expect(held.why(1)).toBe("lease-lost");
    expect(held.why(2)).toBe("lease-lost");
    expect(log.some((line) => line.message.includes("running tasks are given up"))).toBe(true);
    dialer.onDial = () => {};
    await clock.advance(10_000);
    expect(dialer.link.registration.held).toEqual([]);
    expect(dialer.link.reports).toEqual([]);
  });

  test("a rejoin in time changes nothing for the runs", async () => {
    const { clock, dialer, held } = await bench();
    dialer.link.deliver(delivery(1));
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    dialer.link.break();
    await clock.advance(20_000);
    dialer.onDial = () => {};
    await clock.advance(60_000);
    expect(held.signals.get(1)?.aborted).toBe(false);
    held.resolve(1);
    await clock.settle();
    expect(dialer.link.reported("complete")).toEqual([1]);
  });

  test("a handler that does not heed it keeps its place, and its outcome is dropped", async () => {
    const { clock, dialer, held, worker } = await bench({ concurrency: 2 }, { heeds: false });
    dialer.link.deliver(delivery(1));
    dialer.link.listener.leaseLost(1, "cancelled");
    expect(held.why(1)).toBe("cancelled");
    expect(dialer.link.window).toBe(1);
    expect(worker.status).toMatchObject({ running: 0, abandoned: 1 });
    held.resolve(1, "too late");
    await clock.settle();
    expect(dialer.link.window).toBe(2);
    expect(dialer.link.reports).toEqual([]);
  });

  test("what cannot begin beside a handler that hangs goes back, the task taken from it too", async () => {
    const { clock, dialer, held } = await bench({ concurrency: 2 }, { heeds: false });
    const { link } = dialer;
    link.deliver(delivery(1), delivery(2));
    link.listener.leaseLost(1, "lapsed");
    // The broker had not heard yet that there was room for one only.
    link.deliver(delivery(3));
    await clock.advance(900);
    expect(link.reported("release")).toEqual([]);
    await clock.advance(200);
    expect(link.reported("release")).toEqual([3]);
    held.resolve(2);
    await clock.settle();
    expect(link.reported("complete")).toEqual([2]);
    expect(held.started).toEqual([1, 2]);
  });

  test("with every place taken by one that hangs there is no room for a prefetch", async () => {
    const { clock, dialer, held } = await bench({ concurrency: 1, prefetch: 2 }, { heeds: false });
    const { link } = dialer;
    link.deliver(delivery(1), delivery(2), delivery(3));
    link.listener.leaseLost(1, "cancelled");
    expect(link.window).toBe(0);
    await clock.advance(1_100);
    expect(link.reported("release")).toEqual([3, 2]);
    held.resolve(1);
    await clock.settle();
    expect(link.window).toBe(3);
    expect(held.started).toEqual([1]);
  });

  test("nothing goes back when a handler heeds its signal", async () => {
    const { clock, dialer, held } = await bench({ concurrency: 1, prefetch: 1 });
    const { link } = dialer;
    link.deliver(delivery(1), delivery(2));
    link.listener.leaseLost(1, "cancelled");
    await clock.advance(1_100);
    expect(link.reported("release")).toEqual([]);
    expect(held.started).toEqual([1, 2]);
  });

  test("a token given up here and delivered again is given back, not run beside itself", async () => {
    const { clock, dialer, held } = await bench({}, { heeds: false });
    dialer.link.deliver(delivery(1));
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    dialer.link.break();
    await clock.advance(31_000);
    dialer.onDial = () => {};
    await clock.advance(10_000);
    dialer.link.deliver(delivery(1));
    await clock.settle();
    expect(held.started).toEqual([1]);
    expect(dialer.link.reported("release")).toEqual([1]);
  });

  test("an extension keeps one run beyond the session's end, and no longer", async () => {
    const handlers = {
      work: async (_payload: unknown, ctx: { extend(ms: number): Promise<void> }) => {
        await ctx.extend(50_000);
        await new Promise(() => {});
      },
    };
    const { clock, dialer, worker } = await bench({ handlers });
    dialer.link.deliver(delivery(1));
    await clock.settle();
    expect(dialer.link.extensions).toEqual([{ token: 1, forMs: 50_000 }]);
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    dialer.link.break();
    await clock.advance(49_000);
    expect(worker.status).toMatchObject({ running: 1, abandoned: 0 });
    await clock.advance(1_100);
    expect(worker.status).toMatchObject({ running: 0, abandoned: 1 });
  });
});

test("an extension waits for the next link, and a refusal rejects", async () => {
  const ends: unknown[] = [];
  const handlers = {
    work: async (_payload: unknown, ctx: { extend(ms: number): Promise<void> }) => {
      ends.push(await ctx.extend(1_000).catch((error: Error) => error.message));
      ends.push(await ctx.extend(0).catch((error: Error) => error.name));
    },
  };
  const { clock, dialer } = await bench({ handlers });
  dialer.onDial = (link) => {
    link.extendRefusal = { code: "stale_token", message: "gone", retryable: false };
  };
  const [first] = dialer.links;
  first!.extend = () => Promise.reject(new Error("the connection ended"));
  first?.deliver(delivery(1));
  await clock.settle();
  first?.break();
  await clock.advance(500);
  expect(ends).toEqual(["stale_token: gone", "RangeError"]);
});

test.each([
  ["cancelled", "cancelled"],
  ["timeout", "timeout"],
  ["lapsed", "lease-lost"],
] as const)(
  "the broker ends a lease (%s): the run is told %s and not reported",
  async (reason, why) => {
    const { clock, dialer, held } = await bench();
    dialer.link.deliver(delivery(1));
    dialer.link.listener.leaseLost(1, reason);
    await clock.settle();
    expect(held.why(1)).toBe(why);
    expect(dialer.link.reports).toEqual([]);
  },
);

test("a waiting task whose lease is lost never starts", async () => {
  const { clock, dialer, held } = await bench({ concurrency: 1, prefetch: 1 });
  dialer.link.deliver(delivery(1), delivery(2));
  dialer.link.listener.leaseLost(2, "cancelled");
  held.resolve(1);
  await clock.settle();
  expect(held.started).toEqual([1]);
});
