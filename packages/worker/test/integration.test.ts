/** The library over real sockets against the broker's real worker port and queue machine. */
import { connect } from "task-queue-client";
import { expect, onTestFinished, test } from "vitest";
import { FakeCluster } from "../../broker/test/workers/fake-cluster.ts";
import { openOne, openPort, until } from "../../broker/test/workers/harness.ts";
import type { TaskContext, Worker, WorkerOptions } from "../src/index.ts";
import { createWorker, NonRetryable } from "../src/index.ts";

function open(options: WorkerOptions): Worker {
  const worker = createWorker({ ...options, shutdown: { graceMs: 1_000, abortMs: 500 } });
  onTestFinished(async () => void (await worker.stop({ graceMs: 0, abortMs: 100 })));
  return worker;
}

function client(port: number) {
  const made = connect({ servers: `127.0.0.1:${port}` });
  onTestFinished(() => made.close());
  return made;
}

test("tasks are run and their results are found at the broker", async () => {
  const { port } = await openOne();
  const worker = open({
    servers: `127.0.0.1:${port}`,
    name: "w1",
    labels: { zone: "a" },
    handlers: {
      double: (n: number) => 2 * n,
      bytes: (payload: Uint8Array) => payload.slice().reverse(),
      broken: () => {
        throw new NonRetryable("no way");
      },
    },
  });
  await worker.start();
  const tq = client(port);
  expect(await (await tq.submit("double", 21)).result()).toBe(42);
  const bytes = await tq.submit("bytes", new Uint8Array([1, 2, 3]));
  expect(await bytes.result()).toEqual(new Uint8Array([3, 2, 1]));
  const dead = await (await tq.submit("broken", null)).wait();
  expect(dead).toMatchObject({ state: "dead", error: { message: "no way" } });
  expect(await tq.workers()).toMatchObject([{ id: worker.id, name: "w1", labels: { zone: "a" } }]);
});

test("two thousand tasks go through a worker in few frames, each exactly once", async () => {
  const { port, node } = await openOne();
  const ran = new Map<string, number>();
  const handlers = {
    t: async (_payload: unknown, ctx: TaskContext) => {
      ran.set(ctx.id, (ran.get(ctx.id) ?? 0) + 1);
    },
  };
  const worker = open({ servers: `127.0.0.1:${port}`, handlers, concurrency: 128, prefetch: 128 });
  await worker.start();
  const tq = client(port);
  const items = Array.from({ length: 2_000 }, (_, i) => ({ type: "t", payload: i }));
  const handles = await tq.submitMany(items);
  expect(handles.every((handle) => "id" in handle)).toBe(true);
  await until(() => node.counts().completed === 2_000);
  expect(ran.size).toBe(2_000);
  expect([...ran.values()].every((times) => times === 1)).toBe(true);
  expect(worker.status.completed).toBe(2_000);
});

test("a cancelled task's handler hears of it", async () => {
  const { port } = await openOne();
  const heard: unknown[] = [];
  const handlers = {
    t: (_payload: unknown, ctx: TaskContext) =>
      new Promise((_, reject) => {
        ctx.signal.addEventListener("abort", () => {
          heard.push(ctx.signal.reason.why);
          reject(ctx.signal.reason);
        });
      }),
  };
  const worker = open({ servers: `127.0.0.1:${port}`, handlers });
  await worker.start();
  const tq = client(port);
  const task = await tq.submit("t", 1);
  await until(() => worker.status.running === 1);
  await task.cancel("changed my mind");
  await until(() => heard.length === 1);
  expect(heard).toEqual(["cancelled"]);
  await until(() => worker.status.abandoned === 0);
  expect((await task.get()).state).toBe("cancelled");
});

test("when another node takes over, running tasks go on and are reported there", async () => {
  const cluster = new FakeCluster(2);
  const [first, second] = [await openPort(cluster.nodes[0]!), await openPort(cluster.nodes[1]!)];
  let finish: (value: string) => void = () => {};
  const runs: number[] = [];
  const handlers = {
    t: (_payload: unknown, ctx: TaskContext) => {
      runs.push(ctx.attempt);
      return new Promise<string>((resolve) => {
        finish = resolve;
      });
    },
  };
  const worker = open({ servers: [`127.0.0.1:${first.port}`], handlers });
  await worker.start();
  const tq = client(second.port);
  const task = await tq.submit("t", 1);
  await until(() => runs.length === 1);
  cluster.elect(second.node);
  await until(() => worker.status.broker === `127.0.0.1:${second.port}`);
  finish("done");
  expect(await task.result()).toBe("done");
  expect(runs).toEqual([1]);
});

