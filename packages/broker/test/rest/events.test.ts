/** The event stream and the logs of tasks, over a real socket where it must be one. */
import { connect } from "node:net";
import { formatTaskId, parseTaskId } from "task-queue-protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EVENT_STREAMS_MAX } from "../../src/operations/limits.ts";
import { Harness } from "./harness.ts";

let rest: Harness;
let url: string;

beforeEach(async () => {
  rest = new Harness();
  for (const version of [2, 3]) {
    rest.broker.machine.skip(rest.broker.machine.applied + 1);
    rest.broker.machine.raise(version);
  }
  url = await rest.app.listen({ port: 0, host: "127.0.0.1" });
});

afterEach(async () => {
  rest.closing.abort();
  rest.app.server.closeAllConnections();
  await rest.app.close();
});

/** An open stream, as text that grows. */
async function open(query = "", headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const response = await fetch(`${url}/events${query}`, { signal: abort.signal, headers });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (wanted: string): Promise<string> => {
    while (!text.includes(wanted)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the stream ended after ${text}`);
      text += value;
    }
    return text;
  };
  return { response, until, close: () => abort.abort(), rest: () => reader.read() };
}

async function submit(type = "mail", queue = "default"): Promise<string> {
  return (await rest.post("/tasks", { type, queue })).body.id;
}

describe("GET /events", () => {
  test("says what happens, from now on", async () => {
    await submit("before");
    const stream = await open();
    expect(stream.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(stream.response.headers.get("x-tq-node")).toBe("n1");
    await stream.until("id: 3\n: here\n\n");
    const id = await submit();
    const text = await stream.until("data: ");
    const data = JSON.parse(/data: (.*)\n/.exec(text)![1]!);
    expect(data).toMatchObject({
      position: "4.0",
      id,
      kind: "submitted",
      queue: "default",
      type: "mail",
      state: "pending",
      attempt: 0,
    });
    expect(text).toContain("id: 4.0\nevent: submitted\n");
    stream.close();
  });

  test("goes on behind a position, which Last-Event-ID overrules", async () => {
    const [first, second] = [await submit(), await submit()];
    const all = await open("?after=2");
    expect(await all.until("id: 4\n: here")).toMatch(new RegExp(`${first}[^]*${second}`));
    const rest = await open("?after=2", { "last-event-id": "3.0" });
    expect(await rest.until("id: 4\n: here")).not.toContain(first);
    all.close();
    rest.close();
  });

  test("filters", async () => {
    const stream = await open("?queue=a&kind=submitted,cancelled");
    await submit("mail", "b");
    const id = await submit("mail", "a");
    expect(await stream.until(id)).not.toContain('"b"');
    stream.close();
  });

  test("what is wrong with it is said before it begins", async () => {
    const refused = async (query: string, headers = {}) => {
      const { status, body } = await rest.get(`/events${query}`, headers);
      return `${status} ${body.code} ${body.field ?? ""}`.trim();
    };
    expect(await refused("?after=x")).toBe("400 invalid_request after");
    expect(await refused("?after=1.2.3")).toBe("400 invalid_request after");
    expect(await refused("?after=-1")).toBe("400 invalid_request after");
    expect(await refused("", { "last-event-id": "x" })).toBe("400 invalid_request Last-Event-ID");
    const field = "Last-Event-ID";
    expect(await refused("?after=4")).toBe("400 invalid_request after");
    expect(await refused("?after=2", { [field]: "4.0" })).toBe(`400 invalid_request ${field}`);
    expect(rest.broker.barriers).toEqual(Array(2).fill({ consistency: "linearizable" }));
    const { detail } = (await rest.get("/events?after=4.0")).body;
    expect(detail).toContain("4.0 is beyond the end of the log, which is at 2");
    expect(await refused("?kind=nothing")).toBe("400 invalid_request kind");
    expect(await refused("?limit=1")).toBe("400 unknown_field limit");
    expect(await refused("?id=x")).toBe("404 not_found id");
  });

  test("a node that lags first gets as far as the position", async () => {
    const barrier = rest.broker.readBarrier.bind(rest.broker);
    let id = "";
    rest.broker.readBarrier = async (...given) => {
      rest.broker.readBarrier = barrier;
      id = await submit();
      await submit();
      return barrier(...given);
    };
    const stream = await open("?after=3");
    expect(await stream.until("id: 4\n: here")).not.toContain(id);
    stream.close();
  });

  test("a compacted position is answered with how to begin again", async () => {
    rest.broker.machine.loaded();
    const { status, body } = await rest.get("/events?after=1");
    expect([status, body.code]).toEqual([410, "position_compacted"]);
    expect(body.detail).toContain("X-TQ-Applied-Index");
  });

  test("only so many at a time", async () => {
    const streams = await Promise.all(Array.from({ length: EVENT_STREAMS_MAX }, () => open()));
    const { status, body } = await rest.get("/events");
    expect([status, body.code]).toEqual([429, "overloaded"]);
    streams[0]!.close();
    await expect.poll(() => rest.broker.listening).toBe(EVENT_STREAMS_MAX - 1);
    const again = await open();
    for (const stream of [...streams, again]) stream.close();
    await expect.poll(() => rest.broker.listening).toBe(0);
  });

  test("ends when the server closes", async () => {
    const stream = await open();
    await stream.until(": here");
    rest.closing.abort();
    expect(await stream.rest()).toMatchObject({ done: true });
  });

  test("a reader that takes nothing holds up nothing", async () => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write("GET /events?after=2 HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.pause();
    await expect.poll(() => rest.broker.listening).toBe(1);
    const stream = await open();
    const id = await submit();
    await stream.until(id);
    stream.close();
    socket.destroy();
  });
});

describe("GET /tasks/:id/logs", () => {
  test("lines by their numbers, and progress with the task", async () => {
    const id = await submit();
    const token = rest.broker.lease("mail");
    const lines = ["one", "two", "three"].map((text) => ({ level: "info" as const, text }));
    const run = { id: parseTaskId(id)!, token, progress: '{"done":3}', lines };
    rest.broker.apply({ type: "report", session: "w1", runs: [run] });
    const at = expect.any(String);
    expect((await rest.get(`/tasks/${id}`)).body).toMatchObject({
      progress: { value: { done: 3 }, at },
      log_lines: 3,
    });
    expect((await rest.get(`/tasks/${id}/logs?limit=2`)).body).toEqual({
      lines: [
        { number: 1, at, level: "info", text: "one" },
        { number: 2, at, level: "info", text: "two" },
      ],
      next: 2,
      total: 3,
    });
    expect((await rest.get(`/tasks/${id}/logs?after=2`)).body.lines).toMatchObject([
      { number: 3, text: "three" },
    ]);
  });

  test("refusals", async () => {
    const id = await submit();
    const refused = async (path: string) => {
      const { status, body } = await rest.get(path);
      return `${status} ${body.field}`;
    };
    expect((await rest.get(`/tasks/${id}/logs`)).body).toEqual({ lines: [], next: 0, total: 0 });
    expect(await refused(`/tasks/${id}/logs?limit=0`)).toBe("400 limit");
    expect((await rest.get(`/tasks/${id}/logs?limit=1000`)).status).toBe(200);
    expect(await refused(`/tasks/${id}/logs?limit=1001`)).toBe("400 limit");
    expect(await refused(`/tasks/${id}/logs?after=-1`)).toBe("400 after");
    expect(await refused(`/tasks/${formatTaskId(new Uint8Array(16))}/logs`)).toBe("404 id");
  });
});
