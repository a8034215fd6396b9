/** A handler alone, without a broker. */
import type { TaskContext } from "task-queue-worker";
import { expect, test } from "vitest";
import { runHandler } from "../src/index.ts";

test("the result, and all that the handler said on the way", async () => {
  const handler = async ({ width }: { width: number }, ctx: TaskContext<{ percent: number }>) => {
    ctx.log.info({}, "begins");
    ctx.progress({ percent: 50 });
    ctx.submit("image.publish", { width });
    return { bytes: width * ctx.attempt };
  };
  const run = await runHandler(handler, { width: 10 }, { attempt: 3 });
  expect(run).toEqual({
    result: { bytes: 30 },
    progress: [{ percent: 50 }],
    log: ["info begins"],
    submitted: [{ type: "image.publish", payload: { width: 10 } }],
  });
});

test("what it throws comes out", async () => {
  const handler = () => {
    throw new Error("no");
  };
  await expect(runHandler(handler, undefined)).rejects.toThrow("no");
});