test.each([
  ["ceases to lead", false],
  ["stops", true],
])(
  "a leader that %s after it has handed over sends its workers straight to the next",
  async (_n, stops) => {
    const cluster = new FakeCluster(2);
    const [first, second] = [await openPort(cluster.nodes[0]!), await openPort(cluster.nodes[1]!)];
    const complaints: string[] = [];
    const complain = (_fields: object, message: string): void => void complaints.push(message);
    const runs = new Map<string, number>();
    const release: (() => void)[] = [];
    const worker = open({
      servers: `127.0.0.1:${first.port}`,
      concurrency: 8,
      logger: { debug() {}, info() {}, warn: complain, error: complain },
      handlers: {
        t: (_payload: unknown, ctx: TaskContext) => {
          runs.set(ctx.id, (runs.get(ctx.id) ?? 0) + 1);
          return new Promise<void>((resolve) => release.push(resolve));
        },
      },
    });
    await worker.start();
    const tq = client(second.port);
    for (let i = 0; i < 8; i++) await tq.submit("t", i);
    await until(() => runs.size === 8);
    if (stops) {
      // The worker hears of it by the good-bye alone, which names the new leader.
      cluster.leader = second.node;
      await first.server.close();
    } else cluster.elect(second.node);
    for (const finish of release) finish();
    await until(() => worker.status.completed === 8 && worker.status.unreported === 0);
    await until(() => worker.status.broker === `127.0.0.1:${second.port}`);
    expect(second.node.counts().completed).toBe(8);
    expect([...runs.values()]).toEqual(new Array(8).fill(1));
    // Not one address was tried in vain, nor any result refused.
    expect(complaints).toEqual([expect.stringMatching(/^the connection to the leader ended/)]);
  },
);

test("a result that ended while the broker was away arrives once it is back", async () => {
  const cluster = new FakeCluster();
  const port = await openPort(cluster.nodes[0]!);
  let finish: (value: string) => void = () => {};
  const handlers = {
    t: () =>
      new Promise<string>((resolve) => {
        finish = resolve;
      }),
  };
  const worker = open({ servers: `127.0.0.1:${port.port}`, handlers });
  await worker.start();
  const task = await client(port.port).submit("t", 1);
  await until(() => worker.status.running === 1);
  await port.server.close();
  await until(() => !worker.status.connected);
  finish("kept");
  await until(() => worker.status.unreported === 1);
  const again = await openPort(cluster.nodes[0]!, { port: port.port });
  expect(await client(again.port).result(task.id)).toBe("kept");
});

test("stopping gives back what has not begun, and unregisters", async () => {
  const { port, node } = await openOne();
  let finish: () => void = () => {};
  const handlers = {
    t: () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
  };
  const servers = `127.0.0.1:${port}`;
  const worker = open({ servers, handlers, concurrency: 1, prefetch: 2 });
  await worker.start();
  const tq = client(port);
  await tq.submitMany([1, 2, 3].map((payload) => ({ type: "t", payload })));
  await until(() => worker.status.waiting === 2);
  const stopped = worker.stop();
  await until(() => node.counts().pending === 2);
  finish();
  expect(await stopped).toEqual({ finished: 1, returned: 2, aborted: 0, undelivered: 0 });
  expect(await tq.workers()).toEqual([]);
  expect(node.counts()).toMatchObject({ pending: 2, running: 0, completed: 1 });
});

test("extend is answered by the broker", async () => {
  const { port, node } = await openOne();
  const handlers = { t: async (_payload: unknown, ctx: TaskContext) => ctx.extend(60_000) };
  const worker = open({ servers: `127.0.0.1:${port}`, handlers });
  await worker.start();
  await (await client(port).submit("t", 1)).result();
  const extend = node.commands.find((command) => command.type === "extend");
  expect(extend).toMatchObject({ forMs: 60_000 });
});

test("tasks that a handler submits are made with its result, or neither is", async () => {
  const { port, cluster, node } = await openOne();
  cluster.raise(3);
  const handlers = {
    split: (parts: number, ctx: TaskContext) => {
      const ids = Array.from({ length: parts }, (_, i) => ctx.submit("part", i, { group: "g" }));
      return ctx.submit("join", null, { dependsOn: ids, onParentFailure: "cancel" });
    },
    astray: (_payload: unknown, ctx: TaskContext) => {
      ctx.submit("part", 1);
      ctx.submit("part", 2, { dependsOn: ["019d42b3-1400-7000-8000-000000000001"] });
      return "never seen";
    },
    fails: (_payload: unknown, ctx: TaskContext) => {
      ctx.submit("part", 3);
      throw new NonRetryable("no");
    },
  };
  const worker = open({ servers: `127.0.0.1:${port}`, handlers });
  await worker.start();
  const tq = client(port);
  const joined = (await (await tq.submit("split", 3)).result()) as string;
  expect(await tq.get(joined)).toMatchObject({ state: "blocked", waits_for: 3 });
  const astray = await (await tq.submit("astray", null)).wait();
  expect(astray.state).toBe("dead");
  expect(astray.error?.message).toContain("children[1]");
  await (await tq.submit("fails", null)).wait();
  expect(node.counts()).toMatchObject({ pending: 3, blocked: 1, completed: 1, dead: 2 });
});

test("before version 3 of the cluster a result with children fails its task, no other's", async () => {
  const { port, node } = await openOne();
  const reply = { code: "state_conflict", message: "not before version 3" } as const;
  node.fate = (command) => {
    const isEarly = command.type === "complete" && command.children !== undefined;
    return isEarly ? { kind: "applied", reply, index: 1 } : "answer";
  };
  const handlers = {
    split: (_payload: unknown, ctx: TaskContext) => ctx.submit("part"),
    plain: () => 1,
  };
  const worker = open({ servers: `127.0.0.1:${port}`, handlers, concurrency: 2 });
  await worker.start();
  const tq = client(port);
  const [plain, split] = await Promise.all([tq.submit("plain", 1), tq.submit("split", 1)]);
  expect(await plain.result()).toBe(1);
  expect(await split.wait()).toMatchObject({ state: "dead" });
});
