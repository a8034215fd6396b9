/** What runs when, and how each run's end is reported. */
import type { DeliveredTask } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { NonRetryable, RetryAfter } from "../src/errors.ts";
import type { TaskContext } from "../src/handler.ts";
import { bench, delivery, idOf } from "./doubles.ts";

describe("concurrency and prefetch", () => {
  test("the window is both together, and at most `concurrency` handlers are at work", async () => {
    const { clock, dialer, held, worker } = await bench({ concurrency: 2, prefetch: 3 });
    const { link } = dialer;
    expect(link.registration.window).toBe(5);
    link.deliver(delivery(1), delivery(2), delivery(3), delivery(4));
    await clock.settle();
    expect(held.started).toEqual([1, 2]);
    expect(worker.status).toMatchObject({ running: 2, waiting: 2 });
    held.resolve(2);
    await clock.settle();
    expect(held.started).toEqual([1, 2, 3]);
    expect(link.reported("complete")).toEqual([2]);
  });

  test("handlers that are not asynchronous do not pile up on the stack", async () => {
    const handlers = { work: () => "done" };
    const { clock, dialer } = await bench({ handlers, concurrency: 1, prefetch: 5_000 });
    const tasks = Array.from({ length: 5_000 }, (_, i) => delivery(i + 1));
    dialer.link.deliver(...tasks);
    await clock.settle();
    expect(dialer.link.reported("complete")).toHaveLength(5_000);
  });

  test("what ends in one turn is reported in one go", async () => {
    const handlers = { work: async () => "done" };
    const { clock, dialer } = await bench({ handlers, concurrency: 64 });
    dialer.link.deliver(...Array.from({ length: 64 }, (_, i) => delivery(i + 1)));
    await clock.settle();
    expect(dialer.link.batches).toEqual([64]);
  });

  test("a token that is running is not started again", async () => {
    const { clock, dialer, held } = await bench();
    dialer.link.deliver(delivery(1));
    dialer.link.deliver(delivery(1), delivery(2));
    await clock.settle();
    expect(held.started).toEqual([1, 2]);
    expect(dialer.link.reports).toEqual([]);
  });
});

async function reportOf(work: (payload: unknown, ctx: TaskContext) => unknown, fields = {}) {
  const { clock, dialer } = await bench({ handlers: { work } });
  dialer.link.deliver(delivery(7, fields as Partial<DeliveredTask>));
  await clock.settle();
  return dialer.link.reports;
}

describe("results", () => {
  test("any JSON value, and nothing at all", async () => {
    const [json] = await reportOf(() => ({ a: [1, "é"] }));
    expect(json).toMatchObject({ kind: "complete", token: 7, resultType: "json" });
    expect(Buffer.from((json as { result: Uint8Array }).result).toString()).toBe('{"a":[1,"é"]}');
    const [nothing] = await reportOf(() => undefined);
    expect(Buffer.from((nothing as { result: Uint8Array }).result).toString()).toBe("null");
  });

  test("bytes travel as they are", async () => {
    const bytes = new Uint8Array([0, 255, 1]);
    expect(await reportOf(() => bytes)).toMatchObject([{ result: bytes, resultType: "binary" }]);
  });

  test("the handler gets JSON values, and binary payloads as bytes", async () => {
    const seen: unknown[] = [];
    const work = (payload: unknown) => void seen.push(payload);
    await reportOf(work);
    await reportOf(work, { payloadType: "binary", payload: new Uint8Array([9]) });
    await reportOf(work, { payload: new Uint8Array(0) });
    expect(seen).toEqual([{ token: 7 }, new Uint8Array([9]), undefined]);
  });

  test.each([
    ["a BigInt", () => 1n, /cannot be written as JSON/],
    ["a cycle", () => cycle(), /cannot be written as JSON/],
    ["a function", () => () => {}, /a function, which JSON cannot hold/],
    ["too much", () => "x".repeat(2_000), /2002 bytes; the broker takes 1000/],
  ])("%s as a result is a failure that is not retried", async (_name, work, message) => {
    const [report] = await reportOf(work);
    expect(report).toMatchObject({ kind: "fail", retryable: false });
    expect((report as { message: string }).message).toMatch(message);
  });
});

function cycle(): object {
  const object: Record<string, unknown> = {};
  object["self"] = object;
  return object;
}

