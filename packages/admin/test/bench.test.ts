/** The bench: against a real broker, and what it makes of refusals and of being interrupted. */
import { TqError } from "task-queue-client";
import { describe, expect, test } from "vitest";
import { Bench, type BenchOptions } from "../src/load/bench.ts";
import { Latencies } from "../src/load/latencies.ts";
import { admin, FakeClient } from "./doubles.ts";
import { openBroker } from "./real-broker.ts";

const IO = {
  sleep: async (ms: number) => void (await new Promise((done) => setTimeout(done, ms))),
};

describe("tq-admin bench", () => {
  test("submits, handles, measures, and leaves nothing behind", async () => {
    const { call, client } = await openBroker();
    const line = "bench --count 300 --outstanding 16 --size 100 --queue own --priority high";
    const { status, stdout, stderr } = await call(line.split(" "));
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ tasks: 300, size: 100, durable: 300, handled: 300, errors: {} });
    expect(report).toMatchObject({ durability: "single-fsync", queue: "own", queue_deleted: true });
    for (const { p50_ms, p99_ms, max_ms, per_second } of [report.submit, report.handle]) {
      expect(p50_ms).toBeLessThanOrEqual(p99_ms);
      expect(p99_ms).toBeLessThanOrEqual(max_ms);
      expect(per_second).toBeGreaterThan(0);
    }
    expect(await client.queues()).toEqual([]);
    expect(await client.list({ type: "bench" })).toMatchObject({ tasks: [] });
  });

  test("with --submit-only nobody does them, and they go with the queue", async () => {
    const { call, client } = await openBroker();
    const { status, stdout } = await call(["bench", "--tasks", "50", "--submit-only"]);
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ durable: 50, handled: 0, queue_deleted: true });
    expect(report.queue).toMatch(/^bench-[0-9a-f]{8}$/);
    expect(report).not.toHaveProperty("handle");
    expect(await client.queues()).toEqual([]);
  });

  test("does not touch a queue that is there", async () => {
    const { call, client } = await openBroker();
    const { id } = await client.submit("echo", 1, { queue: "mail" });
    const { status, stderr } = await call(["bench", "--queue", "mail"]);
    expect(status).toBe(64);
    expect(stderr).toContain('there is a queue "mail" already');
    expect((await client.get(id)).state).toBe("pending");
  });

  test("a payload that the broker refuses ends it at once, and is told", async () => {
    const { call, client } = await openBroker();
    const { status, stderr } = await call(["bench", "--size", "2000000", "--count", "5"]);
    expect(status).toBe(65);
    expect(stderr).toContain("too_large");
    expect(await client.queues()).toEqual([]);
  });

  test("who is refused before the first task is told that alone", async () => {
    const { status, stderr, client } = await admin("bench --submit-only --count 5", (fake) => {
      fake.settings = undefined;
      fake.submit = async () => {
        throw new TqError("permission_denied", "submit needs the permission submit_tasks");
      };
    });
    expect(status).toBe(77);
    expect(stderr).toMatch(/^tq-admin: permission_denied: .*\n$/);
    expect(client.asked.map(([verb]) => verb)).not.toContain("start_job");
  });

  test.each([
    [
      new TqError("permission_denied", "delete_queue needs the permission admin"),
      77,
      "the key lacks",
    ],
    [new TqError("no_leader", "no leader answered in time"), 69, "does a majority of its brokers"],
    [new TqError("outcome_unknown", "no answer"), 69, "the cluster decides nothing"],
  ])("what would fail at its end, by %s, fails before the first task", async (error, ...rest) => {
    const [expected, text] = rest;
    const { status, stderr, client } = await admin("bench --count 5", (fake) => {
      fake.settings = undefined;
      const { queue } = fake;
      fake.queue = (name) => {
        const handle = queue(name);
        handle.delete = () => Promise.reject(error);
        return handle;
      };
    });
    expect([status, stderr]).toEqual([expected, expect.stringContaining(text)]);
    expect(client.asked.map(([verb]) => verb)).toEqual(["cluster"]);
  });

  test("interrupted, it deletes its queue and shows what it has", async () => {
    const { call, client } = await openBroker();
    const controller = new AbortController();
    const began = client.events()[Symbol.asyncIterator]();
    const first = began.next().then(() => controller.abort());
    const { status, stdout } = await call(["bench", "--count", "100000", "--rate", "100"], {
      interrupted: () => controller.signal,
    });
    await first;
    await began.return?.(undefined);
    expect(status).toBe(75);
    const report = JSON.parse(stdout);
    expect(report.durable).toBeGreaterThan(0);
    expect(report.durable).toBe(report.submitted);
    expect(report.queue_deleted).toBe(true);
    expect(await client.queues()).toEqual([]);
  });

  test.each([
    ["bench --count 0", "is not a whole number from 1 to 1000000"],
    ["bench --outstanding 8193", "is not a whole number from 1 to 8192"],
    ["bench --size 31", "is not a whole number from 32 to 3145728"],
    ["bench --rate x", "is not a whole number"],
    ["bench --priority urgent", "is not one of low, normal, high, critical"],
    ["bench --queue a/b", "is not 1 to 200 letters"],
  ])("refuses %s, and asks nothing", async (line, text) => {
    const { status, stderr, client } = await admin(line);
    expect(status).toBe(64);
    expect(stderr).toContain(text);
    expect(client.asked).toEqual([]);
  });
});

