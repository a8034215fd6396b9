/** Following what happens to tasks, and reading what their handlers say. */
import { parseTaskId } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import {
  client,
  type FakeCluster,
  finishAll,
  openOne,
  openProxy,
  register,
  until,
} from "./harness.ts";

async function open() {
  const { port, cluster } = await openOne();
  cluster.raise(3);
  return { port, cluster, tq: client({ servers: `127.0.0.1:${port}` }) };
}

/** A worker takes the only task. */
function start(cluster: FakeCluster): number {
  register(cluster);
  const reply = cluster.apply({ type: "lease", session: "w", count: 1 });
  return reply.code === "leased" ? reply.tokens[0]! : 0;
}

function say(cluster: FakeCluster, id: string, token: number, progress: string): void {
  const lines = [{ level: "info" as const, text: `at ${progress}` }];
  const run = { id: parseTaskId(id)!, token, progress, lines };
  cluster.apply({ type: "report", session: "w", runs: [run] });
}

describe("events", () => {
  test("what happens from the first look on, in its order", async () => {
    const { cluster, tq } = await open();
    await tq.submit("t", 1);
    const events = tq.events();
    const first = events.next();
    await until(() => cluster.listening === 1);
    const { id } = await tq.submit("t", 2);
    expect((await first).value).toMatchObject({ id, kind: "submitted", state: "pending" });
    finishAll(cluster);
    const kinds = [];
    for await (const { kind } of events) {
      kinds.push(kind);
      if (kinds.filter((each) => each === "completed").length === 2) break;
    }
    expect(kinds.toSorted()).toEqual(["completed", "completed", "started", "started"]);
  });

  test("from a position on, filtered, and across a lost connection", async () => {
    const { port, cluster } = await open();
    const proxy = await openProxy(port);
    const tq = client({ servers: proxy.address });
    const after = String(cluster.machine.applied);
    const ids: string[] = [];
    for (const queue of ["a", "b", "a"]) ids.push((await tq.submit("t", 1, { queue })).id);
    const events = tq.events({ queue: "a", kind: "submitted" }, { after });
    expect((await events.next()).value).toMatchObject({ id: ids[0] });
    expect((await events.next()).value).toMatchObject({ id: ids[2] });
    const next = events.next();
    await until(() => cluster.listening === 1);
    const before = proxy.connections;
    proxy.cut();
    await until(() => proxy.connections > before);
    const { id } = await tq.submit("t", 1, { queue: "a" });
    expect((await next).value).toMatchObject({ id });
  });

  test("of one task whose id is known, with all else that a handle has", async () => {
    const { cluster, tq } = await open();
    const after = String(cluster.machine.applied);
    const { id } = await tq.submit("t", 1);
    await tq.submit("t", 2);
    const handle = tq.handle(id);
    expect(await handle.get()).toMatchObject({ id, state: "pending" });
    expect(await handle.graph()).toMatchObject({ id, nodes: [{ id, distance: 0 }] });
    finishAll(cluster);
    await handle.result();
    const seen = [];
    for await (const event of handle.events({ after })) {
      seen.push([event.id, event.kind]);
      if (event.kind === "completed") break;
    }
    expect(seen).toEqual(["submitted", "started", "completed"].map((kind) => [id, kind]));
    const none = tq.handle("0198f2c4-0000-7000-8000-000000000001");
    await expect(none.result()).rejects.toMatchObject({ code: "not_found" });
  });

  test("a position beyond the end of the log is an error, and says where that is", async () => {
    const { cluster, tq } = await open();
    const events = tq.events({}, { after: "999999" });
    const end = `is at ${cluster.index}`;
    const refusal = { code: "invalid_request", message: expect.stringContaining(end) };
    await expect(events.next()).rejects.toMatchObject(refusal);
  });

  test("ends when told", async () => {
    const { cluster, tq } = await open();
    const stop = new AbortController();
    const next = tq.events({}, { signal: stop.signal }).next();
    await until(() => cluster.listening === 1);
    stop.abort(new Error("enough"));
    await expect(next).rejects.toThrow("enough");
  });

  test("a compacted position is an error", async () => {
    const { cluster, tq } = await open();
    cluster.machine.loaded();
    const next = tq.events({}, { after: "0" }).next();
    await expect(next).rejects.toMatchObject({ code: "position_compacted" });
  });
});

describe("what handlers say", () => {
  test("progress until the end, and the log", async () => {
    const { cluster, tq } = await open();
    const handle = await tq.submit("t", 1);
    const token = start(cluster);
    const heard: unknown[] = [];
    const all = (async () => {
      for await (const value of handle.progress()) heard.push(value);
    })();
    await until(() => cluster.listening === 1);
    say(cluster, handle.id, token, "10");
    await until(() => heard.length === 1);
    say(cluster, handle.id, token, '{"done":20}');
    await until(() => heard.length === 2);
    expect(heard).toEqual([10, { done: 20 }]);
    const id = parseTaskId(handle.id)!;
    const result = new Uint8Array(0);
    cluster.apply({ type: "complete", id, token, result, resultType: "binary" });
    await all;
    expect(heard).toHaveLength(2);
    const { lines, total } = await tq.logs(handle.id, { after: 1 });
    expect(lines).toMatchObject([{ number: 2, level: "info", text: 'at {"done":20}' }]);
    expect(total).toBe(2);
    await expect(tq.logs("x")).rejects.toMatchObject({ code: "not_found" });
  });
});
