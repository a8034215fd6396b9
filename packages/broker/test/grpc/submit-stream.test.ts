/** The stream of submits: its order, its bounds, and its ends. */
import { TqError } from "task-queue-protocol";
import { beforeEach, expect, test } from "vitest";
import {
  STREAMS_PER_CONNECTION_MAX,
  SUBMIT_STREAMS_MAX,
  UNANSWERED_BYTES_MAX,
  UNANSWERED_MAX,
} from "../../src/grpc/limits.ts";
import type { Access } from "../../src/operations/access.ts";
import type { Outcome } from "../../src/operations/broker.ts";
import type { Command } from "../../src/queue/index.ts";
import { type Any, clientOf, Harness, openStream, untilStill } from "./harness.ts";

let h: Harness;

beforeEach(async () => {
  h = await Harness.open();
});

const open = (client = h.client) => openStream(client.SubmitStream());

/** Until told, commands are not answered. */
function hold(): { held: Command[]; release: () => void } {
  const held: [Command, (outcome: Outcome) => void][] = [];
  const request = h.broker.request.bind(h.broker);
  h.broker.request = (command, done) => void held.push([command, done]);
  return {
    get held() {
      return held.map(([command]) => command);
    },
    release: () => {
      h.broker.request = request;
      for (const each of held.splice(0)) request(...each);
    },
  };
}

test("answers in order, each with its sequence, and ends when its sender does", async () => {
  const { stream, messages, ended } = open();
  const sequences = ["7", "18446744073709551615", "0"];
  for (const sequence of sequences) stream.write({ sequence, tasks: [{ type: "t" }] });
  stream.end();
  expect((await ended).code).toBe("OK");
  expect(messages.map((message) => message.sequence)).toEqual(sequences);
  const ids = messages.map((message) => message.results[0].accepted.task.id);
  expect(new Set(ids).size).toBe(3);
  expect(h.broker.commands).toHaveLength(3);
});

test("one that is refused does not end it", async () => {
  const { stream, messages, ended } = open();
  stream.write({ sequence: 1, tasks: [{ type: "" }] });
  stream.write({ sequence: 2 });
  stream.write({ sequence: 3, tasks: [{ type: "t" }] });
  stream.end();
  expect((await ended).code).toBe("OK");
  expect(messages.slice(0, 2).map((message) => message.results[0].refused)).toMatchObject([
    { code: "invalid_request", field: "tasks[0].type", retryable: false },
    { code: "invalid_request", field: "tasks" },
  ]);
  expect(messages[2].results[0].accepted.task.type).toBe("t");
});

test("several tasks of one message have a result each", async () => {
  const { stream, messages, ended } = open();
  stream.write({ sequence: 1, tasks: [{ type: "a" }, { type: "" }, { type: "b" }] });
  stream.end();
  expect((await ended).code).toBe("OK");
  expect(messages).toHaveLength(1);
  const [a, wrong, b] = messages[0].results;
  expect([a.accepted.task.type, b.accepted.task.type]).toEqual(["a", "b"]);
  expect(wrong.refused).toMatchObject({ code: "invalid_request", field: "tasks[1].type" });
});

test("no more is taken in while so many wait, and all of it is answered", async () => {
  const { stream, messages, ended } = open();
  const holding = hold();
  const count = 3 * UNANSWERED_MAX;
  for (let sequence = 0; sequence < count; sequence++) {
    stream.write({ sequence, tasks: [{ type: "t" }] });
  }
  stream.end();
  await expect.poll(() => holding.held.length, { timeout: 10_000 }).toBe(UNANSWERED_MAX);
  // A call that came later passes, so what could have come of the stream has come.
  await h.call("ListQueues");
  expect(holding.held).toHaveLength(UNANSWERED_MAX);
  holding.release();
  expect((await ended).code).toBe("OK");
  const expected = Array.from({ length: count }, (_, sequence) => String(sequence));
  expect(messages.map((message) => message.sequence)).toEqual(expected);
});

test("nor while so many bytes wait", async () => {
  const { stream, ended } = open();
  const holding = hold();
  const data = Buffer.alloc(60_000, "7");
  const payload = { content_type: "application/octet-stream", data };
  for (let sequence = 0; sequence < 40; sequence++) {
    stream.write({ sequence, tasks: [{ type: "t", payload }] });
  }
  const most = Math.floor(UNANSWERED_BYTES_MAX / 60_100);
  await expect.poll(() => holding.held.length).toBe(most);
  await h.call("ListQueues");
  expect(holding.held).toHaveLength(most);
  holding.release();
  stream.end();
  expect((await ended).code).toBe("OK");
  expect(h.broker.commands).toHaveLength(40);
});

