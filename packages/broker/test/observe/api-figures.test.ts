/** Requests over REST and gRPC: each is counted once, by the pattern of its route. */
import { Registry } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { ApiFigures } from "../../src/observe/api-figures.ts";
import { Harness as GrpcHarness, openStream } from "../grpc/harness.ts";
import { Harness } from "../rest/harness.ts";
import { readExposition } from "./exposition.ts";
import { faultsByPromtool } from "./promtool.ts";

function figures() {
  const registry = new Registry();
  const api = new ApiFigures(registry);
  const samples = async (family: string): Promise<Record<string, number>> => {
    const text = await registry.metrics();
    expect(faultsByPromtool(text)).toBeUndefined();
    return Object.fromEntries(readExposition(text).get(family)!.samples);
  };
  return {
    countRequest: api.count.bind(api),
    requests: () => samples("tq_api_requests_total"),
    errors: () => samples("tq_api_errors_total"),
    durations: () => samples("tq_api_request_duration_seconds"),
  };
}

const total = (route: string, method: string, code: string) =>
  `tq_api_requests_total{route="${route}",method="${method}",code="${code}"}`;

describe("REST", () => {
  test("a route is its pattern, with either prefix", async () => {
    const { countRequest, requests, errors, durations } = figures();
    const h = new Harness({ countRequest });
    const { id } = (await h.post("/tasks", { type: "mail" })).body;
    await h.get(`/tasks/${id}`);
    await h.get(`/api/v1/tasks/${id}`);
    await h.get("/tasks/0192a3b4-0000-7000-8000-000000000000");
    await h.post("/tasks", { type: 7 });
    expect(await requests()).toEqual({
      [total("/tasks", "POST", "201")]: 1,
      [total("/tasks/:id", "GET", "200")]: 2,
      [total("/tasks/:id", "GET", "404")]: 1,
      [total("/tasks", "POST", "400")]: 1,
    });
    expect(await errors()).toEqual({});
    const count = 'tq_api_request_duration_seconds_count{route="/tasks/:id",method="GET"}';
    expect(await durations()).toMatchObject({ [count]: 3 });
  });

  test("what finds no route is one, whatever its path", async () => {
    const { countRequest, requests } = figures();
    const h = new Harness({ countRequest });
    for (let at = 0; at < 20; at++) await h.get(`/nothing/${at}`);
    expect(await requests()).toEqual({ [total("(none)", "GET", "404")]: 20 });
  });

  test("what the broker cannot serve is an error", async () => {
    const { countRequest, requests, errors } = figures();
    const h = new Harness({ countRequest });
    h.broker.hasLeader = false;
    await h.get("/queues?consistency=linearizable");
    const labels = '{route="/queues",method="GET",code="503"}';
    expect(await requests()).toEqual({ [`tq_api_requests_total${labels}`]: 1 });
    expect(await errors()).toEqual({ [`tq_api_errors_total${labels}`]: 1 });
  });

  test("what a probe is told is a request, and never an error", async () => {
    const { countRequest, requests, errors } = figures();
    const h = new Harness({ countRequest });
    h.broker.state = { ready: false, reason: "catching up" };
    for (const route of ["/leader", "/readyz", "/health", "/api/v1/leader"]) {
      expect((await h.get(route)).status).toBe(503);
    }
    expect(await requests()).toEqual({
      [total("/leader", "GET", "503")]: 2,
      [total("/readyz", "GET", "503")]: 1,
      [total("/health", "GET", "503")]: 1,
    });
    expect(await errors()).toEqual({});
  });

  test("a stream of tasks is counted and not timed; strange methods are one", async () => {
    const { countRequest, requests, durations } = figures();
    const h = new Harness({ countRequest });
    await h.get("/tasks?format=jsonl");
    expect(await requests()).toEqual({ [total("/tasks", "GET", "200")]: 1 });
    expect(await durations()).toEqual({});
    for (const method of ["PROPFIND", "MKCOL"]) {
      countRequest({ route: undefined, method, code: "404", isError: false, ms: 1 });
    }
    expect(await requests()).toMatchObject({ [total("(none)", "(other)", "404")]: 2 });
  });
});

test("the stream of events is counted when it ends, and not timed", async () => {
  const { countRequest, requests, durations } = figures();
  const h = new Harness({ countRequest });
  onTestFinished(() => {
    h.app.server.closeAllConnections();
    return h.app.close();
  });
  const base = await h.app.listen({ host: "127.0.0.1", port: 0 });
  const over = new AbortController();
  const answer = await fetch(`${base}/events`, { signal: over.signal });
  expect(answer.status).toBe(200);
  expect(await requests()).toEqual({});
  over.abort();
  await expect.poll(requests).toEqual({ [total("/events", "GET", "200")]: 1 });
  expect(await durations()).toEqual({});
});

describe("gRPC", () => {
  const path = (method: string) => `/taskqueue.v1.TaskQueue/${method}`;

  test("a call is its method and its status, and is counted once", async () => {
    const { countRequest, requests, errors, durations } = figures();
    const h = await GrpcHarness.open({ countRequest });
    const { id } = await h.submit();
    await h.call("GetTask", { id });
    await h.call("GetTask", { id: "0192a3b4-0000-7000-8000-000000000000" });
    h.broker.hasLeader = false;
    await h.call("ListQueues", { consistency: "CONSISTENCY_LINEARIZABLE" });
    // The end of a stream is what the library tells last of a call, also of those before.
    const { stream, messages, ended } = openStream(h.client.WatchTasks({}));
    await expect.poll(() => messages.length).toBe(1);
    stream.cancel();
    await ended;
    const cancelled = total(path("WatchTasks"), "grpc", "CANCELLED");
    await expect.poll(requests).toHaveProperty([cancelled]);
    expect(await requests()).toEqual({
      [total(path("SubmitTask"), "grpc", "OK")]: 1,
      [total(path("GetTask"), "grpc", "OK")]: 1,
      [total(path("GetTask"), "grpc", "NOT_FOUND")]: 1,
      [total(path("ListQueues"), "grpc", "UNAVAILABLE")]: 1,
      [cancelled]: 1,
    });
    expect(Object.keys(await errors())).toEqual([
      `tq_api_errors_total{route="${path("ListQueues")}",method="grpc",code="UNAVAILABLE"}`,
    ]);
    expect(Object.keys(await durations()).join()).not.toContain("WatchTasks");
  });

  test("what the gate refuses is counted too", async () => {
    const { countRequest, requests } = figures();
    const access = {
      identify: () => Promise.reject(Object.assign(new Error("no"), { code: "unauthenticated" })),
    };
    const h = await GrpcHarness.open({ countRequest, access });
    await h.call("GetTask", { id: "x" });
    expect(await requests()).toEqual({
      [total(path("GetTask"), "grpc", "UNAUTHENTICATED")]: 1,
    });
  });
});
