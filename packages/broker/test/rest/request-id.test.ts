/** Ids of requests, and the trace that a request brings along. */
import { beforeEach, describe, expect, test } from "vitest";
import { EXAMPLES } from "../../src/rest/openapi/examples.ts";
import { Harness } from "./harness.ts";

const MADE = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

let h: Harness;

beforeEach(() => {
  h = new Harness();
});

describe("X-Request-Id", () => {
  test.each(["a", "req-1042/retry:2", "x".repeat(128)])("%s is the request's id", async (id) => {
    const { headers, body } = await h.get("/tasks/42", { "x-request-id": id });
    expect([headers["x-request-id"], body.request_id]).toEqual([id, id]);
  });

  test.each(["", "x".repeat(129), "a b", "a\tb", "1\u00e9", "{}", "a,b", '"a"'])(
    "%j is replaced",
    async (id) => {
      const { headers, body } = await h.get("/tasks/42", { "x-request-id": id });
      expect(headers["x-request-id"]).toMatch(MADE);
      expect(body.request_id).toBe(headers["x-request-id"]);
    },
  );

  test("each request without one gets its own", async () => {
    const ids = await Promise.all([1, 2].map(async () => (await h.get("/healthz")).headers));
    expect(ids[0]!["x-request-id"]).toMatch(MADE);
    expect(ids[0]!["x-request-id"]).not.toBe(ids[1]!["x-request-id"]);
  });

  test("stands in the log, without the query", async () => {
    await h.get("/queues?consistency=stale&consistency=stale", { "x-request-id": "mine" });
    await expect
      .poll(() => h.debugged)
      .toEqual([
        {
          fields: {
            requestId: "mine",
            method: "GET",
            path: "/queues",
            status: 400,
            ms: expect.any(Number),
          },
          message: "a request was answered",
        },
      ]);
  });

  test("is told even where there is no route, and where the path cannot be read", async () => {
    for (const path of ["/nowhere", "/tasks/%zz"]) {
      const { headers, body } = await h.get(path, { "x-request-id": "mine" });
      expect([headers["x-request-id"], body.request_id]).toEqual(["mine", "mine"]);
    }
  });
});

describe("traceparent", () => {
  const { traceparent } = EXAMPLES;

  test("goes on with a task that has none of its own", async () => {
    const { body } = await h.post("/tasks", { type: "t" }, { traceparent });
    expect(body.traceparent).toBe(traceparent);
    const own = traceparent.replace("4bf9", "1111");
    const second = await h.post("/tasks", { type: "t", traceparent: own }, { traceparent });
    expect(second.body.traceparent).toBe(own);
  });

  test("one that makes no sense is ignored, as its standard asks", async () => {
    const { status, body } = await h.post("/tasks", { type: "t" }, { traceparent: "00-zz" });
    expect([status, body.traceparent]).toEqual([201, undefined]);
  });

  test.each([
    ["an id", { id: EXAMPLES.fresh }, {}],
    ["a key", { idempotency_key: "k" }, {}],
    ["a key as a header", {}, { "idempotency-key": "k" }],
  ])("a submit with %s is the same whoever traces it", async (_name, fields, headers) => {
    const body = { type: "t", ...fields };
    const first = await h.post("/tasks", body, { ...headers, traceparent });
    expect([first.status, first.body.traceparent]).toEqual([201, undefined]);
    const again = traceparent.replace("00f0", "1111");
    expect((await h.post("/tasks", body, { ...headers, traceparent: again })).status).toBe(200);
  });
});
