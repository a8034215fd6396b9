/** The test's broker is the real one: what it does with tasks, time and faults. */
import { connect, defineTasks, TaskFailed, task } from "task-queue-client";
import { TaskAborted, type TaskContext } from "task-queue-worker";
import { describe, expect, onTestFinished, test } from "vitest";
import { createTestBroker, type TestBroker, type TestBrokerOptions } from "../src/index.ts";

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;

const tasks = defineTasks({
  "email.send": task<{ to: string }, string>({ queue: "mail", maxRetries: 2 }),
  "report.make": task<{ day: number }, void>(),
});

async function open(options: Omit<TestBrokerOptions, "tasks"> = {}) {
  const broker: TestBroker<typeof tasks> = await createTestBroker({ ...options, tasks });
  onTestFinished(() => broker.close());
  return broker;
}

/** A handler whose runs end when their signal fires, or when the test lets them. */
function held() {
  const runs: { readonly ctx: TaskContext; end(): void }[] = [];
  const handler = (_payload: unknown, ctx: TaskContext) =>
    new Promise<void>((resolve, reject) => {
      runs.push({ ctx, end: resolve });
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason));
    });
  return { runs, handler };
}

test("tasks run, and their results come back", async () => {
  await using broker = await createTestBroker({ tasks });
  await broker.worker({ handlers: { "email.send": ({ to }) => `sent to ${to}` } });
  expect(await broker.client.run("email.send", { to: "ada" })).toBe("sent to ada");
});

describe("the clock", () => {
  test("stands still until it is moved, and starts where the test wants it", async () => {
    const now = new Date("2030-01-01T00:00:00.000Z");
    const broker = await open({ now });
    const sent = await broker.client.submit("email.send", { to: "ada" });
    expect((await sent.get()).created_at).toBe(now.toISOString());
    await broker.clock.advance(90_000);
    expect(broker.clock.date().toISOString()).toBe("2030-01-01T00:01:30.000Z");
  });

  test("retries wait for it, and the last of them is the end", async () => {
    const broker = await open();
    let runs = 0;
    await broker.worker({
      handlers: {
        "email.send": () => {
          runs++;
          throw new Error("the mail server is down");
        },
      },
    });
    const sent = await broker.client.submit("email.send", { to: "ada" });
    await broker.idle();
    expect(runs).toBe(1);
    // 5 s and up to a tenth of that.
    await broker.clock.advance(4_900);
    expect(runs).toBe(1);
    await broker.clock.advance(700);
    expect(runs).toBe(2);
    await broker.runAll();
    expect(runs).toBe(3);
    await expect(sent.result()).rejects.toThrow(TaskFailed);
    expect((await sent.get()).state).toBe("dead");
  });

  test("days pass in a moment, with workers at rest, and tasks are still taken after them", async () => {
    const broker = await open();
    const ran: number[] = [];
    await broker.worker({ handlers: { "report.make": ({ day }) => void ran.push(day) } });
    for (const day of [30, 7]) {
      await broker.client.submit("report.make", { day }, { delayMs: day * DAY_MS });
    }
    await broker.clock.advance(8 * DAY_MS);
    expect(ran).toEqual([7]);
    await broker.runAll();
    expect(ran).toEqual([7, 30]);
    await broker.client.submitMany([{ type: "report.make", payload: { day: 31 } }], {
      atomic: true,
    });
    await broker.idle();
    expect(ran).toEqual([7, 30, 31]);
  });

  test("what a handler submits after days is taken, too", async () => {
    const broker = await open();
    await broker.worker({
      handlers: {
        "report.make": (_payload, ctx) => void ctx.submit("email.send", { to: "ada" }),
        "email.send": ({ to }) => to,
      },
    });
    await broker.clock.advance(3 * DAY_MS);
    await broker.client.run("report.make", { day: 1 });
    await broker.idle();
    expect(await broker.submitted("email.send")).toMatchObject([{ state: "completed" }]);
  });

  test("the timeout of a run is measured on it", async () => {
    const broker = await open();
    const { runs, handler } = held();
    await broker.worker({ handlers: { "report.make": handler } });
    await broker.client.submit("report.make", { day: 1 }, { timeoutMs: 60_000 });
    await broker.clock.advance(59_000);
    expect(runs.map(({ ctx }) => ctx.signal.aborted)).toEqual([false]);
    await broker.clock.advance(1_000);
    expect(runs[0]?.ctx.signal.reason).toMatchObject({ why: "timeout" });
  });

  test("it is not turned back", async () => {
    const broker = await open();
    await expect(broker.clock.advance(-1)).rejects.toThrow("not by -1");
    expect(broker.clock.now()).toBe(0);
  });
});

test("what was submitted can be looked at, with its payload", async () => {
  const broker = await open();
  for (const to of ["ada", "bob"]) await broker.client.submit("email.send", { to });
  const sent = await broker.submitted("email.send");
  expect(sent.map(({ payload }) => payload.to)).toEqual(["ada", "bob"]);
  expect(sent[0]).toMatchObject({ state: "pending", queue: "mail" });
  expect(await broker.submitted("report.make")).toEqual([]);
});

test("idle waits for handlers that wait for the world outside", async () => {
  const broker = await open();
  const { runs, handler } = held();
  await broker.worker({ handlers: { "report.make": handler } });
  await broker.client.submit("report.make", { day: 1 });
  await broker.clock.advance(0);
  let isIdle = false;
  const idle = broker.idle().then(() => {
    isIdle = true;
  });
  await broker.clock.advance(0);
  expect(isIdle).toBe(false);
  runs[0]?.end();
  await idle;
  expect(await broker.submitted("report.make")).toMatchObject([{ state: "completed" }]);
});

