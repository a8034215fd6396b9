/** Every verb of the worker port with every role, without a key and with a wrong one. */
import { CALL_VERBS, type SentMessage } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { PERMISSION_OF, type Permission, type Verb } from "../../src/operations/permissions.ts";
import { openOne, someTask } from "../workers/harness.ts";
import { hello, RawPeer } from "../workers/raw-peer.ts";
import { Ring, ROLES } from "./key-ring.ts";
import { JOB_KINDS } from "./routes.ts";

const ID = "0198f2c4-0000-7000-8000-000000000001";

/** Calls with what they need; a refusal for another reason is none of interest here. */
const CALLS = CALL_VERBS.flatMap((verb): { verb: string; body: object; needed: Permission }[] => {
  if (verb !== "start_job") return [{ verb, body: { id: ID }, needed: PERMISSION_OF[verb] }];
  return Object.entries(JOB_KINDS).map(([kind, needed]) => {
    return { verb, body: { kind, filter: { queue: "q" } }, needed };
  });
});

async function greet(port: number, role: "client" | "worker", key: string): Promise<RawPeer> {
  const peer = await RawPeer.dial(port);
  peer.send(1, hello(role, key));
  return peer;
}

describe.each(ROLES)("a client with %s", (role) => {
  test("may do what that permits, and nothing else", async () => {
    const { port } = await openOne({ access: new Ring().access });
    const peer = await greet(port, "client", role);
    await peer.take("welcome");
    for (const [at, { verb, body, needed }] of CALLS.entries()) {
      peer.send(at + 2, {
        kind: "call",
        verb,
        minIndex: 0,
        body: Buffer.from(JSON.stringify(body)),
      });
      const { code } = await answerTo(peer, at + 2);
      const isRefused = role !== "admin" && role !== needed;
      expect([verb, code === "permission_denied"]).toEqual([verb, isRefused]);
    }
    peer.send(1000, { kind: "submit", tasks: [someTask()] });
    const { code } = await answerTo(peer, 1000);
    const maySubmit = role === "admin" || role === "submit_tasks";
    expect(code).toBe(maySubmit ? "ok" : "permission_denied");
  });

  test("may be a worker only with process_tasks", async () => {
    const { port } = await openOne({ access: new Ring().access });
    const peer = await greet(port, "worker", role);
    if (role === "admin" || role === "process_tasks") {
      await peer.take("welcome");
    } else {
      expect(await peer.take("error")).toMatchObject({ code: "permission_denied", requestId: 0 });
      await peer.closed;
    }
  });
});

test.each(["", "nobody", "k".repeat(73), "admin\0"])("the key %j opens nothing", async (key) => {
  const { port, node } = await openOne({ access: new Ring().access });
  const before = node.status().applied;
  for (const role of ["client", "worker"] as const) {
    const peer = await greet(port, role, key);
    peer.send(2, { kind: "submit", tasks: [someTask()] });
    expect(await peer.take("error")).toMatchObject({ code: "unauthenticated", requestId: 0 });
    await peer.closed;
    expect(peer.received).toEqual([]);
  }
  expect(node.status().applied).toBe(before);
});

test("who must wait is told so, and may come again", async () => {
  const { port } = await openOne({ access: new Ring().access });
  for (let i = 0; i < 5; i++) await (await greet(port, "client", `guess-${i}`)).closed;
  const peer = await greet(port, "client", "guess");
  expect(await peer.take("error")).toMatchObject({ code: "rate_limited", retryable: true });
});

test("what follows a hello waits until the key was found to be good", async () => {
  const ring = new Ring();
  ring.thread.hold();
  const { port } = await openOne({ access: ring.access });
  const peer = await greet(port, "client", "submit_tasks");
  peer.send(2, { kind: "submit", tasks: [someTask()] });
  peer.send(3, { kind: "ping" });
  while (ring.thread.open === 0) await new Promise((next) => setImmediate(next));
  expect(peer.received).toEqual([]);
  ring.thread.release();
  await peer.take("welcome");
  expect((await peer.take("submitted")).requestId).toBe(2);
});

