/**
 * Readers of the event stream who do not read, over a real socket: what such a reader costs, how its
 * stream ends, and that it goes on from there without a gap.
 */
import { get, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EVENT_STALL_MS_MAX, EVENTS_PER_WRITE } from "../../src/rest/limits.ts";
import { makeContent, makeId, RETRY } from "../queue/harness.ts";
import { Harness } from "./harness.ts";

/** Many times what the buffers of a socket hold. */
const EVENTS = 40_000;
const EVENT_BYTES_MAX = 700;
const TYPE = "t".repeat(200);

let rest: Harness;
let port: number;
let serial = 0;
/** The server's side of the streams, in the order in which they came. */
let streams: ServerResponse[];

beforeEach(async () => {
  // Time that a test may move; sockets do not go by it.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"], shouldAdvanceTime: true });
  rest = new Harness();
  rest.broker.raise(3);
  streams = [];
  rest.app.server.on("request", (_request, response) => streams.push(response));
  await rest.app.listen({ port: 0, host: "127.0.0.1" });
  port = (rest.app.server.address() as AddressInfo).port;
});

afterEach(async () => {
  vi.useRealTimers();
  rest.closing.abort();
  rest.app.server.closeAllConnections();
  await rest.app.close();
});

function happen(events: number): void {
  for (let left = events; left > 0; left -= 1_000) {
    const tasks = Array.from({ length: Math.min(left, 1_000) }, () => {
      const id = makeId(++serial, rest.broker.now);
      return { id, content: makeContent({ type: TYPE }), retry: RETRY, depthLimit: 0 };
    });
    expect(rest.broker.apply({ type: "submitAll", tasks }).code).toBe("submitted");
  }
}

/** A stream of which nothing is read yet. */
function open(after: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { "last-event-id": after };
    get({ host: "127.0.0.1", port, path: "/events", headers, agent: false }, resolve).on(
      "error",
      reject,
    );
  });
}

/** The server has filled every buffer between it and the reader, and waits. */
async function stuck(): Promise<ServerResponse> {
  const stream = streams.at(-1)!;
  let written = -1;
  await expect
    .poll(() => {
      const before = written;
      written = stream.socket?.bytesWritten ?? -1;
      return stream.writableNeedDrain && written === before;
    })
    .toBe(true);
  return stream;
}

/** All that is still to come, until `wanted` or the end. */
async function read(reader: IncomingMessage, wanted?: string): Promise<string> {
  let text = "";
  for await (const chunk of reader.setEncoding("utf8")) {
    text += chunk;
    if (wanted !== undefined && text.includes(wanted)) break;
  }
  return text;
}

function positions(text: string): string[] {
  return [...text.matchAll(/"position":"([0-9.]+)"/g)].map(([, position]) => position!);
}

/** Where a browser would go on from. */
function lastId(text: string): string {
  return [...text.matchAll(/^id: (.*)$/gm)].at(-1)![1]!;
}

test("one that takes nothing costs a page, is told to come again, and has missed nothing", async () => {
  const start = rest.broker.machine.applied;
  happen(EVENTS);
  const reader = await open(String(start));
  const stream = await stuck();
  const pageBytes = EVENTS_PER_WRITE * EVENT_BYTES_MAX;
  expect(stream.writableLength).toBeLessThan(2 * pageBytes);
  const held = stream.writableLength;
  happen(5_000);
  expect(stream.writableLength).toBe(held);
  vi.advanceTimersByTime(EVENT_STALL_MS_MAX);
  await expect.poll(() => stream.writableEnded).toBe(true);
  expect(rest.broker.listening).toBe(0);

  const first = await read(reader);
  const [, lagged] = /event: lagged\ndata: (.*)\n\n$/.exec(first)!;
  expect(JSON.parse(lagged!)).toEqual({
    code: "overloaded",
    message: `nothing was taken for ${EVENT_STALL_MS_MAX} ms`,
  });
  const seen = positions(first);
  expect(seen.length).toBeLessThan(EVENTS);
  const end = `id: ${rest.broker.machine.applied}\n: here`;
  const second = await read(await open(lastId(first)), end);
  seen.push(...positions(second));
  expect(seen).toHaveLength(EVENTS + 5_000);
  expect(new Set(seen).size).toBe(EVENTS + 5_000);
});

test("one whose events are gone by the time it reads on is told where to begin", async () => {
  const start = rest.broker.machine.applied;
  happen(EVENTS);
  const reader = await open(String(start));
  await stuck();
  // As after the install of a snapshot: the feed begins anew.
  rest.broker.machine.loaded();
  happen(1);
  const text = await read(reader);
  const [, lagged] = /event: lagged\ndata: (.*)\n\n$/.exec(text)!;
  expect(JSON.parse(lagged!)).toMatchObject({ code: "position_compacted" });
  expect(JSON.parse(lagged!).message).toContain("X-TQ-Applied-Index");
  expect((await rest.get("/events", { "last-event-id": lastId(text) })).status).toBe(410);
});