describe("failures", () => {
  test("an exception is a failure that may be retried", async () => {
    const reports = await reportOf(() => {
      throw new Error("no luck");
    });
    const expected = { kind: "fail", message: "no luck", retryable: true, retryAfterMs: undefined };
    expect(reports).toMatchObject([expected]);
    expect((reports[0] as { stack: string }).stack).toContain("runs.test.ts");
  });

  test("RetryAfter asks for a delay, NonRetryable for no further attempt", async () => {
    const later = await reportOf(async () => {
      throw new RetryAfter(1_500.5);
    });
    expect(later).toMatchObject([{ retryAfterMs: 1_501, retryable: true }]);
    const never = await reportOf(async () => {
      throw new NonRetryable("wrong address");
    });
    expect(never).toMatchObject([{ message: "wrong address", retryable: false }]);
    expect(() => new RetryAfter(-1)).toThrow(RangeError);
  });

  test("an error in which nothing is what it should be is a failure like any other", async () => {
    const odd = (fields: object) => Object.assign(new Error("odd"), fields);
    const hostile = odd({});
    const thrower = {
      get() {
        throw new Error("not even that");
      },
    };
    Object.defineProperties(hostile, { stack: thrower, message: thrower, name: thrower });
    const errors = [
      [odd({ message: { code: 7 } }), '{"code":7}'],
      [odd({ message: undefined }), "Error"],
      [odd({ message: 5, stack: 5 }), "5"],
      [hostile, ""],
    ] as const;
    for (const [error, message] of errors) {
      const later = await reportOf(() => Promise.reject(error));
      expect(later).toMatchObject([{ kind: "fail", message, retryable: true }]);
      const atOnce = await reportOf(() => {
        throw error;
      });
      expect(atOnce).toMatchObject([{ kind: "fail", message }]);
    }
  });

  test("what only looks like a promise ends a run once", async () => {
    // biome-ignore lint/suspicious/noThenProperty: that is what is tried
    const throwing = { then: () => expect.unreachable("its promise fails") };
    expect(await reportOf(() => throwing)).toMatchObject([{ kind: "fail" }]);
    const twice = {
      // biome-ignore lint/suspicious/noThenProperty: that is what is tried
      then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
        resolve("done");
        reject(new Error("or not"));
      },
    };
    expect(await reportOf(() => twice)).toMatchObject([{ kind: "complete" }]);
  });

  test("what is thrown need not be an error, and long texts are cut between characters", async () => {
    const thrown = await reportOf(() => {
      throw { status: 3 };
    });
    expect(thrown).toMatchObject([{ message: 'the handler threw {"status":3}' }]);
    const [long] = await reportOf(() => {
      throw new Error("é".repeat(5_000));
    });
    const { message } = long as { message: string };
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4_096);
    expect(message).toBe("é".repeat(message.length));
  });

  test("a payload that is not JSON, and a type without a handler", async () => {
    const broken = await reportOf(() => {}, { payload: new Uint8Array([0x7b]) });
    expect(broken).toMatchObject([{ kind: "fail", retryable: false }]);
    const unknown = await reportOf(() => {}, { type: "toString" });
    expect(unknown).toMatchObject([{ message: 'this worker has no handler for "toString"' }]);
  });
});

describe("the context", () => {
  test("tells of the task", async () => {
    let ctx: TaskContext | undefined;
    await reportOf(
      (_payload, given) => {
        ctx = given;
      },
      { attempt: 2, tags: ["x"], metadata: '{"by":"me"}', traceparent: "00-1", priority: "high" },
    );
    expect(ctx).toMatchObject({
      id: idOf(7),
      type: "work",
      queue: "default",
      attempt: 2,
      maxRetries: 3,
      token: 7n,
      priority: "high",
      tags: ["x"],
      metadata: { by: "me" },
      traceparent: "00-1",
      createdAt: new Date(1_700_000_000_000),
    });
    expect(ctx?.signal.aborted).toBe(false);
  });

  test("its log carries the task on every line", async () => {
    const handlers = {
      work: (_payload: unknown, ctx: TaskContext) => ctx.log.info({ step: 1 }, "half way"),
    };
    const { dialer, log } = await bench({ handlers });
    dialer.link.deliver(delivery(3));
    const line = log.find((each) => each.message === "half way");
    expect(line?.fields).toEqual({ task: idOf(3), type: "work", attempt: 1, step: 1 });
  });
});

describe("timeouts", () => {
  test("a run that takes too long is aborted here too, and fails", async () => {
    const { clock, dialer, held } = await bench();
    dialer.link.deliver(delivery(1, { timeoutMs: 500 }));
    await clock.advance(499);
    expect(held.signals.get(1)?.aborted).toBe(false);
    await clock.advance(1);
    expect(held.why(1)).toBe("timeout");
    const expected = { kind: "fail", message: "the run took longer than 500 ms", retryable: true };
    expect(dialer.link.reports).toMatchObject([expected]);
  });

  test("time spent waiting behind others counts", async () => {
    const { clock, dialer, held } = await bench({ concurrency: 1, prefetch: 1 });
    dialer.link.deliver(delivery(1), delivery(2, { timeoutMs: 500 }));
    await clock.advance(600);
    held.resolve(1);
    await clock.settle();
    expect(held.started).toEqual([1]);
    expect(dialer.link.reported("fail")).toEqual([2]);
    expect((dialer.link.reports[1] as { message: string }).message).toMatch(/lower the prefetch/);
  });
});