test("a key that takes too long to check ends the connection like no hello at all", async () => {
  const ring = new Ring();
  ring.thread.hold();
  const { port, lines } = await openOne({ access: ring.access, limits: { helloMs: 20 } });
  const peer = await greet(port, "client", "admin");
  await peer.closed;
  expect(lines[0]?.text).toContain("within 20 ms");
  ring.thread.release();
  expect(await ring.ask("admin")).toBe("admin");
});

test("a key that is withdrawn ends what its holder does, at its next word", async () => {
  const ring = new Ring();
  const { port } = await openOne({ access: ring.access });
  const client = await greet(port, "client", "admin");
  const worker = await greet(port, "worker", "process_tasks");
  await Promise.all([client.take("welcome"), worker.take("welcome")]);
  worker.send(2, {
    ...{ kind: "register", session: "s", secret: new Uint8Array(16), name: "w", queues: [] },
    ...{ types: ["t"], labels: [], concurrency: 1, window: 1, held: [] },
  });
  await worker.take("registered");
  ring.access.replace({ keys: [] });
  client.send(2, { kind: "call", verb: "stats", minIndex: 0, body: Buffer.from("{}") });
  expect((await client.take("error")).code).toBe("unauthenticated");
  worker.send(3, { kind: "heartbeat" });
  expect(await worker.take("error")).toMatchObject({ code: "unauthenticated", requestId: 0 });
  await worker.closed;
});

test("every verb has somewhere to be asked", () => {
  const elsewhere: readonly Verb[] = ["submit", "work", "metrics", "docs", "snapshot"];
  const many: readonly Verb[] = ["retry_many", "delete_many", "cancel_many"];
  const verbs = new Set<string>([...CALL_VERBS, ...elsewhere, ...many]);
  verbs.delete("start_job");
  expect(new Set(Object.keys(PERMISSION_OF))).toEqual(verbs);
});

async function answerTo(peer: RawPeer, id: number): Promise<{ code: string }> {
  for (;;) {
    const at = peer.received.findIndex(({ requestId }) => requestId === id);
    if (at >= 0) {
      const { message } = peer.received.splice(at, 1)[0]!;
      return { code: message.kind === "error" ? message.code : "ok" };
    }
    if (peer.isClosed) throw new Error("the connection was closed");
    await new Promise((next) => setImmediate(next));
  }
}

function registration(session: string): Extract<SentMessage, { kind: "register" }> {
  const secret = new Uint8Array(16);
  const serves = { queues: [], types: ["t"], labels: [] };
  const holds = { concurrency: 1, window: 1, held: [] };
  return { kind: "register", session, secret, name: "w", ...serves, ...holds };
}

test("a worker whose key is withdrawn gets no further task, and need say nothing to be told", async () => {
  const ring = new Ring();
  const { port } = await openOne({ access: ring.access });
  const client = await greet(port, "client", "admin");
  const worker = await greet(port, "worker", "process_tasks");
  await Promise.all([client.take("welcome"), worker.take("welcome")]);
  worker.send(2, registration("s"));
  await worker.take("registered");
  ring.access.replace({ keys: [{ name: "admin", hash: "#admin", permissions: ["admin"] }] });
  client.send(2, { kind: "submit", tasks: [someTask()] });
  expect(await worker.take("error")).toMatchObject({ code: "unauthenticated", requestId: 0 });
  await worker.closed;
  expect(worker.received).toEqual([]);
});

test("a silent worker whose key is withdrawn is told before its next heartbeat", async () => {
  const ring = new Ring();
  const { port } = await openOne({ access: ring.access });
  const worker = await greet(port, "worker", "process_tasks");
  await worker.take("welcome");
  worker.send(2, registration("s"));
  await worker.take("registered");
  ring.access.replace({ keys: [] });
  expect(await worker.take("error")).toMatchObject({ code: "unauthenticated", requestId: 0 });
  await worker.closed;
});
