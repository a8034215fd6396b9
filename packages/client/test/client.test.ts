/**
 * What the client promises: nothing lost, nothing doubled, an answer or a refusal by the deadline.
 */
import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { RateLimited } from "../../broker/src/operations/access.ts";
import { defineTasks, TqError, task } from "../src/index.ts";
import { outOfTime } from "../src/resend.ts";
import {
  client,
  FakeCluster,
  finishAll,
  key,
  openOne,
  openPort,
  openProxy,
  type TestPort,
  until,
} from "./harness.ts";

describe("submit", () => {
  test("a task that waits can be given another time", async () => {
    const { cluster, node } = await openOne();
    cluster.raise(3);
    const tq = client({ servers: node.address });
    const handle = await tq.submit("t", 1, { delayMs: 60_000 });
    expect(await handle.reschedule({ delayMs: 0 })).toMatchObject({ state: "pending" });
    const runAt = new Date(cluster.now + 5000);
    expect(await handle.reschedule({ runAt })).toMatchObject({
      state: "scheduled",
      due_at: runAt.toISOString(),
    });
  });

  test("carries all that can be said of a task", async () => {
    const { cluster, port } = await openOne();
    cluster.raise(3);
    const tq = client({ servers: `127.0.0.1:${port}` });
    const parent = await tq.submit("t", 1);
    const expiresAt = new Date(cluster.now + 90_000);
    const handle = await tq.submit("t", 2, {
      expiresAt,
      uniqueKey: "k",
      uniqueForMs: 5,
      uniqueConflict: "reject",
      group: "g",
      requiredLabels: ["zone=a", "disk=ssd"],
      dependsOn: [parent],
      onParentFailure: "continue",
      retry: { delaysMs: [1, 2], jitter: "full" },
    });
    expect(await handle.get()).toMatchObject({
      state: "blocked",
      expires_at: expiresAt.toISOString(),
      unique_key: "k",
      unique_for_ms: 5,
      unique_conflict: "reject",
      group: "g",
      required_labels: ["disk=ssd", "zone=a"],
      depends_on: [parent.id],
      on_parent_failure: "continue",
      retry: { backoff: "list", delays_ms: [1, 2], jitter: "full" },
    });
    const again = tq.submit("t", 3, { uniqueKey: "k", uniqueConflict: "reject" });
    await expect(again).rejects.toMatchObject({ code: "state_conflict" });
    for (const options of [
      { uniqueForMs: 5 },
      { dependsOn: ["x"] },
      { expiresInMs: -1 },
      { expiresAt: new Date(Number.NaN) },
    ]) {
      await expect(tq.submit("t", 4, options)).rejects.toMatchObject({ code: "invalid_request" });
    }
  });

  test("several together: all or none", async () => {
    const { cluster, port } = await openOne();
    cluster.raise(3);
    const tq = client({ servers: `127.0.0.1:${port}` });
    const id = uuidv7();
    const items = [
      { type: "t", payload: new Uint8Array([1, 2]), options: { id, maxRetries: 7 } },
      { type: "t", payload: { a: 1 }, options: { dependsOn: [id], uniqueKey: "k" } },
    ];
    const made = await tq.submitMany(items, { atomic: true });
    expect(made.map(({ state }) => state)).toEqual(["pending", "blocked"]);
    expect(await made[0]!.get()).toMatchObject({ payload_base64: "AQI=", max_retries: 7 });
    const bad = [
      { type: "t", payload: 1 },
      { type: "t", payload: 1, options: { group: "\n" } },
    ];
    await expect(tq.submitMany(bad, { atomic: true })).rejects.toMatchObject({
      code: "invalid_request",
      field: "tasks[1].group",
    });
    expect(cluster.machine.counts()).toMatchObject({ pending: 1, blocked: 1 });
  });

  test("resolves with a handle once the task is there", async () => {
    const { port, cluster } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const handle = await tq.submit("t", { to: "x" }, { priority: "high", tags: ["a"] });
    expect(handle).toMatchObject({ state: "pending", duplicate: false });
    expect(await handle.get()).toMatchObject({
      id: handle.id,
      type: "t",
      queue: "default",
      payload: { to: "x" },
      priority: "high",
      tags: ["a"],
      state: "pending",
    });
    expect(cluster.machine.counts().pending).toBe(1);
  });

  test("every option arrives", async () => {
    const { port, node } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const id = uuidv7();
    const runAt = new Date(Date.now() + 60_000);
    await tq.submit("t", new Uint8Array([1, 2]), {
      id,
      queue: "mail",
      runAt,
      timeoutMs: 5_000,
      maxRetries: 7,
      retry: { initialDelayMs: 10, backoffMultiplier: 1.5, maxDelayMs: 100, jitter: 0.2 },
      idempotencyKey: "k",
      metadata: { a: 1 },
      traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    });
    expect(node.commands[0]).toMatchObject({
      content: {
        queue: "mail",
        payloadType: "binary",
        runAt: runAt.getTime(),
        timeoutMs: 5_000,
        retry: {
          maxRetries: 7,
          initialDelayMs: 10,
          multiplier: 1.5,
          maxDelayMs: 100,
          jitter: 0.2,
        },
        idempotencyKey: "k",
        metadata: '{"a":1}',
      },
    });
    expect((await tq.get(id)).payload_base64).toBe("AQI=");
  });

  test("those of one turn share a frame, in order", async () => {
    const { port, node } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const many = Array.from({ length: 600 }, (_, n) => ({ type: "t", payload: n }));
    const outcomes = await tq.submitMany(many);
    expect(outcomes).toHaveLength(600);
    const payloads = node.commands.map((command) => {
      return command.type === "submit" ? Number(Buffer.from(command.content.payload)) : -1;
    });
    expect(payloads).toEqual(many.map(({ payload }) => payload));
  });

  test("one that is refused does not hold up the others", async () => {
    const { port } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const [good, bad, cyclic, labelled] = await tq.submitMany([
      { type: "t", payload: 1 },
      { type: "not a name", payload: 2 },
      { type: "t", payload: 1n },
      { type: "t", payload: 1, options: { metadata: { n: 1n } } },
    ]);
    expect(labelled).toMatchObject({ code: "invalid_request", field: "metadata" });
    expect(good).toMatchObject({ state: "pending" });
    expect(bad).toMatchObject({ code: "invalid_request", retryable: false });
    // Without its place in a frame, which is nobody's business.
    expect((bad as TqError).field).toBe("type");
    expect((bad as TqError).message).toMatch(/^type: "not a name" is not a name/);
    expect(cyclic).toMatchObject({ code: "invalid_request", field: "payload" });
  });

  test("the same id again is a duplicate; the same idempotency key answers with the first task", async () => {
    const { port } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const id = uuidv7();
    await tq.submit("t", 1, { id });
    expect(await tq.submit("t", 1, { id })).toMatchObject({ id, duplicate: true });
    const first = await tq.submit("t", 2, { idempotencyKey: "k" });
    const second = await tq.submit("t", 2, { idempotencyKey: "k" });
    expect(second).toMatchObject({ id: first.id, duplicate: true });
    await expect(tq.submit("t", 3, { id })).rejects.toMatchObject({ code: "idempotency_mismatch" });
  });

  test("a payload that no broker would take is refused, and the connection lives on", async () => {
    const { port } = await openOne({ maxPayloadBytes: 1_000 });
    const tq = client({ servers: `127.0.0.1:${port}` });
    await expect(tq.submit("t", "x".repeat(200_000))).rejects.toMatchObject({ code: "too_large" });
    await expect(tq.submit("t", "x".repeat(2_000))).rejects.toMatchObject({ code: "too_large" });
    await tq.submit("t", 1);
  });

  test.each([
    ["payload", { payload: () => {} }, {}],
    ["delayMs", { payload: 1 }, { delayMs: -1 }],
    ["runAt", { payload: 1 }, { runAt: new Date("nonsense") }],
    ["id", { payload: 1 }, { id: "nonsense" }],
    ["retry.jitter", { payload: 1 }, { retry: { jitter: Number.NaN } }],
  ])("a bad %s is refused before anything is sent", async (field, { payload }, options) => {
    const tq = client({ servers: "127.0.0.1:1" });
    await expect(tq.submit("t", payload, options)).rejects.toMatchObject({
      code: "invalid_request",
      field,
    });
  });
});

