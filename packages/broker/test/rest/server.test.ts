/** The listener over real sockets: ports, requests that are not HTTP, closing. */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { createRestServer, type RestServer } from "../../src/rest/server.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { Harness, SETTINGS } from "./harness.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const open: RestServer[] = [];

function server(broker: FakeBroker, restPort = 0): RestServer {
  const { retry, ...limits } = SETTINGS;
  const config = { api: { host: "127.0.0.1", restPort }, broker: limits, retry };
  const made = createRestServer({ broker, config, logger: quiet });
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

/** Sends bytes as they are; what comes back until the other side ends. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(bytes);
  return text(socket);
}

describe("the listener", () => {
  test("slow, endless and oversized requests meet a limit", () => {
    const { app } = new Harness();
    expect(app.server).toMatchObject({ headersTimeout: 10_000, requestTimeout: 30_000 });
    expect(app.server.keepAliveTimeout).toBeGreaterThan(50_000);
  });

  test("serves a task from submit to read", async () => {
    const { port } = await server(new FakeBroker()).listen();
    const base = `http://127.0.0.1:${port}/api/v1/tasks`;
    const created = await fetch(base, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"type":"mail"}',
    });
    expect(created.status).toBe(201);
    const { id } = (await created.json()) as { id: string };
    const read = await fetch(`${base}/${id}`);
    expect(await read.json()).toMatchObject({ id, state: "pending" });
  });

  test("a port in use is named, with the setting that moves it", async () => {
    const { port } = await server(new FakeBroker()).listen();
    await expect(server(new FakeBroker(), port).listen()).rejects.toThrow(
      `REST: port ${port} on 127.0.0.1 is in use; end what listens there, ` +
        "or set api.rest_port (--rest-port, TQ_API__REST_PORT)",
    );
  });

  test.each([
    ["garbage", "\x16\x03\x01\x02hello\r\n\r\n", "400 Bad Request"],
    [
      "two lengths",
      "POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
      "400 Bad Request",
    ],
    [
      "a length beside chunks",
      "POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" +
        "Transfer-Encoding: chunked\r\n\r\n{}",
      "400 Bad Request",
    ],
    [
      "headers beyond the limit",
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`,
      "431 Request Header Fields Too Large",
    ],
  ])("%s is answered with a problem and cut", async (_name, bytes, status) => {
    const broker = new FakeBroker();
    const { port } = await server(broker).listen();
    const answer = await raw(port, bytes);
    expect(answer.split("\r\n", 1)[0]).toBe(`HTTP/1.1 ${status}`);
    expect(answer).toContain("application/problem+json");
    expect(answer).toContain("\r\nX-TQ-Node: n1\r\nX-TQ-Applied-Index: 0\r\n");
    expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toMatchObject({ code: "invalid_request" });
    expect(broker.commands).toEqual([]);
  });

  test("closing ends a wait with an answer, and then the port is free", async () => {
    const broker = new FakeBroker();
    const first = server(broker);
    const { port } = await first.listen();
    const base = `http://127.0.0.1:${port}/tasks`;
    const headers = { "content-type": "application/json" };
    const created = await fetch(base, { method: "POST", headers, body: '{"type":"t"}' });
    const { id } = (await created.json()) as { id: string };
    const waiting = fetch(`${base}/${id}?wait=45s`);
    await expect.poll(() => broker.waiting).toBe(1);
    await first.close();
    expect(await (await waiting).json()).toMatchObject({ id, state: "pending" });
    expect(await server(broker, port).listen()).toEqual({ port });
  });

  test("a caller that hangs up ends its wait", async () => {
    const broker = new FakeBroker();
    let aborted = false;
    const wait = broker.waitFinished.bind(broker);
    broker.waitFinished = (id, timeoutMs, signal) => {
      signal.addEventListener("abort", () => {
        aborted = true;
      });
      return wait(id, timeoutMs, signal);
    };
    const { port } = await server(broker).listen();
    const base = `http://127.0.0.1:${port}/tasks`;
    const headers = { "content-type": "application/json" };
    const created = await fetch(base, { method: "POST", headers, body: '{"type":"t"}' });
    const { id } = (await created.json()) as { id: string };
    const hangUp = new AbortController();
    const waiting = fetch(`${base}/${id}?wait=45s`, { signal: hangUp.signal });
    await expect.poll(() => broker.waiting).toBe(1);
    hangUp.abort();
    await expect(waiting).rejects.toThrow();
    await expect.poll(() => aborted).toBe(true);
  });
});
