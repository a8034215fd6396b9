/** Waiting for tasks, and the verbs of administration, against a real worker port. */
import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { TaskFailed } from "../src/index.ts";
import { client, finishAll, openOne, openProxy, until } from "./harness.ts";

describe("wait", () => {
  test("resolves with the finished task; result() with its result", async () => {
    const { port, cluster } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const handle = await tq.submit("t", 1);
    const [task, result] = [tq.wait(handle.id), handle.result()];
    await until(() => cluster.machine.counts().pending === 1);
    finishAll(cluster, { bytes: 3 });
    expect(await task).toMatchObject({ state: "completed", result: { bytes: 3 } });
    expect(await result).toEqual({ bytes: 3 });
  });

  test("survives the connection", async () => {
    const { port, cluster } = await openOne();
    const proxy = await openProxy(port);
    const tq = client({ servers: proxy.address });
    const { id } = await tq.submit("t", 1);
    const waiting = tq.wait(id);
    const before = proxy.connections;
    proxy.cut();
    await until(() => proxy.connections > before);
    finishAll(cluster);
    expect((await waiting).state).toBe("completed");
  });

  test("gives up after its time, or when told", async () => {
    const { port } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const { id } = await tq.submit("t", 1);
    await expect(tq.wait(id, { timeoutMs: 50 })).rejects.toMatchObject({ name: "TimeoutError" });
    for (const turns of [0, 5]) {
      const stop = new AbortController();
      const waiting = tq.wait(id, { signal: stop.signal });
      waiting.catch(() => {});
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      stop.abort(new Error("enough"));
      await expect(waiting).rejects.toThrow("enough");
    }
    await expect(tq.wait(uuidv7())).rejects.toMatchObject({ code: "not_found" });
  });

  test("a task that ended otherwise throws from result()", async () => {
    const { port } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const handle = await tq.submit("t", 1);
    await handle.cancel("not wanted");
    const error = await handle.result().catch((caught) => caught);
    expect(error).toBeInstanceOf(TaskFailed);
    expect(error).toMatchObject({ state: "cancelled", task: { id: handle.id } });
  });
});

describe("administration", () => {
  test("a list ends with the reason of its signal", async () => {
    const { port } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    const walk = async () => {
      for await (const { id } of tq.list({}, { signal: stop.signal })) return id;
      return undefined;
    };
    await expect(walk()).rejects.toThrow("enough");
  });

  test("a list is one page when awaited and everything when iterated over", async () => {
    const { port } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    await tq.submitMany(Array.from({ length: 25 }, (_, n) => ({ type: "t", payload: n })));
    const page = await tq.list({ limit: 10 });
    expect(page.tasks).toHaveLength(10);
    expect(page.next).toBeDefined();
    const second = await tq.list({ limit: 10, cursor: page.next });
    expect(second.tasks[0]?.id).not.toBe(page.tasks[0]?.id);
    const ids = new Set<string>();
    for await (const { id } of tq.list({ limit: 10 })) ids.add(id);
    expect(ids.size).toBe(25);
  });

  test("cancel, retry, and the dead", async () => {
    const { port, cluster } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    const handle = await tq.submit("t", 1, { maxRetries: 0 });
    expect(await handle.cancel()).toMatchObject({ state: "cancelled" });
    expect(await handle.retry()).toMatchObject({ state: "pending" });
    finishAll(cluster);
    await expect(handle.cancel()).rejects.toMatchObject({ code: "state_conflict" });
    const doomed = await tq.submit("t", 2);
    cluster.apply({ type: "lease", session: "w", count: 1 });
    const { id, token } = cluster.machine.leases("w")[0]!;
    const error = { message: "boom", stack: "" };
    const end = { id: id.slice(), token, error, retryAfterMs: undefined, retryable: false };
    cluster.apply({ type: "fail", ...end });
    expect((await tq.dead.list()).tasks).toMatchObject([{ id: doomed.id, state: "dead" }]);
    expect(await tq.dead.retry(doomed.id)).toMatchObject({ state: "pending" });
    cluster.apply({ type: "lease", session: "w", count: 1 });
    cluster.apply({ type: "fail", ...end, token: token + 1 });
    await tq.dead.delete(doomed.id);
    await expect(tq.get(doomed.id)).rejects.toMatchObject({ code: "not_found" });
  });

  test("queues, workers, stats, cluster", async () => {
    const { port, cluster } = await openOne();
    const tq = client({ servers: `127.0.0.1:${port}` });
    await tq.submit("t", 1, { queue: "mail" });
    finishAll(cluster);
    expect(await tq.queues()).toMatchObject([{ name: "mail" }]);
    expect(await tq.workers()).toMatchObject([{ id: "w", types: ["t"] }]);
    expect(await tq.cluster()).toMatchObject({ cluster_id: "c0ffee", leader_id: "n1", term: 3 });
    expect(await tq.stats()).toBeTypeOf("object");
  });
});

test("the graph of a task, also from its handle", async () => {
  const { port, cluster } = await openOne();
  cluster.raise(3);
  const tq = client({ servers: `127.0.0.1:${port}` });
  const parent = await tq.submit("t", 1);
  const child = await tq.submit("t", 2, { dependsOn: [parent] });
  const graph = await parent.graph();
  expect(graph).toMatchObject({ id: parent.id, truncated: false });
  expect(graph.nodes).toMatchObject([
    { id: parent.id, state: "pending", depends_on: [], distance: 0 },
    { id: child.id, state: "blocked", depends_on: [parent.id], distance: 1 },
  ]);
  finishAll(cluster);
  expect((await tq.graph(child.id)).nodes).toMatchObject([
    { id: child.id, state: "pending" },
    { id: parent.id, state: "completed", distance: -1 },
  ]);
  await expect(tq.graph("0198f2c4-0000-7000-8000-000000000001")).rejects.toMatchObject({
    code: "not_found",
  });
});
