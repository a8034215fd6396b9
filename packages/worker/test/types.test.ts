/** What the compiler must accept and refuse; checked by `tsc`, run for the run-time part. */
import type { PayloadOf, StandardSchema } from "task-queue-client";
import { expect, test } from "vitest";
import { createWorker, defineTasks, task, taskWith } from "../src/index.ts";

const tasks = defineTasks({
  "email.send": task<{ to: string }>(),
  "image.resize": task<{ width: number }, { bytes: number }>(),
});

test("handlers of a task map know their payload and result", () => {
  const worker = createWorker({
    servers: "127.0.0.1:6379",
    tasks,
    handlers: {
      "email.send": async ({ to }) => {
        expect(to.length).toBeGreaterThan(0);
      },
      "image.resize": async ({ width }, ctx) => ({ bytes: width * ctx.attempt }),
    },
  });
  expect(worker.state).toBe("idle");
});

test("a wrong result type and an unknown task type are errors of compilation", () => {
  createWorker({
    servers: "127.0.0.1:6379",
    tasks,
    // @ts-expect-error the result must have `bytes`
    handlers: { "image.resize": async () => ({ size: 1 }) },
  });
  createWorker({
    servers: "127.0.0.1:6379",
    tasks,
    // @ts-expect-error there is no such type in the map
    handlers: { "image.rotate": async () => {} },
  });
  expect.assertions(0);
});

test("without a map a handler names its payload itself", () => {
  const handlers = {
    "email.send": async (payload: { to: string }) => payload.to,
    plain: (payload: unknown) => payload,
  };
  expect(createWorker({ servers: ["a:1", "b:2"], handlers }).name).not.toBe("");
});

test.each([
  [{ servers: "nowhere:0", handlers: { a: () => {} } }, /nowhere:0/],
  [{ servers: "", handlers: { a: () => {} } }, /no broker/],
  [{ servers: "a:1", handlers: {} }, /at least one task type/],
  [{ servers: "a:1", handlers: { "no blanks": () => {} } }, /"no blanks" is not a task type/],
  [{ servers: "a:1", handlers: { a: () => {} }, concurrency: 0 }, /concurrency/],
  [{ servers: "a:1", handlers: { a: () => {} }, queues: ["ok", "a b"] }, /queues: "a b"/],
  [{ servers: "a:1", handlers: { a: () => {} }, labels: { "a b": "c" } }, /labels: "a b=c"/],
  [{ servers: "a:1", handlers: { a: () => {} }, name: "" }, /name must be/],
  [{ servers: "a:1", handlers: { a: () => {} }, prefetch: -1 }, /prefetch/],
  [{ servers: "a:1", handlers: { a: () => {} }, heartbeatIntervalSecs: 0 }, /heartbeat/],
])("options that cannot be are refused by name", (options, message) => {
  expect(() => createWorker(options)).toThrow(message);
});

test("progress is of the type that the map gives it", () => {
  const withProgress = defineTasks({
    "image.resize": task<{ width: number }, void, { percent: number }>(),
  });
  createWorker({
    servers: "127.0.0.1:6379",
    tasks: withProgress,
    handlers: { "image.resize": (_payload, ctx) => ctx.progress({ percent: 50 }) },
  });
  createWorker({
    servers: "127.0.0.1:6379",
    tasks: withProgress,
    handlers: {
      // @ts-expect-error it is called `percent`
      "image.resize": (_payload, ctx) => ctx.progress({ done: 50 }),
    },
  });
  expect.assertions(0);
});

test("with a schema submitters give its input, and handlers get its output", () => {
  const schema: StandardSchema<{ to: string; copies?: number }, { to: string; copies: number }> = {
    "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [] }) },
  };
  const checked = defineTasks({ "mail.send": taskWith({ payload: schema }) });
  const submitted: PayloadOf<typeof checked, "mail.send"> = { to: "ada" };
  createWorker({
    servers: "127.0.0.1:6379",
    tasks: checked,
    handlers: {
      "mail.send": ({ copies }) => {
        const certain: number = copies;
        expect(certain).toBeTypeOf("number");
      },
    },
  });
  createWorker({
    servers: "127.0.0.1:6379",
    tasks: checked,
    handlers: {
      // @ts-expect-error without a schema for it there is no result
      "mail.send": () => 1,
    },
  });
  expect(submitted).toEqual({ to: "ada" });
});