describe("resending", () => {
  test("an answer lost with its connection: sent again under the same id, done once", async () => {
    const { port, node, cluster } = await openOne();
    const proxy = await openProxy(port);
    const tq = client({ servers: proxy.address });
    await tq.stats();
    proxy.mute = true;
    const submitted = tq.submit("t", 1);
    await until(() => node.commands.length === 1);
    proxy.mute = false;
    proxy.cut();
    const handle = await submitted;
    expect(handle.duplicate).toBe(true);
    expect(node.commands).toHaveLength(2);
    const ids = node.commands.map((command) =>
      command.type === "submit" ? command.id : undefined,
    );
    expect(ids[0]).toEqual(ids[1]);
    expect(cluster.machine.counts().pending).toBe(1);
  });

  test("hundreds in flight through three cuts: each once, none lost", async () => {
    const { port, cluster } = await openOne();
    const proxy = await openProxy(port);
    const tq = client({ servers: proxy.address });
    const submits: Promise<unknown>[] = [];
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 100; i++) submits.push(tq.submit("t", i));
      const before = proxy.connections;
      await until(() => cluster.machine.counts().pending > round * 100);
      proxy.cut();
      await until(() => proxy.connections > before);
    }
    await Promise.all(submits);
    expect(cluster.machine.counts().pending).toBe(400);
  });

  test.each([
    ["no leader", { kind: "refused", code: "no_leader", message: "x" } as const],
    ["overloaded", { kind: "refused", code: "overloaded", message: "x" } as const],
    ["outcome unknown", { kind: "unknown", message: "x" } as const],
  ])("%s is not the caller's business while there is time", async (_name, outcome) => {
    const { port, node } = await openOne();
    let refusals = 3;
    node.fate = () => (refusals-- > 0 ? outcome : "answer");
    const tq = client({ servers: `127.0.0.1:${port}` });
    await tq.submit("t", 1);
    expect(node.commands).toHaveLength(4);
  });

  test("a rate is not the caller's business while there is time", async () => {
    const tries = { count: 0 };
    const spend = () => {
      if (tries.count++ < 2) throw new RateLimited("wait 10 ms", 10);
    };
    const access = { identify: async () => ({ name: "k", demand() {}, spend }) };
    const { port, node } = await openOne({ access });
    const tq = client({ servers: `127.0.0.1:${port}` });
    await tq.submit("t", 1);
    expect([tries.count, node.commands.length]).toEqual([3, 1]);
    tries.count = 0;
    await tq.stats();
    expect(tries.count).toBe(3);
  });

  test("a rate that outlasts the deadline is told as that, unless there is doubt", () => {
    const last = new TqError("rate_limited", "wait 10 ms");
    expect(outOfTime("stats", 100, false, last)).toBe(last);
    expect(outOfTime("stats", 100, true, last)).toMatchObject({ code: "outcome_unknown" });
    const refused = new TqError("no_leader", "nobody leads; nothing was done");
    const { message } = outOfTime("stats", 100, false, refused);
    expect(message.match(/nothing was done/g)).toHaveLength(1);
    const overloaded = new TqError("overloaded", "x");
    expect(outOfTime("stats", 100, false, overloaded)).toMatchObject({ code: "no_leader" });
  });

  test("a full queue is the caller's business at once", async () => {
    const { port, node } = await openOne();
    node.fate = () => ({
      kind: "applied",
      reply: { code: "queue_full", message: "the queue is full" },
      index: 1,
    });
    const tq = client({ servers: `127.0.0.1:${port}` });
    const error = await tq.submit("t", 1).catch((caught) => caught);
    expect(error).toBeInstanceOf(TqError);
    expect(error).toMatchObject({ code: "queue_full", retryable: true });
    expect(node.commands).toHaveLength(1);
  });

  test("a node without a leader is left for another", async () => {
    const lonely = await openPort(new FakeCluster().nodes[0]!);
    lonely.node.fate = () => ({ kind: "refused", code: "no_leader", message: "cut off" });
    const healthy = await openPort(new FakeCluster().nodes[0]!);
    const servers = [`127.0.0.1:${lonely.port}`, `127.0.0.1:${healthy.port}`];
    // Whichever it begins with, it ends at the healthy one.
    for (let i = 0; i < 2; i++) {
      const tq = client({ servers });
      await tq.submit("t", i);
    }
    expect(healthy.node.commands).toHaveLength(2);
  });

  test("a broker that stops sends its clients to the next", async () => {
    const cluster = new FakeCluster(2);
    const first = await openPort(cluster.nodes[0]!);
    const proxyless = `127.0.0.1:${first.port}`;
    const tq = client({ servers: proxyless });
    await tq.submit("t", 1);
    const second = await openPort(cluster.nodes[1]!);
    cluster.elect(second.node);
    await first.server.close();
    // The closing broker named the leader, which is not even on the client's list.
    await tq.submit("t", 2);
    expect(second.node.commands).toHaveLength(1);
  });
});