describe("what is counted", () => {
  function benchOf(client: FakeClient, options: Partial<BenchOptions> = {}): Bench {
    return new Bench(IO, client, {
      queue: "q",
      count: 10,
      outstanding: 3,
      size: 50,
      perSecond: undefined,
      priority: undefined,
      submitOnly: true,
      signal: new AbortController().signal,
      onProgress: () => undefined,
      ...options,
    });
  }

  test("never more at a time than asked for, and payloads of the size asked for", async () => {
    const client = new FakeClient();
    let open = 0;
    let most = 0;
    const sizes = new Set<number>();
    const { submit } = client;
    client.submit = async (type, payload, options) => {
      most = Math.max(most, ++open);
      sizes.add(JSON.stringify(payload).length);
      await IO.sleep(1);
      open--;
      return submit(type, payload, options);
    };
    const figures = await benchOf(client).run();
    expect(figures).toMatchObject({ submitted: 10, durable: 10, errors: {} });
    expect([most, [...sizes]]).toEqual([3, [50]]);
  });

  test("refusals that may pass by their codes", async () => {
    const client = new FakeClient();
    client.error = new TqError("queue_full", "full");
    const figures = await benchOf(client).run();
    expect(figures).toMatchObject({ submitted: 10, durable: 0, errors: { queue_full: 10 } });
    expect(figures.submit).toBeUndefined();
  });

  test("only the first run of a task, and none that was never submitted", async () => {
    const bench = benchOf(new FakeClient(), { submitOnly: false, count: 1 });
    bench.handle({ n: 7 });
    const running = bench.run();
    await IO.sleep(0);
    bench.handle({ n: 0 });
    bench.handle({ n: 0 });
    expect(await running).toMatchObject({ durable: 1, handled: 1 });
  });

  test("is given up when nothing is handled any more", async () => {
    const bench = benchOf(new FakeClient(), { submitOnly: false, count: 1, stallMs: 30 });
    expect(await bench.run()).toMatchObject({ durable: 1, handled: 0 });
    expect(bench.isStalled).toBe(true);
  });

  test("and what it had asked for is not waited for then", async () => {
    const client = new FakeClient();
    client.submit = () => new Promise(() => undefined);
    const bench = benchOf(client, { count: 1, stallMs: 30 });
    expect(await bench.run()).toMatchObject({ submitted: 1, durable: 0 });
  });

  test("percentiles are those of the nearest rank", () => {
    const latencies = new Latencies(100);
    for (let ms = 100; ms >= 1; ms--) latencies.add(1_000, 1_000 + ms);
    expect(latencies.summary(900)).toEqual({
      per_second: 500,
      p50_ms: 50,
      p99_ms: 99,
      max_ms: 100,
    });
    expect(new Latencies(1).summary(0)).toBeUndefined();
  });
});