describe("faults", () => {
  test("a run goes on through a lost connection, and is reported on the next", async () => {
    const broker = await open();
    const { runs, handler } = held();
    const worker = await broker.worker({ handlers: { "report.make": handler } });
    const made = await broker.client.submit("report.make", { day: 1 });
    await broker.clock.advance(0);
    broker.faults.dropConnections();
    await broker.clock.advance(0);
    expect(worker.status.connected).toBe(false);
    runs[0]?.end();
    await broker.clock.advance(1_000);
    await broker.idle();
    expect((await made.get()).attempts).toMatchObject([{ number: 1, outcome: "completed" }]);
  });

  test("a worker that is cut off loses its tasks to another", async () => {
    const broker = await open({ leaseMs: 30_000 });
    const { runs, handler } = held();
    const first = await broker.worker({ handlers: { "report.make": handler } });
    const made = await broker.client.submit("report.make", { day: 1 });
    await broker.clock.advance(0);
    const restore = broker.faults.cutOff(first);
    await broker.worker({ handlers: { "report.make": handler } });
    await broker.clock.advance(29_000);
    expect(runs).toHaveLength(1);
    await broker.clock.advance(2_000);
    expect(runs).toHaveLength(2);
    expect(runs[0]?.ctx.signal.reason).toEqual(new TaskAborted("lease-lost"));
    expect(runs[1]?.ctx.token).toBeGreaterThan(runs[0]?.ctx.token as bigint);
    runs[1]?.end();
    await broker.idle();
    expect((await made.get()).state).toBe("completed");
    restore();
    await broker.clock.advance(10_000);
    expect(first.status.connected).toBe(true);
  });

  test("a worker of somebody else cannot be cut off", async () => {
    const [one, other] = [await open(), await open()];
    const worker = await other.worker({ handlers: { "email.send": () => "" } });
    expect(() => one.faults.cutOff(worker)).toThrow("not one of the test's broker");
  });

  test("submits are refused: what passes is tried again, what does not is thrown", async () => {
    const broker = await open();
    broker.faults.refuseSubmits("no_leader", 2);
    const sent = await broker.client.submit("email.send", { to: "ada" });
    expect(sent.duplicate).toBe(false);
    broker.faults.refuseSubmits("disk_full");
    await expect(broker.client.submit("email.send", { to: "bob" })).rejects.toMatchObject({
      code: "disk_full",
    });
    expect(await broker.submitted("email.send")).toHaveLength(1);
  });

  test("a leader that is lost comes back with all that it had acknowledged", async () => {
    const broker = await open();
    const { runs, handler } = held();
    await broker.worker({ handlers: { "report.make": handler, "email.send": ({ to }) => to } });
    const made = await broker.client.submit("report.make", { day: 1 });
    await broker.clock.advance(0);
    const { term } = await broker.client.cluster();
    await broker.faults.loseLeader(5_000);
    await expect(broker.idle()).rejects.toThrow("the leader is lost");
    await expect(broker.worker({ handlers: {} })).rejects.toThrow("the leader is lost");
    const late = broker.client.submit("email.send", { to: "ada" });
    runs[0]?.end();
    await broker.clock.advance(10_000);
    expect(await (await late).result()).toBe("ada");
    await broker.idle();
    expect((await made.get()).attempts).toMatchObject([{ number: 1, outcome: "completed" }]);
    expect((await broker.client.cluster()).term).toBeGreaterThan(term);
  });
});

test("the ports are opened once, whoever asks for them meanwhile", async () => {
  await using broker = await createTestBroker();
  const [one, other] = await Promise.all([broker.listen(), broker.listen()]);
  expect(other).toBe(one);
  await broker.close();
  await expect(fetch(one.restUrl)).rejects.toThrow();
});

test("other programs get in by real ports", async () => {
  const broker = await open();
  const { address, restUrl } = await broker.listen();
  const body = JSON.stringify({ type: "email.send", payload: { to: "ada" } });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${restUrl}/api/v1/tasks`, { method: "POST", headers, body });
  expect(answer.status).toBe(201);
  const outside = connect({ servers: address, stay: true });
  onTestFinished(() => outside.close());
  expect((await outside.list()).tasks).toMatchObject([{ type: "email.send" }]);
});

test("middleware is around the runs of its workers, too", async () => {
  const broker = await open();
  const seen: unknown[] = [];
  const handlers = { "email.send": ({ to }: { to: string }) => to };
  await broker.worker({ handlers }, (worker) => {
    worker.use(async (run, next) => {
      await next();
      seen.push([run.payload, run.result]);
    });
  });
  await broker.client.run("email.send", { to: "ada" });
  expect(seen).toEqual([[{ to: "ada" }, "ada"]]);
});

test.each([
  [{ now: new Date("never") }, "now: it is not a valid time"],
  [{ now: new Date(-1) }, "now: it is not a valid time"],
  [{ leaseMs: 0 }, "leaseMs: a whole number of 100 or more, not 0"],
])("options that cannot be are refused by name", async (options, message) => {
  await expect(createTestBroker(options)).rejects.toThrow(message);
});

test("after close it is gone, and close may be called again", async () => {
  const broker = await open();
  await broker.worker({ handlers: { "report.make": held().handler } });
  await broker.client.submit("report.make", { day: 1 });
  await broker.clock.advance(0);
  await broker.close();
  await broker.close();
  await expect(broker.client.submit("email.send", { to: "ada" })).rejects.toThrow("closed");
  await expect(broker.idle()).rejects.toThrow("this broker is closed");
});
