/** Workers that are paused, and what they tell, with the real broker behind them. */
import { defineTasks, task } from "task-queue-client";
import { expect, onTestFinished, test } from "vitest";
import { createTestBroker, type TestBroker } from "../src/index.ts";

const tasks = defineTasks({ "order.ship": task<number, number>({ maxRetries: 1 }) });

async function open(): Promise<TestBroker<typeof tasks>> {
  const broker: TestBroker<typeof tasks> = await createTestBroker({ tasks });
  onTestFinished(() => broker.close());
  return broker;
}

test("what a paused worker leaves goes to another, and comes back with resume", async () => {
  const broker = await open();
  const ran: string[] = [];
  const handlerOf = (name: string) => ({ "order.ship": (n: number) => ran.push(`${name} ${n}`) });
  const first = await broker.worker({ name: "first", handlers: handlerOf("first") });
  await first.pause();
  await broker.client.submit("order.ship", 1);
  await broker.idle();
  expect(ran).toEqual([]);
  const second = await broker.worker({ name: "second", handlers: handlerOf("second") });
  await broker.idle();
  expect(ran).toEqual(["second 1"]);
  await second.pause();
  first.resume();
  await broker.client.submit("order.ship", 2);
  await broker.idle();
  expect(ran).toEqual(["second 1", "first 2"]);
});

test("a pause outlasts lost connections and a lost leader", async () => {
  const broker = await open();
  const ran: number[] = [];
  const worker = await broker.worker({
    handlers: {
      "order.ship": (n) => ran.push(n),
    },
  });
  await worker.pause();
  await broker.client.submit("order.ship", 1);
  broker.faults.dropConnections();
  await broker.clock.advance(1_000);
  await broker.faults.loseLeader(5_000);
  await broker.clock.advance(20_000);
  expect(worker.status).toMatchObject({ state: "paused", connected: true, completed: 0 });
  expect(ran).toEqual([]);
  worker.resume();
  await broker.idle();
  expect(ran).toEqual([1]);
});

test("tasks that waited at a paused worker are given back without a retry", async () => {
  const broker = await open();
  const ends: (() => void)[] = [];
  const worker = await broker.worker({
    concurrency: 1,
    prefetch: 1,
    handlers: {
      "order.ship": (n) => new Promise<number>((resolve) => ends.push(() => resolve(n))),
    },
  });
  const sent = [await broker.client.submit("order.ship", 1)];
  sent.push(await broker.client.submit("order.ship", 2));
  await broker.clock.advance(0);
  const paused = worker.pause();
  await broker.clock.advance(0);
  expect(await sent[1]?.get()).toMatchObject({ state: "pending" });
  ends[0]?.();
  await paused;
  expect(await sent[0]?.get()).toMatchObject({ state: "completed" });
});

test("whoever hears of a completion finds the task completed, and of each run hears once", async () => {
  const broker = await open();
  const states: string[] = [];
  const kinds: string[] = [];
  const looks: Promise<void>[] = [];
  await broker.worker(
    {
      handlers: {
        "order.ship": (n, ctx) => {
          if (ctx.attempt === 1) throw new Error("not yet");
          return n;
        },
      },
    },
    (worker) => {
      const look = async (id: string): Promise<void> => {
        states.push((await broker.client.get(id)).state);
      };
      worker.on("started", ({ kind, attempt }) => kinds.push(`${kind} ${attempt}`));
      worker.on("failed", ({ kind, attempt }) => kinds.push(`${kind} ${attempt}`));
      worker.on("failed", ({ id }) => looks.push(look(id)));
      worker.on("completed", ({ kind, attempt }) => kinds.push(`${kind} ${attempt}`));
      worker.on("completed", ({ id }) => looks.push(look(id)));
    },
  );
  await broker.client.submit("order.ship", 1);
  await broker.runAll();
  await Promise.all(looks);
  expect(kinds).toEqual(["started 1", "failed 1", "started 2", "completed 2"]);
  expect(states).toEqual(["retrying", "completed"]);
});

test("a worker that lost its lease tells of an aborted run, and the one that has it of the rest", async () => {
  const broker = await open();
  const told: string[] = [];
  const ends: (() => void)[] = [];
  const make = (name: string) =>
    broker.worker(
      {
        name,
        handlers: {
          "order.ship": (n) => new Promise<number>((resolve) => ends.push(() => resolve(n))),
        },
      },
      (worker) => {
        worker.on("completed", ({ attempt }) => told.push(`${name} completed ${attempt}`));
        worker.on("aborted", ({ attempt, why }) => told.push(`${name} ${why} ${attempt}`));
      },
    );
  const first = await make("first");
  await broker.client.submit("order.ship", 1);
  await broker.clock.advance(0);
  await make("second");
  broker.faults.cutOff(first);
  await broker.clock.advance(broker.leaseMs + 60_000);
  expect(ends).toHaveLength(2);
  for (const end of ends) end();
  await broker.idle();
  expect(told).toEqual(["first lease-lost 1", "second completed 2"]);
});
