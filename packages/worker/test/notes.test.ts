/** What handlers say of their runs: gathered, bounded, and sent before the run's end. */
import { describe, expect, test } from "vitest";
import type { TaskContext } from "../src/handler.ts";
import { bench, delivery } from "./doubles.ts";

/** A handler that hands out its context and ends when told. */
async function running() {
  const contexts: TaskContext[] = [];
  let end = (): void => {};
  const handlers = {
    work: (_payload: unknown, ctx: TaskContext) => {
      contexts.push(ctx);
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    },
  };
  const { clock, dialer } = await bench({ handlers, concurrency: 4 });
  dialer.link.deliver(delivery(1));
  await clock.settle();
  return { clock, dialer, ctx: contexts[0]!, end: () => end() };
}

describe("progress and log lines", () => {
  test("go together, once a second, the newest progress", async () => {
    const { clock, dialer, ctx } = await running();
    ctx.progress(1);
    ctx.log.info({ rows: 2 }, "read");
    ctx.progress({ done: 2 });
    await clock.advance(0);
    const [first] = dialer.link.notes;
    expect(first).toMatchObject({ token: 1, progress: '{"done":2}' });
    expect(first!.lines).toEqual([{ level: "info", text: 'read {"rows":2}' }]);
    ctx.progress(3);
    await clock.advance(999);
    expect(dialer.link.notes).toHaveLength(1);
    await clock.advance(1);
    expect(dialer.link.notes[1]).toMatchObject({ progress: "3", lines: [] });
    await clock.advance(5_000);
    expect(dialer.link.notes).toHaveLength(2);
  });

  test("what is left goes before the end, and nothing after it", async () => {
    const { clock, dialer, ctx, end } = await running();
    ctx.log.warn({}, "one");
    await clock.advance(0);
    ctx.log.error({}, "last words");
    end();
    await clock.settle();
    expect(dialer.link.notes.at(-1)!.lines).toEqual([{ level: "error", text: "last words" }]);
    expect(dialer.link.reported("complete")).toEqual([1]);
    ctx.progress(1);
    ctx.log.info({}, "too late");
    await clock.advance(5_000);
    expect(dialer.link.notes).toHaveLength(2);
  });

  test("the newest hundred lines, cut; what cannot be shown is left out", async () => {
    const { clock, dialer, ctx } = await running();
    for (let line = 1; line <= 101; line++) ctx.log.debug({}, `line ${line}`);
    ctx.log.info({ big: 1n }, "x".repeat(2000));
    await clock.advance(0);
    const { lines } = dialer.link.notes[0]!;
    expect(lines).toHaveLength(100);
    expect(lines[0]!.text).toBe("line 3");
    expect(lines.at(-1)).toEqual({ level: "info", text: "x".repeat(1024) });
  });

  test("progress that is no JSON, or too much of it, is an error of the handler", async () => {
    const { ctx } = await running();
    expect(() => ctx.progress(undefined)).toThrow(TypeError);
    expect(() => ctx.progress("x".repeat(4094))).not.toThrow();
    expect(() => ctx.progress("x".repeat(4095))).toThrow(RangeError);
  });
});
