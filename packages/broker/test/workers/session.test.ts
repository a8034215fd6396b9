/**
 * The life of a worker's session over real sockets: deliveries, reports, resume, a change of
 * leader.
 */
import type { DeliveredTask, SentMessage } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { FakeCluster } from "./fake-cluster.ts";
import { openOne, openPort, someTask, until } from "./harness.ts";
import { bytesOf, RawPeer } from "./raw-peer.ts";

const SECRET = new Uint8Array(16).fill(7);

function registration(overrides: object = {}): Extract<SentMessage, { kind: "register" }> {
  return {
    kind: "register",
    session: "s1",
    secret: SECRET,
    name: "worker one",
    queues: [],
    types: ["t"],
    labels: ["zone=b", "arch=x"],
    concurrency: 4,
    window: 10,
    held: [],
    ...overrides,
  };
}

async function register(port: number, overrides: object = {}): Promise<RawPeer> {
  const peer = await RawPeer.greet(port, "worker");
  peer.send(2, registration(overrides));
  await peer.take("registered");
  return peer;
}

async function submit(port: number, count: number, payload: unknown = { n: 1 }): Promise<RawPeer> {
  const client = await RawPeer.greet(port);
  const tasks = Array.from({ length: count }, () => someTask("t", payload));
  client.send(2, { kind: "submit", tasks });
  const { results } = await client.take("submitted");
  expect(results.every(({ ok }) => ok)).toBe(true);
  return client;
}

async function takeTasks(peer: RawPeer, count: number): Promise<DeliveredTask[]> {
  const tasks: DeliveredTask[] = [];
  while (tasks.length < count) tasks.push(...(await peer.take("deliver")).tasks);
  return tasks;
}

describe("register", () => {
  test("is answered with the lease and the heartbeat, and labels are sorted", async () => {
    const { port, node } = await openOne();
    const peer = await RawPeer.greet(port, "worker");
    peer.send(2, registration());
    expect(await peer.take("registered")).toEqual({
      kind: "registered",
      requestId: 2,
      leaseMs: 30_000,
      heartbeatMs: 10_000,
      lost: [],
    });
    expect(node.commands[0]).toMatchObject({
      type: "register",
      session: "s1",
      labels: ["arch=x", "zone=b"],
      leaseMs: 30_000,
      version: "1",
    });
  });

  test.each([
    ["no types", { types: [] }, "types"],
    ["a name that is none", { types: ["a b"] }, "types[0]"],
    ["a queue that is none", { queues: ["ok", ""] }, "queues[1]"],
    ["a label without a value", { labels: ["x"] }, "labels[0]"],
    ["no concurrency", { concurrency: 0 }, "concurrency"],
    ["a session with spaces", { session: "a b" }, "session"],
  ])("%s is refused by field, and the connection lives on", async (_name, wrong, field) => {
    const { port } = await openOne();
    const peer = await RawPeer.greet(port, "worker");
    peer.send(2, registration(wrong));
    expect(await peer.take("error")).toMatchObject({
      code: "invalid_request",
      field,
      requestId: 2,
    });
    peer.send(3, registration());
    await peer.take("registered");
  });

  test("another secret is refused", async () => {
    const { port } = await openOne();
    await register(port);
    const thief = await RawPeer.greet(port, "worker");
    thief.send(2, registration({ secret: new Uint8Array(16) }));
    expect(await thief.take("error")).toMatchObject({ code: "permission_denied" });
  });

  test("a follower names the leader", async () => {
    const cluster = new FakeCluster(2);
    const leader = await openPort(cluster.nodes[0]!);
    const follower = await openPort(cluster.nodes[1]!);
    const peer = await RawPeer.greet(follower.port, "worker");
    peer.send(2, registration());
    expect(await peer.take("notLeader")).toMatchObject({
      requestId: 2,
      address: `127.0.0.1:${leader.port}`,
    });
    cluster.elect(undefined);
    peer.send(3, registration());
    expect(await peer.take("notLeader")).toMatchObject({ requestId: 3, address: "" });
  });
});