describe("brokers that hand over and stop, one after the other", () => {
  test("cost no caller an error, and no task its uniqueness", async () => {
    const cluster = new FakeCluster(3);
    const ports: TestPort[] = [];
    for (const node of cluster.nodes) ports.push(await openPort(node));
    const tq = client({ servers: ports.map(({ port }) => `127.0.0.1:${port}`) });
    const asked: Promise<unknown>[] = [];
    let submits = 0;
    const ask = (): void => {
      for (let i = 0; i < 50; i++) asked.push(tq.submit("t", submits++));
      asked.push(tq.stats(), Promise.resolve(tq.list({ limit: 1 })));
    };
    const first = await tq.submit("t", submits++);
    const waiting = tq.wait(first.id);
    for (let round = 0; round < 6; round++) {
      const { node, port, server } = ports[round % 3]!;
      ask();
      const before = asked.length;
      cluster.elect(cluster.nodes[(round + 1) % 3]);
      const closed = server.close();
      ask();
      await closed;
      await Promise.all(asked.slice(before));
      ports[round % 3] = await openPort(node, { port });
    }
    await Promise.all(asked);
    expect(cluster.machine.counts().pending).toBe(submits);
    finishAll(cluster);
    expect((await waiting).state).toBe("completed");
  });

  test("what was asked of one that stops is answered elsewhere when it stays silent", async () => {
    const cluster = new FakeCluster(2);
    const [one, two] = [await openPort(cluster.nodes[0]!), await openPort(cluster.nodes[1]!)];
    const tq = client({ servers: `127.0.0.1:${one.port}` });
    one.node.fate = () => "silence";
    const submitted = tq.submit("t", 1);
    await until(() => one.node.commands.length === 1);
    cluster.elect(two.node);
    await one.server.close();
    expect(await submitted).toMatchObject({ duplicate: true });
    const [first, second] = [one.node.commands[0]!, two.node.commands[0]!];
    expect("id" in first && "id" in second && key(first.id) === key(second.id)).toBe(true);
    expect(cluster.machine.counts().pending).toBe(1);
  });
});

