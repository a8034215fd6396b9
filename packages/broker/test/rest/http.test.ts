/** What belongs to HTTP itself: bodies, content types, paths, methods, headers, failures. */
import { AssertionError } from "node:assert";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Harness, SETTINGS } from "./harness.ts";

let h: Harness;

beforeEach(() => {
  h = new Harness();
});

afterEach(() => {
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

describe("a body that cannot be read", () => {
  test.each([
    ["{a}", "mistake at line 1, column 2 (position 1)"],
    ['{"type":"t",}', "mistake at line 1, column 13 (position 12)"],
    ['{\n  "type": mail\n}', "mistake at line 2, column 11 (position 12)"],
    ['{"type":"t"', "it ends too early, at line 1, column 12 (position 11)"],
    ['{"type":"t"} x', "mistake at line 1, column 14 (position 13)"],
    ["<task/>", "mistake at line 1, column 1 (position 0)"],
  ])("%j says where", async (body, detail) => {
    const answer = await h.post("/tasks", body);
    expect(answer.body).toMatchObject({
      status: 400,
      code: "invalid_request",
      detail: `the body is not JSON: ${detail}`,
    });
    expect(h.broker.commands).toEqual([]);
  });

  test.each([
    '{"type":"t","__proto__":{"polluted":1}}',
    '{"type":"t","payload":{"a":{"__proto__":{"polluted":1}}}}',
    '{"type":"t","payload":{"constructor":{"prototype":{"polluted":1}}}}',
  ])("%s, which would reach every object", async (body) => {
    const answer = await h.post("/tasks", body);
    expect([answer.status, answer.body.detail]).toEqual([
      400,
      "the keys __proto__ and constructor.prototype are not allowed in a body",
    ]);
    expect(h.broker.commands).toEqual([]);
  });

  test("compressed", async () => {
    const headers = { "content-encoding": "gzip" };
    const answer = await h.post("/tasks", '{"type":"t"}', headers);
    expect([answer.status, answer.body.detail]).toEqual([
      400,
      "Content-Encoding: gzip is not understood; send the body plain",
    ]);
  });

  test("not UTF-8", async () => {
    const response = await h.app.inject({
      method: "POST",
      url: "/tasks",
      headers: { "content-type": "application/json" },
      payload: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect([response.statusCode, response.json().detail]).toEqual([400, "the body is not UTF-8"]);
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])(
    "%s is refused, since a foreign web page could send it",
    async (type) => {
      const answer = await h.post("/tasks", '{"type":"t"}', { "content-type": type });
      expect(answer.body).toMatchObject({
        status: 415,
        code: "invalid_request",
        detail: "send Content-Type: application/json",
      });
      expect(h.broker.commands).toEqual([]);
    },
  );

  test("a charset is no obstacle, nor is a type without a body", async () => {
    const type = { "content-type": "application/json; charset=utf-8" };
    const { status, body } = await h.post("/tasks", { type: "t" }, type);
    expect(status).toBe(201);
    expect((await h.post(`/tasks/${body.id}/cancel`, undefined, type)).status).toBe(200);
  });

  test("too large: 413 before it is parsed", async () => {
    const large = "x".repeat(2 * SETTINGS.maxPayloadBytes + 128 * 1024);
    const body = `{"type":"t","payload":"${large}"}`;
    const answer = await h.post("/tasks", body);
    expect(answer.body).toMatchObject({ status: 413, code: "too_large" });
  });
});

describe("paths and methods", () => {
  test.each([
    ["/api/v1/task", "/api/v1/tasks"],
    ["/tsks", "/tasks"],
    ["/api/v1/dlq/failed_tasks", "/api/v1/dlq/failed-tasks"],
    ["/healthy", "/health"],
  ])("%s names %s", async (path, nearest) => {
    const { status, body } = await h.get(`${path}?x=1`);
    expect([status, body.code]).toEqual([404, "not_found"]);
    expect(body.detail).toBe(`there is no path "${path}". Did you mean ${nearest}?`);
    expect(body.instance).toBe(path);
  });

  test("a path like no other gets no guess; a body sent there is not read", async () => {
    const { status, body } = await h.post("/wp-login.php", "user=x", { "content-type": "a/b" });
    expect([status, body.detail]).toEqual([404, 'there is no path "/wp-login.php".']);
  });

  test.each([
    ["PUT", "/api/v1/tasks", "GET, HEAD, POST"],
    ["PATCH", "/tasks/42", "DELETE, GET, HEAD"],
    ["GET", "/tasks/42/cancel", "POST"],
    ["POST", "/health", "GET, HEAD, OPTIONS"],
    ["PATCH", "/queues/default", "DELETE, GET, HEAD, PUT"],
  ] as const)("%s %s is 405 with what is allowed", async (method, url, allow) => {
    const answer = await h.send(method, url);
    expect(answer.status).toBe(405);
    expect(answer.headers["allow"]).toBe(allow);
    expect(answer.body.detail).toBe(`${url} does not take ${method}; allowed: ${allow}`);
  });

  test("a path with a broken escape is 400", async () => {
    const answer = await h.get("/tasks/%zz");
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_request"]);
    expect(answer.headers["x-tq-node"]).toBe("n1");
  });

  test("a trailing slash does not matter", async () => {
    expect((await h.get("/queues/")).status).toBe(200);
  });

  test("writes take no parameters", async () => {
    const { status, body } = await h.post("/tasks?dry_run=1", { type: "t" });
    expect([status, body.code, body.field]).toEqual([400, "unknown_field", "dry_run"]);
    expect(h.broker.commands).toEqual([]);
  });
});

describe("failures", () => {
  test("a failure is logged in full and told without details", async () => {
    vi.spyOn(h.broker, "readBarrier").mockRejectedValue(new Error("disk on fire at /secret"));
    const { status, body } = await h.get("/queues");
    expect(status).toBe(500);
    expect(body).toMatchObject({ code: "internal", retryable: false });
    expect(JSON.stringify(body)).not.toContain("secret");
    expect(h.logged).toMatchObject([
      { fields: { method: "GET", path: "/queues" }, message: "request failed" },
    ]);
  });

  test("an error that only looks like a refusal of ours is none", async () => {
    const error = new AssertionError({ message: "x" });
    vi.spyOn(h.broker, "readBarrier").mockRejectedValue(error);
    expect((await h.get("/queues")).status).toBe(500);
  });

  test("the type of a problem leads to its explanation", async () => {
    const { body } = await h.get("/tasks/42");
    const page = await h.get(body.type);
    expect(page.status).toBe(200);
    expect(page.body).toContain("## not_found");
    expect((await h.get("/errors/oops")).status).toBe(404);
  });
});