describe("work", () => {
  test("tasks are delivered up to the window, and a completion makes room for the next", async () => {
    const { port } = await openOne();
    const peer = await register(port, { window: 2 });
    await submit(port, 3);
    const [first, second] = await takeTasks(peer, 2);
    expect(first).toMatchObject({
      type: "t",
      queue: "default",
      attempt: 1,
      failures: 0,
      maxRetries: 3,
      priority: "normal",
      payloadType: "json",
    });
    expect(Buffer.from(first!.payload).toString()).toBe('{"n":1}');
    expect(first!.leaseMs).toBeGreaterThan(0);
    expect(second!.token).toBeGreaterThan(first!.token);
    expect(peer.received).toEqual([]);
    const { id, token } = first!;
    const done = { id, token, result: Buffer.from("42"), resultType: "json" } as const;
    peer.send(5, { kind: "complete", items: [done] });
    expect(await peer.take("reported")).toMatchObject({
      requestId: 5,
      results: [{ ok: true, duplicate: false }],
    });
    await takeTasks(peer, 1);
    peer.send(6, { kind: "complete", items: [done, { ...done, token: token + 1_000 }] });
    expect((await peer.take("reported")).results).toMatchObject([
      { ok: true, duplicate: true },
      { ok: false, code: "stale_token" },
    ]);
  });

  test("fail, release and extend become their commands", async () => {
    const { port, node } = await openOne();
    const peer = await register(port);
    await submit(port, 3);
    const [a, b, c] = (await takeTasks(peer, 3)) as [DeliveredTask, DeliveredTask, DeliveredTask];
    peer.send(5, {
      kind: "fail",
      items: [
        {
          id: a.id,
          token: a.token,
          message: "boom",
          stack: "at x",
          retryAfterMs: 90_000,
          retryable: true,
        },
      ],
    });
    peer.send(6, { kind: "extend", items: [{ id: c.id, token: c.token, forMs: 60_000 }] });
    peer.send(7, { kind: "release", items: [{ id: b.id, token: b.token }] });
    for (let i = 0; i < 3; i++) {
      expect((await peer.take("reported")).results).toEqual([{ ok: true, duplicate: false }]);
    }
    const reports = node.commands.filter(({ type }) => /fail|release|extend/.test(type));
    expect(reports).toMatchObject([
      { type: "fail", error: { message: "boom", stack: "at x" }, retryAfterMs: 90_000 },
      { type: "extend", forMs: 60_000 },
      { type: "release" },
    ]);
    // The released task comes again at once, under another token.
    const [again] = await takeTasks(peer, 1);
    expect(again!.id).toEqual(b.id);
    expect(again!.token).toBeGreaterThan(b.token);
  });

  test("a result beyond the payload limit is refused by itself", async () => {
    const { port } = await openOne({ maxPayloadBytes: 1_000 });
    const peer = await register(port);
    await submit(port, 1);
    const [{ id, token }] = (await takeTasks(peer, 1)) as [DeliveredTask];
    const result = new Uint8Array(1_001);
    peer.send(5, { kind: "complete", items: [{ id, token, result, resultType: "binary" }] });
    expect((await peer.take("reported")).results).toMatchObject([{ code: "too_large" }]);
  });

  test("the window is absolute: 0 stops deliveries, more lets them flow again", async () => {
    const { port, cluster } = await openOne();
    const peer = await register(port, { window: 0 });
    await submit(port, 4);
    expect(peer.received).toEqual([]);
    peer.send(0, { kind: "window", window: 3 });
    await takeTasks(peer, 3);
    expect(cluster.machine.counts().pending).toBe(1);
  });

  test("a heartbeat is acknowledged once it counts, and only as far as is certain", async () => {
    const { port, node, cluster } = await openOne();
    const peer = await register(port);
    node.beat = () => {
      node.beats++;
    };
    const beats = [40, 41, 42].map((id) => bytesOf(id, { kind: "heartbeat" }));
    peer.socket.write(Buffer.concat(beats));
    await until(() => node.beats === 3);
    const { channel } = cluster.sessions.get("s1")!;
    channel.renewed();
    expect((await peer.take("heartbeatAck")).requestId).toBe(40);
    // The others may have come while the first was being committed: they are counted once more.
    expect(node.beats).toBe(4);
    channel.renewed();
    expect((await peer.take("heartbeatAck")).requestId).toBe(42);
    expect(node.beats).toBe(4);
  });

  test("a cancelled task is taken away from its worker", async () => {
    const { port, cluster } = await openOne();
    const peer = await register(port);
    const client = await submit(port, 1);
    const [task] = (await takeTasks(peer, 1)) as [DeliveredTask];
    const hex = Buffer.from(task.id).toString("hex");
    const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    client.send(9, {
      kind: "call",
      verb: "cancel",
      minIndex: 0,
      body: Buffer.from(JSON.stringify({ id })),
    });
    expect((await peer.take("leaseLost")).leases).toEqual([
      { id: task.id, token: task.token, reason: "cancelled" },
    ]);
    const done = { id: task.id, token: task.token, result: Buffer.from("1") };
    peer.send(10, { kind: "complete", items: [{ ...done, resultType: "json" }] });
    const { results } = await peer.take("reported");
    expect(results).toMatchObject([{ ok: false, code: "stale_token" }]);
    expect(cluster.machine.task(task.id)).toMatchObject({ state: "cancelled", result: undefined });
  });

  test("a large window of large payloads waits for the worker to read, and arrives whole", async () => {
    const { port, lines } = await openOne({ limits: { outboundBytes: 8_000_000 } });
    const peer = await register(port, { window: 0 });
    for (let i = 0; i < 20; i++) await submit(port, 1, "x".repeat(900_000));
    peer.socket.pause();
    peer.send(0, { kind: "window", window: 20 });
    peer.send(3, { kind: "ping" });
    const other = await RawPeer.greet(port);
    other.send(4, { kind: "ping" });
    await other.take("pong");
    expect(peer.received).toEqual([]);
    peer.socket.resume();
    const tasks = await takeTasks(peer, 20);
    expect(new Set(tasks.map(({ token }) => token)).size).toBe(20);
    expect(lines).toEqual([]);
  });
});