describe("deadlines", () => {
  test("no broker at all: certainly not done", async () => {
    const tq = client({ servers: "127.0.0.1:1", timeoutMs: 150 });
    const error = await tq.submit("t", 1).catch((caught) => caught);
    expect(error).toMatchObject({ name: "TqError", code: "no_leader", retryable: true });
    expect(error.message).toContain("nothing was done");
    await expect(tq.queues()).rejects.toMatchObject({ code: "no_leader" });
  });

  test("sent and never answered: not known, and it says with which id to try again", async () => {
    const { port, node } = await openOne();
    node.fate = () => "silence";
    const tq = client({ servers: `127.0.0.1:${port}` });
    const id = uuidv7();
    const error = await tq.submit("t", 1, { id, deadlineMs: 150 }).catch((caught) => caught);
    expect(error).toMatchObject({ code: "outcome_unknown", retryable: true });
    expect(error.message).toContain(id);
  });

  test("refused each time for want of a leader: certainly not done", async () => {
    const { port, cluster } = await openOne();
    cluster.elect(undefined);
    const tq = client({ servers: `127.0.0.1:${port}`, timeoutMs: 300 });
    await expect(tq.submit("t", 1)).rejects.toMatchObject({ code: "no_leader" });
  });

  test("a read changes nothing, so that there is nothing to be in doubt about", async () => {
    const { port, node } = await openOne();
    node.readBarrier = () => new Promise<never>(() => {});
    const tq = client({ servers: `127.0.0.1:${port}`, timeoutMs: 150 });
    const reads = [() => tq.list(), () => tq.workers(), () => tq.stats(), () => tq.keys.list()];
    for (const read of reads) {
      const error = await Promise.resolve(read()).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "no_leader" });
      expect(String(error)).toContain("nothing was done");
    }
  });

  describe.each([
    ["a submit", (tq: ReturnType<typeof client>) => tq.submit("t", 1)],
    ["another write", (tq: ReturnType<typeof client>) => tq.queue("q").pause()],
  ])("%s that its broker holds for long before it refuses it", (_, write) => {
    async function leaderless() {
      const { port, node, cluster } = await openOne();
      cluster.raise(3);
      const request = node.request.bind(node);
      cluster.elect(undefined);
      node.request = (command, done) => {
        if (cluster.leader !== undefined) request(command, done);
        else setTimeout(() => request(command, done), 400);
      };
      return { node, cluster, tq: client({ servers: `127.0.0.1:${port}`, timeoutMs: 700 }) };
    }

    test("is not sent when the answer would be too late: certainly not done", async () => {
      const { tq, node } = await leaderless();
      const error = await write(tq).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "no_leader" });
      expect(String(error)).toContain("there is no leader");
      expect(node.commands).toHaveLength(1);
    });

    test("is sent as soon as there is a leader", async () => {
      const { tq, node, cluster } = await leaderless();
      const written = write(tq);
      await until(() => node.commands.length === 1);
      cluster.elect(node);
      await written;
      expect(node.commands).toHaveLength(2);
    });
  });

  test("malformed addresses are refused when the client is made", () => {
    for (const servers of ["", "a:b", "host:99999", [], "http://x:1"]) {
      expect(() => client({ servers })).toThrow(TqError);
    }
  });
});

