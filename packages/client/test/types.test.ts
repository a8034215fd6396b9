/** What the compiler must accept and refuse of submitters; checked by `tsc`, never connected. */
import { expect, onTestFinished, test } from "vitest";
import { type Client, connect, defineTasks, task } from "../src/index.ts";

const tasks = defineTasks({
  "email.send": task<{ to: string }>({ queue: "mail" }),
  "image.resize": task<{ width: number }, { bytes: number }, { percent: number }>(),
});

/** Says what would be submitted; nothing is. */
async function submits(tq: Client<typeof tasks>): Promise<void> {
  const resized = await tq.submit("image.resize", { width: 1 }, { idempotencyKey: "a" });
  const { bytes }: { bytes: number } = await resized.result({ timeoutMs: 1 });
  for await (const { percent } of resized.progress()) percent.toFixed(bytes);
  const direct: { bytes: number } = await tq.run("image.resize", { width: 1 }, { waitMs: 1 });
  direct.bytes.toFixed();
  const known = tq.handle<"image.resize">("…");
  (await known.result()).bytes.toFixed();
  // @ts-expect-error the payload has no width
  await tq.submit("image.resize", { url: "x" });
  // @ts-expect-error there is no such type in the map
  await tq.submit("image.rotate", {});
  // @ts-expect-error the result has no size
  (await tq.run("image.resize", { width: 1 })).size;
  await tq.submitMany([
    { type: "email.send", payload: { to: "ada" } },
    { type: "image.resize", payload: { width: 2 } },
  ]);
  // @ts-expect-error the payload is that of another type
  await tq.submitMany([{ type: "email.send", payload: { width: 2 } }]);
}

test("a client of a task map knows its types", async () => {
  const tq = connect({ servers: "127.0.0.1:1", tasks });
  onTestFinished(() => tq.close());
  expect(submits).toBeTypeOf("function");
  expect(tq.handle<"image.resize">("…").id).toBe("…");
});

test("without a map everything may be submitted, and results are unknown", async () => {
  const tq = connect({ servers: "127.0.0.1:1" });
  onTestFinished(() => tq.close());
  const submit = async () => {
    // @ts-expect-error nobody has said what it is
    (await tq.run("anything", { at: "all" })).length;
  };
  expect(submit).toBeTypeOf("function");
});