describe("a connection that is lost", () => {
  test("releases nothing; the next delivers what the worker does not hold, with the same tokens", async () => {
    const { port, cluster } = await openOne();
    const peer = await register(port);
    await submit(port, 3);
    const tasks = await takeTasks(peer, 3);
    peer.socket.destroy();
    await until(() => cluster.sessions.size === 0);
    expect(cluster.machine.counts().running).toBe(3);
    const again = await RawPeer.greet(port, "worker");
    again.send(2, registration({ held: [tasks[1]!.token, 999] }));
    expect((await again.take("registered")).lost).toEqual([999]);
    const redelivered = await takeTasks(again, 2);
    expect(redelivered.map(({ token }) => token)).toEqual([tasks[0]!.token, tasks[2]!.token]);
    expect(redelivered.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  test("a worker that comes again before the old connection died takes its session along", async () => {
    const { port } = await openOne();
    const old = await register(port);
    const fresh = await register(port);
    expect(await old.take("error")).toMatchObject({ code: "state_conflict", requestId: 0 });
    await old.closed;
    await submit(port, 1);
    await takeTasks(fresh, 1);
  });

  test("bye releases the leases at once", async () => {
    const { port, cluster } = await openOne();
    const peer = await register(port);
    await submit(port, 2);
    await takeTasks(peer, 2);
    peer.send(8, { kind: "bye" });
    expect(await peer.take("reported")).toMatchObject({ requestId: 8, results: [{ ok: true }] });
    expect(cluster.machine.counts()).toMatchObject({ pending: 2, running: 0 });
    expect(peer.received.filter(({ message }) => message.kind === "deliver")).toEqual([]);
  });

  test("a session that lapsed is told, and may begin anew on the same connection", async () => {
    const { port, cluster } = await openOne();
    const peer = await register(port);
    const { renewals } = cluster.machine.session("s1")!;
    cluster.now += 60_000;
    cluster.apply({ type: "lapse", session: "s1", renewals });
    await peer.take("sessionEnded");
    peer.send(4, { kind: "heartbeat" });
    await peer.take("sessionEnded");
    peer.send(5, registration({ session: "s2" }));
    await peer.take("registered");
  });
});

describe("a change of leader", () => {
  test("is told to the worker; its session goes on at the new leader with the same leases", async () => {
    const cluster = new FakeCluster(2);
    const [one, two] = [await openPort(cluster.nodes[0]!), await openPort(cluster.nodes[1]!)];
    const peer = await register(one.port);
    await submit(one.port, 2);
    const tasks = await takeTasks(peer, 2);
    cluster.elect(two.node);
    expect(await peer.take("notLeader")).toMatchObject({
      requestId: 0,
      address: `127.0.0.1:${two.port}`,
    });
    peer.send(4, { kind: "heartbeat" });
    expect((await peer.take("notLeader")).requestId).toBe(4);
    // What was being reported still counts, by way of the old leader.
    const { id, token } = tasks[0]!;
    const item = { id, token, result: new Uint8Array(0), resultType: "binary" } as const;
    peer.send(5, { kind: "complete", items: [item] });
    expect((await peer.take("reported")).results).toEqual([{ ok: true, duplicate: false }]);
    const moved = await RawPeer.greet(two.port, "worker");
    moved.send(2, registration({ held: [token] }));
    expect((await moved.take("registered")).lost).toEqual([token]);
    const redelivered = await takeTasks(moved, 1);
    expect(redelivered[0]!.token).toBe(tasks[1]!.token);
  });
});
