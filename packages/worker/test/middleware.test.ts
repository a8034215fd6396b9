/** What is done around runs: its order, its sight of payload and result, and its mistakes. */
import { describe, expect, test } from "vitest";
import type { Report } from "../src/core/link.ts";
import type { Handlers } from "../src/handler.ts";
import type { RunMiddleware } from "../src/middleware.ts";
import { bench, delivery } from "./doubles.ts";

async function reportOf(work: Handlers[string], ...middleware: RunMiddleware[]): Promise<Report> {
  const { clock, dialer, worker } = await bench({ handlers: { work } }, { start: false });
  for (const each of middleware) worker.use(each);
  const started = worker.start();
  await clock.settle();
  await started;
  dialer.link.deliver(delivery(7));
  await clock.settle();
  return dialer.link.reports[0] as Report;
}

function resultOf(report: Report): unknown {
  if (report.kind !== "complete") throw new Error(`it is a ${report.kind}`);
  return JSON.parse(Buffer.from(report.result).toString());
}

describe("middleware", () => {
  test("the first is the outermost, and each sees both sides", async () => {
    const steps: string[] = [];
    const named = (name: string): RunMiddleware => {
      return async (run, next) => {
        steps.push(`${name} before ${run.type}`);
        await next();
        steps.push(`${name} after ${JSON.stringify(run.result)}`);
      };
    };
    const work = () => {
      steps.push("work");
      return "done";
    };
    expect(resultOf(await reportOf(work, named("a"), named("b")))).toBe("done");
    const after = ['b after "done"', 'a after "done"'];
    expect(steps).toEqual(["a before work", "b before work", "work", ...after]);
  });

  test("payload and result may be replaced", async () => {
    const wrap: RunMiddleware = async (run, next) => {
      run.payload = 20;
      await next();
      run.result = { value: run.result };
    };
    expect(resultOf(await reportOf((payload) => Number(payload) + 1, wrap))).toEqual({ value: 21 });
  });

  test("without next() the handler does not run", async () => {
    let runs = 0;
    const cached: RunMiddleware = (run) => {
      run.result = "from the cache";
    };
    expect(resultOf(await reportOf(() => ++runs, cached))).toBe("from the cache");
    expect(runs).toBe(0);
  });

  test("what is thrown passes through it, and what it throws is the failure", async () => {
    const seen: unknown[] = [];
    const watch: RunMiddleware = async (_run, next) => {
      await next().catch((error) => {
        seen.push(error.message);
        throw new Error("translated");
      });
    };
    const report = await reportOf(() => {
      throw new Error("inner");
    }, watch);
    expect(report).toMatchObject({ kind: "fail", message: "translated" });
    expect(seen).toEqual(["inner"]);
  });

  test("a failure may be swallowed", async () => {
    const calm: RunMiddleware = async (run, next) => {
      await next().catch(() => {
        run.result = "never mind";
      });
    };
    const work = () => Promise.reject(new Error("inner"));
    expect(resultOf(await reportOf(work, calm))).toBe("never mind");
  });

  test("next() twice is a failure that says so", async () => {
    const eager: RunMiddleware = async (_run, next) => {
      await next();
      await next();
    };
    expect(await reportOf(() => 1, eager)).toMatchObject({
      message: "middleware called next() twice",
    });
  });

  test("a next() that nobody waits for is a failure that says so", async () => {
    const careless: RunMiddleware = (_run, next) => void next();
    const report = await reportOf(() => Promise.reject(new Error("unheard")), careless);
    expect(report).toMatchObject({ kind: "fail", message: "middleware must await next()" });
  });

  test("is refused once the worker has started", async () => {
    const { worker } = await bench();
    expect(() => worker.use(() => {})).toThrow("before `start`");
  });

  test("what is no function is refused at once", async () => {
    const { worker } = await bench({}, { start: false });
    expect(() => worker.use("trace" as never)).toThrow("this is: string");
  });
});