describe("the life of a client", () => {
  test("close waits for what was submitted, and refuses what comes after", async () => {
    const { port, cluster } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const submitted = tq.submit("t", 1);
    await tq.close();
    expect((await submitted).state).toBe("pending");
    expect(cluster.machine.counts().pending).toBe(1);
    await expect(tq.submit("t", 2)).rejects.toMatchObject({ message: "the client is closed" });
    await expect(tq.queues()).rejects.toThrow("the client is closed");
  });

  test("close ends a wait", async () => {
    const { port } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const { id } = await tq.submit("t", 1);
    const waiting = tq.wait(id).catch((caught) => caught);
    await tq.queues();
    await tq.close();
    expect(await waiting).toMatchObject({ message: "the client is closed" });
  });

  test("changes of the connection are told", async () => {
    const { port } = await openOne();
    const proxy = await openProxy(port);
    const states: string[] = [];
    const tq = client({ servers: proxy.address, onConnection: ({ state }) => states.push(state) });
    await tq.queues();
    proxy.cut();
    await until(() => states.length >= 2);
    await tq.queues();
    expect(states).toEqual(["up", "down", "up"]);
  });

  test("a map of tasks gives defaults, and types to the compiler", async () => {
    const tasks = defineTasks({
      "email.send": task<{ to: string }, number>({ queue: "mail", maxRetries: 9 }),
    });
    const { port, node } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}`, tasks });
    // As from a program that leaves to chance whether it has one.
    const unsaid = { queue: undefined } as object;
    const options = { maxRetries: 1, ...unsaid };
    const handle = await tq.submit("email.send", { to: "x" }, options);
    const typed: Promise<number> | undefined = undefined as
      | ReturnType<typeof handle.result>
      | undefined;
    expect(typed).toBeUndefined();
    expect(node.commands[0]).toMatchObject({
      content: { queue: "mail", retry: { maxRetries: 1 } },
    });
    // @ts-expect-error another payload
    await tq.submit("email.send", { at: "x" });
    // @ts-expect-error another type
    await tq.submit("email.sent", { to: "x" });
  });
});