test("whoever does not take the answers is held back", async () => {
  const stream = h.client.SubmitStream();
  stream.on("error", () => undefined);
  // Before the first message was taken, the client's library would keep whatever comes.
  stream.once("data", () => stream.pause());
  const total = 40_000;
  let sent = 0;
  const send = (): void => {
    while (sent < total) {
      if (!stream.write({ sequence: sent++, tasks: [{ type: "t" }] })) {
        stream.once("drain", send);
        return;
      }
    }
  };
  send();
  await untilStill(() => h.broker.commands.length);
  expect(h.broker.commands.length).toBeLessThan(total / 4);
  stream.cancel();
});

test("no more than so many streams", async () => {
  // A connection carries so many calls, no more: several of them are needed.
  const count = SUBMIT_STREAMS_MAX / STREAMS_PER_CONNECTION_MAX + 1;
  const clients = Array.from({ length: count }, (_, at) => {
    return clientOf(h.port, { "grpc.use_local_subchannel_pool": 1, "test.client": at } as object);
  });
  const streams = Array.from({ length: SUBMIT_STREAMS_MAX }, (_, at) => {
    return open(clients[at % clients.length]);
  });
  for (const { stream } of streams) stream.write({ tasks: [{ type: "t" }] });
  await expect.poll(() => streams.every(({ messages }) => messages.length === 1)).toBe(true);
  expect(await open().ended).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    details: { ErrorInfo: { reason: "overloaded" } },
  });
  streams[0]!.stream.end();
  expect((await streams[0]!.ended).code).toBe("OK");
  const again = open();
  again.stream.end();
  expect((await again.ended).code).toBe("OK");
  for (const client of clients) client.close();
});

test("nor so many of one connection", async () => {
  const streams = Array.from({ length: STREAMS_PER_CONNECTION_MAX }, () => open());
  for (const { stream } of streams) stream.write({ tasks: [{ type: "t" }] });
  await expect.poll(() => streams.every(({ messages }) => messages.length === 1)).toBe(true);
  const { code, message } = await open().ended;
  expect([code, message]).toEqual(["RESOURCE_EXHAUSTED", expect.stringContaining("another one")]);
  streams[0]!.stream.end();
  await streams[0]!.ended;
  const again = open();
  again.stream.end();
  expect((await again.ended).code).toBe("OK");
});

test("a key that is revoked ends it", async () => {
  let isRevoked = false;
  const demand = () => {
    if (isRevoked) throw new TqError("permission_denied", "this key has been revoked");
  };
  const access: Access = { identify: async () => ({ name: "k", demand, spend() {} }) };
  h = await Harness.open({ access });
  const { stream, messages, ended } = open();
  stream.write({ sequence: 1, tasks: [{ type: "t" }] });
  await expect.poll(() => messages.length).toBe(1);
  isRevoked = true;
  stream.write({ sequence: 2, tasks: [{ type: "t" }] });
  expect(await ended).toMatchObject({ code: "PERMISSION_DENIED" });
  expect(h.broker.commands).toHaveLength(1);
});

test("when the server closes what is in hand is answered, and it says where to go on", async () => {
  const { stream, messages, ended } = open();
  const holding = hold();
  stream.write({ sequence: 1, tasks: [{ type: "t" }] });
  await expect.poll(() => holding.held.length).toBe(1);
  const closed = h.server.close();
  holding.release();
  expect(await ended).toMatchObject({
    code: "UNAVAILABLE",
    details: { ErrorInfo: { reason: "no_leader" } },
  });
  expect(messages.map((message: Any) => message.sequence)).toEqual(["1"]);
  h.client.close();
  await closed;
});

test("a sender that goes away leaves nothing behind", async () => {
  const { stream, ended } = open();
  const holding = hold();
  stream.write({ sequence: 1, tasks: [{ type: "t" }] });
  await expect.poll(() => holding.held.length).toBe(1);
  stream.cancel();
  expect((await ended).code).toBe("CANCELLED");
  holding.release();
  await expect.poll(() => h.broker.machine.applied).toBe(3);
  expect((await h.call("ListTasks")).value.tasks).toHaveLength(1);
  expect(h.logged).toEqual([]);
});
