/** `tq-worker` as a process, as it was built: signals, statuses, its name. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "task-queue-client";
import { expect, onTestFinished, test } from "vitest";
import { openOne, until } from "../../broker/test/workers/harness.ts";

const PROGRAM = fileURLToPath(new URL("../bin/tq-worker.js", import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  const add = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout?.on("data", add);
  child.stderr?.on("data", add);
  onTestFinished(() => void child.kill("SIGKILL"));
  const exit = new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  return { child, output: () => text, exit };
}

const HANDLERS = `
  import { setTimeout } from "node:timers/promises";
  export const handlers = {
    work: async (ms, ctx) => {
      ctx.log.info({}, "at work");
      await setTimeout(ms, undefined, { signal: ctx.signal });
    },
  };
`;

/** A worker that is at work on a task of so many milliseconds. */
async function withTask(ms: number) {
  const folder = mkdtempSync(join(tmpdir(), "tq-worker-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const handlers = join(folder, "handlers.mjs");
  writeFileSync(handlers, HANDLERS);
  const { port, node } = await openOne();
  const servers = `127.0.0.1:${port}`;
  const worker = start("--broker-addr", servers, "--health-port", "0", "--handlers", handlers);
  const tq = connect({ servers });
  onTestFinished(() => tq.close());
  const task = await tq.submit("work", ms);
  await until(() => worker.output().includes("at work"));
  return { worker, task, node };
}

test("SIGTERM lets the running task finish, and the status is 0", async () => {
  const { worker, task } = await withTask(300);
  if (process.platform === "linux") {
    const { pid } = worker.child;
    expect(readFileSync(`/proc/${pid}/comm`, "utf8").trim()).toBe("tq-worker");
  }
  worker.child.kill("SIGTERM");
  expect(await worker.exit).toBe(0);
  expect((await task.get()).state).toBe("completed");
  expect(worker.output()).toContain('"finished":1');
});

test("a second signal ends it at once", async () => {
  const { worker, node } = await withTask(60_000);
  worker.child.kill("SIGTERM");
  await until(() => worker.output().includes("a second signal ends them"));
  worker.child.kill("SIGTERM");
  expect(await worker.exit).toBe(143);
  expect(node.counts().running).toBe(1);
});

test("without a broker it waits, and a signal still ends it in order", async () => {
  const worker = start("--broker-addr", "127.0.0.1:1", "--health-port", "0");
  await until(() => worker.output().includes("not connected"));
  worker.child.kill("SIGINT");
  expect(await worker.exit).toBe(0);
});

test.each([
  [["--concurrency", "x"], 64, "tq-worker: --concurrency"],
  [["--handlers", "/nowhere.mjs"], 78, "tq-worker: --handlers: there is no /nowhere.mjs"],
  [["--broker-addr", "::::"], 78, "is not the address of a broker"],
])("%j cannot start: status %i", async (args, status, message) => {
  const worker = start(...args);
  expect(await worker.exit).toBe(status);
  expect(worker.output()).toContain(message);
  expect(worker.output()).not.toMatch(/\n\s+at /);
});
