/** What the listener takes in at a time, and from one address. */
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Connections } from "../../src/rest/connections.ts";
import { limitIntake } from "../../src/rest/intake.ts";
import { Harness } from "./harness.ts";

let h: Harness;
let port: number;
const sockets: Socket[] = [];

beforeEach(() => {
  h = new Harness();
});

afterEach(async () => {
  h.closing.abort();
  for (const socket of sockets.splice(0)) socket.destroy();
  h.app.server.closeAllConnections();
  await h.app.close();
});

async function listen(): Promise<void> {
  await h.app.listen({ port: 0, host: "127.0.0.1" });
  port = (h.app.addresses()[0] as { port: number }).port;
}

/** An open connection; what it gets, as text that grows, and whether it was ended. */
function open(bytes = "") {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  const seen = { socket, text: "", ended: false };
  socket.setEncoding("utf8").on("data", (text: string) => {
    seen.text += text;
  });
  socket
    .on("error", () => {})
    .on("close", () => {
      seen.ended = true;
    });
  socket.write(bytes);
  return seen;
}

const PLENTY = { requests: 1000, bodyBytes: 1e9, heapBytes: 1e12 };
const GET = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

function post(path: string, length: number): string {
  const type = "Content-Type: application/json";
  return `POST ${path} HTTP/1.1\r\nHost: x\r\n${type}\r\nContent-Length: ${length}\r\n\r\n`;
}

function connections(): Promise<number> {
  return new Promise((resolve) => h.app.server.getConnections((_error, count) => resolve(count)));
}

function get(path: string) {
  return fetch(`http://127.0.0.1:${port}${path}`);
}

describe("requests under way", () => {
  test("beyond the bound one more is refused, probes are not, and it ends with them", async () => {
    limitIntake(h.app, { ...PLENTY, requests: 2 });
    await listen();
    const { id } = (await (
      await fetch(`http://127.0.0.1:${port}/tasks`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"type":"t"}',
      })
    ).json()) as { id: string };
    const waiting = [1, 2].map(() => get(`/tasks/${id}?wait=45s`));
    await expect.poll(() => h.broker.waiting).toBe(2);
    const refused = await get("/queues");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await refused.json()).toMatchObject({ code: "overloaded", retryable: true });
    for (const probe of ["/health", "/healthz", "/readyz", "/api/v1/leader"]) {
      expect((await get(probe)).status).toBe(200);
    }
    h.closing.abort();
    for (const answer of await Promise.all(waiting)) await answer.json();
    await expect.poll(async () => (await get("/queues")).status).toBe(200);
  });

  test("bodies that are announced count before they come; callers that go are forgotten", async () => {
    limitIntake(h.app, { ...PLENTY, bodyBytes: 100_000 });
    await listen();
    const large = open(`${post("/tasks", 90_000)}{`);
    const refused = async () => {
      const second = open(post("/tasks", 20_000));
      await expect.poll(() => second.text).toContain("\r\n\r\n");
      second.socket.destroy();
      return second.text.split("\r\n", 1)[0];
    };
    await expect.poll(refused).toBe("HTTP/1.1 429 Too Many Requests");
    expect((await get("/queues")).status).toBe(200);
    const chunked = "Transfer-Encoding: chunked\r\nContent-Type: application/json";
    const endless = open(`POST /tasks HTTP/1.1\r\nHost: x\r\n${chunked}\r\n\r\n`);
    await expect.poll(() => endless.text).toMatch(/^HTTP\/1.1 429 /);
    large.socket.destroy();
    await expect
      .poll(async () => {
        const body = '{"type":"t"}';
        const third = open(`${post("/tasks", body.length)}${body}`);
        await expect.poll(() => third.text).toContain("\r\n\r\n");
        return third.text.split("\r\n", 1)[0];
      })
      .toBe("HTTP/1.1 201 Created");
    expect(h.broker.commands.length).toBe(1);
  });

  test("callers that go while their key is looked at do not count for ever", async () => {
    const looking: (() => void)[] = [];
    h.app.addHook("onRequest", async ({ headers }) => {
      if ("x-slow" in headers) await new Promise<void>((resolve) => looking.push(resolve));
    });
    let refused = 0;
    h.app.addHook("onError", async () => {
      refused++;
    });
    limitIntake(h.app, { ...PLENTY, requests: 2 });
    await listen();
    const slow = "GET /queues HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n\r\n";
    const gone = open(slow.repeat(3));
    await expect.poll(() => looking.length).toBe(3);
    gone.socket.destroy();
    await expect.poll(connections).toBe(0);
    for (const found of looking) found();
    await expect.poll(() => refused).toBe(3);
    expect((await get("/queues")).status).toBe(200);
  });

  test("requests one behind the other all end with their connection", async () => {
    limitIntake(h.app, { ...PLENTY, requests: 3 });
    await listen();
    const { id } = (await h.post("/tasks", { type: "t" })).body;
    const wait = `GET /tasks/${id}?wait=45s HTTP/1.1\r\nHost: x\r\n\r\n`;
    for (const round of [1, 2, 3]) {
      const gone = open(wait.repeat(3));
      await expect.poll(() => h.broker.waiting).toBe(3 * round);
      expect((await get("/queues")).status).toBe(429);
      gone.socket.destroy();
      await expect.poll(async () => (await get("/queues")).status).toBe(200);
    }
  });

  test("a body that is larger than any may be is told so", async () => {
    limitIntake(h.app, { ...PLENTY, bodyBytes: 1 });
    await listen();
    const body = JSON.stringify({ type: "t", payload: "x".repeat(500_000) });
    const large = open(`${post("/tasks", body.length)}${body}`);
    await expect.poll(() => large.text).toMatch(/^HTTP\/1.1 413 /);
  });
});

