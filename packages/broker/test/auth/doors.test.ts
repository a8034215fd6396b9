/** What the doors that speak HTTP make of keys: where they are read, and what strangers are told. */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { KeyCaller } from "../../src/auth/key-caller.ts";
import { KeyRates } from "../../src/auth/key-rates.ts";
import { startMetricsServer } from "../../src/observe/metrics-server.ts";
import type { Access } from "../../src/operations/access.ts";
import { createRestServer } from "../../src/rest/server.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { Harness, SETTINGS } from "../rest/harness.ts";
import { Ring } from "./key-ring.ts";

const OK = { contentType: "text/plain", render: async () => "figures\n", close() {} };

function open(access: Access = new Ring().access): Harness {
  const harness = new Harness({ access });
  onTestFinished(() => harness.app.close());
  return harness;
}

describe("REST", () => {
  test.each([
    [{ authorization: "Bearer read_tasks" }, 200],
    [{ authorization: "bearer   read_tasks" }, 200],
    [{ "x-api-key": "read_tasks" }, 200],
    [{ authorization: "Bearer nobody", "x-api-key": "read_tasks" }, 401],
    [{ authorization: "Basic cmVhZF90YXNrcw==" }, 401],
    [{ authorization: "read_tasks" }, 401],
    [{ authorization: "Bearer" }, 401],
    [{ authorization: "" }, 401],
    [{ "x-api-key": "" }, 401],
    [{ cookie: "read_tasks" }, 401],
  ])("%j is answered %i", async (headers, status) => {
    const answer = await open().get("/queues", headers as Record<string, string>);
    expect(answer.status).toBe(status);
    if (status === 200) return;
    expect(answer.headers["www-authenticate"]).toBe("Bearer");
    expect(answer.body).toMatchObject({ code: "unauthenticated", retryable: false });
  });

  test("a key in the query is no key, and is not repeated", async () => {
    const { status, body } = await open().get("/queues?api_key=read_tasks");
    expect(status).toBe(401);
    expect(JSON.stringify(body)).not.toContain("api_key=");
  });

  test("a key of more than ASCII arrives as the bytes that were sent", async () => {
    const shown: (string | undefined)[] = [];
    const access: Access = {
      async identify(key) {
        shown.push(key);
        return new KeyCaller({ name: "n", permissions: ["admin"] }, new KeyRates());
      },
    };
    const server = createRestServer({
      broker: new FakeBroker(),
      access,
      config: { api: { host: "127.0.0.1", restPort: 0 }, broker: SETTINGS, retry: SETTINGS.retry },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    const { port } = await server.listen();
    onTestFinished(() => server.close());
    const socket = connect(port, "127.0.0.1");
    socket.end(
      "GET /queues HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: schlüssel ✓\r\n\r\n",
    );
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200/);
    expect(shown).toEqual(["schlüssel ✓"]);
  });

  test("who must wait is told for how long", async () => {
    const harness = open();
    for (let i = 0; i < 5; i++) await harness.get("/queues", { "x-api-key": `guess-${i}` });
    const answer = await harness.get("/queues", { "x-api-key": "guess" });
    expect(answer).toMatchObject({ status: 429, body: { code: "rate_limited", retryable: true } });
    expect(answer.headers["retry-after"]).toBe("1");
  });

  test("a stranger is told nothing of the cluster", async () => {
    const harness = open();
    for (const path of ["/health", "/healthz", "/readyz", "/leader", "/queues", "/nowhere"]) {
      const { headers, body } = await harness.get(path);
      expect(Object.keys(headers).filter((name) => name.startsWith("x-tq-"))).toEqual([]);
      expect(JSON.stringify(body)).not.toMatch(/n1|term|node_id|applied/);
    }
    expect((await harness.get("/health")).body).toEqual({ status: "healthy", role: "leader" });
    const refused = await harness.send("POST", "/tasks", { type: "t" });
    expect(refused.headers).not.toHaveProperty("x-tq-durability");
    const known = await harness.get("/queues", { "x-api-key": "read_tasks" });
    expect(known.headers).toMatchObject({ "x-tq-node": "n1" });
  });

  test("a body that is not JSON says nothing to who has no key", async () => {
    const harness = open();
    expect((await harness.send("POST", "/tasks", "{")).status).toBe(401);
    const known = { "x-api-key": "submit_tasks" };
    expect((await harness.send("POST", "/tasks", "{", known)).status).toBe(400);
  });
});

describe("the metrics port", () => {
  async function ask(access: Access | undefined, headers: Record<string, string> = {}) {
    const logger = { error() {} };
    const server = await startMetricsServer({
      ...{ metrics: OK, host: "127.0.0.1", port: 0, logger },
      access,
    });
    onTestFinished(() => server.close());
    return fetch(`http://127.0.0.1:${server.port}/metrics`, { headers });
  }

  test("is open unless it is told to ask", async () => {
    expect(await (await ask(undefined)).text()).toBe("figures\n");
  });

  test("asks for a key that may read", async () => {
    const { access } = new Ring();
    const stranger = await ask(access);
    expect([stranger.status, stranger.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect(await stranger.text()).toBe("unauthenticated: a key is needed, and none was shown\n");
    expect((await ask(access, { "x-api-key": "process_tasks" })).status).toBe(403);
    expect((await ask(access, { authorization: "Bearer read_tasks" })).status).toBe(200);
  });
});
