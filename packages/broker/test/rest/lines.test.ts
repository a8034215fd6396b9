/** Lists as a stream of lines. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LINES_MS_MAX, LINES_STREAMS_MAX } from "../../src/rest/limits.ts";
import { Harness } from "./harness.ts";

let h: Harness;

beforeEach(() => {
  h = new Harness();
});

afterEach(async () => {
  vi.restoreAllMocks();
  h.app.server.closeAllConnections();
  await h.app.close();
});

async function submitMany(count: number): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let left = count; left > 0; left -= 50) {
    // Queues have a bound of 100 here.
    const tasks = Array.from({ length: Math.min(50, left) }, () => {
      return { type: "t", queue: `q${Math.floor(left / 100)}`, payload: { n: left } };
    });
    const { body } = await h.post("/tasks/batch", { tasks });
    for (const { id } of body.tasks) ids.add(id);
  }
  return ids;
}

function linesOf(body: string): { id: string; next_cursor?: string; payload?: unknown }[] {
  expect(body === "" || body.endsWith("\n")).toBe(true);
  return body
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

describe("a list of tasks as lines", () => {
  test.each([
    ["by Accept", "/tasks", { accept: "application/jsonl" }],
    ["by Accept among others", "/tasks", { accept: "text/html, application/jsonl;q=0.9" }],
    ["by parameter", "/tasks?format=jsonl", {}],
  ])("has each task of all pages once, %s", async (_name, url, headers) => {
    const ids = await submitMany(2500);
    const answer = await h.get(url, headers);
    expect([answer.status, answer.headers["content-type"]]).toEqual([
      200,
      "application/jsonl; charset=utf-8",
    ]);
    expect(answer.headers["x-tq-applied-index"]).toBe(String(h.broker.machine.applied));
    const lines = linesOf(answer.body);
    expect(lines.length).toBe(2500);
    expect(new Set(lines.map(({ id }) => id))).toEqual(ids);
  });

  test("is filtered as a page is, and has payloads if asked", async () => {
    await submitMany(120);
    const { body } = await h.get("/tasks?format=jsonl&queue=q1&payload=true");
    const lines = linesOf(body);
    expect(lines.length).toBe(50);
    expect(lines[0]!.payload).toEqual({ n: 120 });
    expect((await h.get("/tasks?format=jsonl&queue=nowhere")).body).toBe("");
  });

  test("one that takes too long ends with where to go on", async () => {
    const ids = await submitMany(2500);
    const listLive = h.broker.listLive.bind(h.broker);
    const now = performance.now.bind(performance);
    h.broker.listLive = (...wanted) => {
      vi.spyOn(performance, "now").mockImplementation(() => now() + LINES_MS_MAX);
      return listLive(...wanted);
    };
    const first = linesOf((await h.get("/tasks", { accept: "application/jsonl" })).body);
    vi.restoreAllMocks();
    h.broker.listLive = listLive;
    expect(first.length).toBe(1001);
    const cursor = first.pop()!.next_cursor;
    const rest = linesOf((await h.get(`/tasks?format=jsonl&cursor=${cursor}`)).body);
    expect(new Set([...first, ...rest].map(({ id }) => id))).toEqual(ids);
    expect(first.length + rest.length).toBe(2500);
  });

  test("a server that closes ends it there", async () => {
    await submitMany(1500);
    h.closing.abort();
    const lines = linesOf((await h.get("/tasks?format=jsonl")).body);
    expect([lines.length, Object.keys(lines.at(-1)!)]).toEqual([1001, ["next_cursor"]]);
  });

  test.each([
    ["format=xml", "format"],
    ["format=jsonl&limit=10", "limit"],
    ["format=jsonl&colour=blue", "colour"],
    ["format=jsonl&cursor=x", "cursor"],
  ])("%s is refused with a status", async (query, field) => {
    const { status, body } = await h.get(`/tasks?${query}`);
    expect([status, body.field]).toEqual([400, field]);
  });

  test("without a leader there is a status, too; and JSON stays the default", async () => {
    h.broker.hasLeader = false;
    expect((await h.get("/tasks?format=jsonl")).status).toBe(503);
    h.broker.hasLeader = true;
    const headers = { accept: "application/jsonl" };
    expect((await h.get("/tasks?format=json", headers)).body).toEqual({ tasks: [] });
    expect((await h.get("/tasks", { accept: "*/*" })).body).toEqual({ tasks: [] });
  });

  test("more than a few at a time are refused; one that has ended makes room", async () => {
    await submitMany(1);
    const held: (() => void)[] = [];
    const readBarrier = h.broker.readBarrier.bind(h.broker);
    h.broker.readBarrier = async (...wanted) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return readBarrier(...wanted);
    };
    const streams = Array.from({ length: LINES_STREAMS_MAX }, () => h.get("/tasks?format=jsonl"));
    await expect.poll(() => held.length).toBe(LINES_STREAMS_MAX);
    const { status, body } = await h.get("/tasks?format=jsonl");
    expect([status, body.code]).toEqual([429, "overloaded"]);
    h.broker.readBarrier = readBarrier;
    for (const release of held) release();
    for (const stream of streams) expect(linesOf((await stream).body).length).toBe(1);
    await expect.poll(async () => (await h.get("/tasks?format=jsonl")).status).toBe(200);
  });

  test("a reader that takes nothing holds its place, and gives it back when it goes", async () => {
    for (let round = 0; round < 6; round++) await h.post("/tasks/batch", largeTasks(round));
    const url = await h.app.listen({ port: 0, host: "127.0.0.1" });
    const hangUp = new AbortController();
    const open = () => fetch(`${url}/tasks?format=jsonl&payload=true`, hangUp);
    const readers: Response[] = [];
    while (readers.length < LINES_STREAMS_MAX) readers.push(await open());
    expect(readers.every(({ status }) => status === 200)).toBe(true);
    expect((await h.get("/tasks?format=jsonl")).status).toBe(429);
    hangUp.abort();
    await expect.poll(async () => (await h.get("/tasks?format=jsonl")).status).toBe(200);
    await expect(readers[0]!.text()).rejects.toThrow();
  });
});

/** More than goes out at once. */
function largeTasks(round: number): object {
  const payload = "x".repeat(60_000);
  const queue = `large${round}`;
  return { tasks: Array.from({ length: 50 }, () => ({ type: "t", queue, payload })) };
}