test("a heap that is nearly full takes no more, and still answers probes", async () => {
  limitIntake(h.app, { ...PLENTY, heapBytes: 1 });
  await listen();
  await expect.poll(async () => (await get("/queues")).status, { timeout: 20_000 }).toBe(429);
  const refused = await get("/api/v1/tasks");
  expect(refused.headers.get("retry-after")).toBe("2");
  expect(await refused.json()).toMatchObject({ code: "overloaded", retryable: true });
  expect((await get("/readyz")).status).toBe(200);
});

describe("connections of one address", () => {
  test("one more takes the place of the one that has been idle for longest", async () => {
    new Connections(h.app.server, 3);
    await listen();
    const [first, second, third] = [open(), open(), open()];
    for (const one of [second, third, first]) {
      one.socket.write(GET);
      await expect.poll(() => one.text).toContain('{"status":"ok"}');
    }
    const fourth = open(GET);
    await expect.poll(() => fourth.text).toContain('{"status":"ok"}');
    await expect.poll(() => second.ended).toBe(true);
    expect([first.ended, third.ended, fourth.ended]).toEqual([false, false, false]);
  });

  test("when all of them have a request in hand the newcomer is cut", async () => {
    const { id } = (await h.post("/tasks", { type: "t" })).body;
    new Connections(h.app.server, 2);
    await listen();
    const wait = `GET /tasks/${id}?wait=45s HTTP/1.1\r\nHost: x\r\n\r\n`;
    const busy = [open(wait), open(wait)];
    await expect.poll(() => h.broker.waiting).toBe(2);
    const newcomer = open(GET);
    await expect.poll(() => newcomer.ended).toBe(true);
    expect(newcomer.text).toBe("");
    h.closing.abort();
    for (const one of busy) await expect.poll(() => one.text).toContain('"state":"pending"');
    for (const one of busy) one.socket.destroy();
    await expect
      .poll(async () => {
        const next = open(GET);
        await expect.poll(() => next.ended || next.text !== "").toBe(true);
        return next.text;
      })
      .toContain("ok");
  });
});
