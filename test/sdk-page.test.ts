/**
 * Compiles and runs every example of docs/sdk.md: each block is a file, which its first line names,
 * and the one that is a test is run as one.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createTestBroker, type TestBroker } from "task-queue-testing";
import type { Worker } from "task-queue-worker";
import { afterAll, describe, expect, test, vi } from "vitest";

const OUT = resolve("test/out/sdk");
const page = readFileSync("docs/sdk.md", "utf8");
const examples = [...page.matchAll(/^```(\w*)\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)].map(
  ([, language, name, code]) => ({ language, name: name as string, code: code as string }),
);

const CONFIG = {
  extends: "../../../tsconfig.base.json",
  compilerOptions: {
    types: ["node"],
    noEmit: true,
    rewriteRelativeImportExtensions: false,
    composite: false,
    incremental: false,
    declaration: false,
    customConditions: ["tq-source"],
    rootDir: "../../..",
  },
  include: ["."],
};

// Unlike a worker of the test's broker, those of the page live in real time.
const broker: TestBroker = await createTestBroker();
const { address } = await broker.listen();

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
writeFileSync(join(OUT, "tsconfig.json"), JSON.stringify(CONFIG));
for (const { name, code } of examples) {
  writeFileSync(fileOf(name), code.replaceAll("127.0.0.1:6379", address));
}

afterAll(() => broker.close());

/** Under a name that no run of all tests takes for one of them. */
function fileOf(name: string): string {
  return join(OUT, name.replace(".test.ts", ".example.ts"));
}

/** Vite compiles it as it does the tests. */
async function run(name: string): Promise<Record<string, unknown>> {
  return (await import(fileOf(name))) as Record<string, unknown>;
}

test("every block is known here", () => {
  const blocks = [...page.matchAll(/^```\w/gm)];
  expect(examples).toHaveLength(blocks.length);
  expect(examples.map(({ name }) => name)).toEqual([
    "tasks.ts",
    "worker.ts",
    "careful.ts",
    "submit.ts",
    "traced.ts",
    "errors.ts",
    "checked.ts",
    "email.test.ts",
  ]);
});

test("all of them compile", () => {
  execFileSync("npx", ["tsc", "-p", OUT], { stdio: ["ignore", "inherit", "inherit"] });
});

test("tasks are run, submitted, listed and refused as the page says", async () => {
  const printed = vi.spyOn(console, "log").mockImplementation(() => {});
  const { worker } = (await run("worker.ts")) as { worker: { stop(): Promise<unknown> } };
  await run("submit.ts");
  expect(printed.mock.calls.slice(0, 3)).toEqual([["50 %"], [200_000], [100_000]]);
  const { id } = (await run("traced.ts"))["sent"] as { id: string };
  expect(await broker.client.get(id)).toMatchObject({ metadata: { from: "shop" } });
  expect((await run("errors.ts"))["answer"]).toBe("dead: nowhere is no address");
  expect((await run("checked.ts"))["refused"]).toMatchObject({
    message: "payload: id: must be a whole number",
  });
  await worker.stop();
  const { careful } = (await run("careful.ts")) as { careful: Worker };
  const drained = new Promise((resolve) => careful.on("drained", resolve));
  await broker.client.submit("email.send", { to: "ada" }, { queue: "invoices" });
  await drained;
  expect(printed.mock.lastCall).toEqual(["email.send: the mail server is down"]);
  expect(careful.state).toBe("paused");
  await careful.stop();
  printed.mockRestore();
  const resized = await broker.client.list({ type: "image.resize" });
  expect(resized.tasks.map(({ state }) => state)).toEqual(["completed", "completed"]);
});

describe("the example of a test", async () => {
  await run("email.test.ts");
});
