/** Requests that a web page has a browser make: by a name that is not the broker's, or from elsewhere. */
import { describe, expect, test } from "vitest";
import type { Access } from "../../src/operations/access.ts";
import { Harness } from "./harness.ts";

const HOSTS = ["localhost", "node-1.internal"];
const KEYS: Access = { identify: async () => ({ name: "somebody", demand() {}, spend() {} }) };

describe("names", () => {
  test.each([
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "[::1",
    "a b",
  ])("%j is turned away, whatever is asked", async (host) => {
    const h = new Harness({ hosts: HOSTS });
    for (const path of ["/tasks", "/api/v1/queues", "/docs", "/no-such-path"]) {
      const { status, body } = await h.get(path, { host });
      expect([path, status, body.code]).toEqual([path, 421, "invalid_request"]);
      expect(body.detail).toContain("add it to api.allowed_hosts");
    }
    const answer = await h.post("/tasks", { type: "t" }, { host });
    expect(answer.status).toBe(421);
    expect(h.broker.commands).toEqual([]);
  });

  test.each([
    "localhost",
    "LOCALHOST:8080",
    "localhost.",
    "node-1.internal:80",
    "127.0.0.1:8080",
    "10.1.2.3",
    "[::1]:8080",
    "[fe80::1]",
  ])("%j is answered", async (host) => {
    const h = new Harness({ hosts: HOSTS });
    expect((await h.get("/queues", { host })).status).toBe(200);
  });

  test("probes are asked by any name", async () => {
    const h = new Harness({ hosts: HOSTS });
    for (const path of ["/health", "/healthz", "/readyz", "/leader", "/api/v1/readyz"]) {
      expect([path, (await h.get(path, { host: "evil.example" })).status]).toEqual([path, 200]);
    }
  });

  test("any is answered where none are named", async () => {
    const h = new Harness();
    expect((await h.get("/queues", { host: "evil.example" })).status).toBe(200);
  });

  test("the log says so, once", async () => {
    const h = new Harness({ hosts: HOSTS });
    for (let at = 0; at < 3; at++) await h.get("/queues", { host: "evil.example\u0007" });
    expect(h.logged.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^REST: "evil\.example\\u0007" is not known/),
    ]);
  });
});

describe("pages of other sites", () => {
  const host = "localhost:8080";

  test.each([
    ["POST", "/tasks"],
    ["POST", "/queues/default/pause"],
    ["POST", "/queues/default/purge"],
    ["DELETE", "/tasks/00000000-0000-7000-8000-000000000000"],
    ["PUT", "/queues/default"],
  ] as const)("%s %s changes nothing", async (method, path) => {
    const h = new Harness();
    for (const origin of ["https://evil.example", "http://localhost:9999", "null", "x", ""]) {
      const answer = await h.send(method, path, undefined, { host, origin });
      expect([origin, answer.status, answer.body.code]).toEqual([origin, 403, "permission_denied"]);
    }
    expect(h.broker.commands).toEqual([]);
  });

  test("the broker's own pages may, and who is no page", async () => {
    const h = new Harness();
    const own = ["http://localhost:8080", "https://localhost:8080"];
    for (const origin of own) {
      const { status } = await h.post("/tasks", { type: "t" }, { host, origin });
      expect([origin, status]).toEqual([origin, 201]);
    }
    const behind = { host: "queue.example", origin: "https://queue.example" };
    expect((await h.post("/tasks", { type: "t" }, behind)).status).toBe(201);
    expect((await h.post("/tasks", { type: "t" }, { host })).status).toBe(201);
  });

  test("they may ask, for browsers do not show them the answer", async () => {
    const h = new Harness();
    const { status, headers } = await h.get("/queues", { host, origin: "https://evil.example" });
    expect([status, headers["access-control-allow-origin"]]).toEqual([200, undefined]);
  });

  test("a key is proof enough: no page of another site can show one unasked", async () => {
    const h = new Harness({ access: KEYS });
    const headers = { host, origin: "https://tool.example", authorization: "Bearer x" };
    expect((await h.post("/tasks", { type: "t" }, headers)).status).toBe(201);
  });
});
