/** `WatchTasks`: from which position, of what, for how long, and at whose pace. */
import { beforeEach, describe, expect, test } from "vitest";
import { EVENTS_PER_MESSAGE } from "../../src/grpc/limits.ts";
import { EVENT_STREAMS_MAX } from "../../src/operations/limits.ts";
import type { FeedReader } from "../../src/queue/index.ts";
import { START } from "../operations/fake-broker.ts";
import { type Any, clientOf, Harness, openStream, untilStill } from "./harness.ts";

let h: Harness;

beforeEach(async () => {
  h = await Harness.open();
});

const watch = (request: object = {}, client = h.client) => openStream(client.WatchTasks(request));

const eventsOf = (messages: Any[]): Any[] => messages.flatMap((message) => message.events);

test("says at once where it stands, and then what happens", async () => {
  await h.submit({ type: "before" });
  const { messages, stream } = watch();
  await expect.poll(() => messages).toMatchObject([{ events: [], next: "3" }]);
  const { id } = await h.submit();
  await expect.poll(() => eventsOf(messages)).toHaveLength(1);
  expect(eventsOf(messages)[0]).toEqual({
    position: "4.0",
    at: { seconds: `${START / 1000}`, nanos: 0 },
    id,
    kind: "EVENT_KIND_SUBMITTED",
    queue: "default",
    type: "mail",
    state: "TASK_STATE_PENDING",
    attempt: 0,
  });
  stream.cancel();
});

test("goes on where another one left off, without a gap and without a repetition", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push((await h.submit()).id);
  const first = watch({ after: "2" });
  await expect.poll(() => eventsOf(first.messages)).toHaveLength(3);
  first.stream.cancel();
  const seen = eventsOf(first.messages).map((event) => event.id);
  expect(seen).toEqual(ids);
  ids.push((await h.submit()).id);
  const next = watch({ after: eventsOf(first.messages)[1].position });
  await expect.poll(() => eventsOf(next.messages).map((event) => event.id)).toEqual(ids.slice(2));
  next.stream.cancel();
});

test("filters", async () => {
  const [a, b] = [await h.submit({ type: "a", queue: "one" }), await h.submit({ type: "b" })];
  await h.call("CancelTask", { id: b.id });
  const seen = async (filter: object) => {
    const { messages, stream } = watch({ after: "2", ...filter });
    await expect.poll(() => messages.length).toBeGreaterThan(0);
    stream.cancel();
    return eventsOf(messages).map((event) => `${event.type} ${event.kind.slice(11)}`);
  };
  const all = ["a SUBMITTED", "b SUBMITTED", "b CANCELLED"];
  expect(await seen({})).toEqual(all);
  expect(await seen({ queue: "one" })).toEqual(["a SUBMITTED"]);
  expect(await seen({ type: "b" })).toEqual(all.slice(1));
  expect(await seen({ id: a.id })).toEqual(["a SUBMITTED"]);
  const kinds = ["EVENT_KIND_CANCELLED", "EVENT_KIND_EXPIRED"];
  expect(await seen({ kinds })).toEqual(["b CANCELLED"]);
});

describe("refusals", () => {
  test.each([
    [{ after: "x" }, "INVALID_ARGUMENT after"],
    [{ after: "99" }, "INVALID_ARGUMENT after"],
    [{ id: "x" }, "NOT_FOUND id"],
    [{ kinds: [77] }, "INVALID_ARGUMENT kind"],
    [{ kinds: Array(21).fill("EVENT_KIND_DEAD") }, "INVALID_ARGUMENT kind"],
  ])("%j", async (request, answer) => {
    const { code, details } = await watch(request).ended;
    expect(`${code} ${details["BadRequest"].field_violations[0].field}`).toBe(answer);
  });

  test("a position whose events are gone", async () => {
    h.broker.machine.loaded();
    expect(await watch({ after: "1" }).ended).toMatchObject({
      code: "OUT_OF_RANGE",
      details: { ErrorInfo: { reason: "position_compacted" } },
    });
  });

  test("more than so many at a time", async () => {
    const clients = Array.from({ length: 5 }, (_, at) => {
      return clientOf(h.port, { "grpc.use_local_subchannel_pool": 1, "test.client": at } as object);
    });
    const watches = Array.from({ length: EVENT_STREAMS_MAX }, (_, at) => {
      return watch({}, clients[at % clients.length]);
    });
    await expect.poll(() => h.broker.listening).toBe(EVENT_STREAMS_MAX);
    expect(await watch().ended).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      details: { ErrorInfo: { reason: "overloaded" } },
    });
    for (const { stream } of watches) stream.cancel();
    await expect.poll(() => h.broker.listening).toBe(0);
    for (const client of clients) client.close();
  });
});

test("a reader that falls behind what is kept is told so", async () => {
  const { stream, messages, ended } = watch();
  await expect.poll(() => messages.length).toBe(1);
  stream.pause();
  h.broker.machine.loaded();
  h.broker.machine.skip(h.broker.machine.applied + 1);
  h.broker.machine.loaded();
  await h.submit();
  stream.resume();
  expect(await ended).toMatchObject({ code: "OUT_OF_RANGE" });
  await expect.poll(() => h.broker.listening).toBe(0);
});

test("a reader that takes nothing is not read for, and holds up nobody", async () => {
  const count = 10_000;
  const { stream, messages, ended } = watch();
  await expect.poll(() => messages.length).toBe(1);
  let readUpTo = 0;
  const feed = h.broker.feed.bind(h.broker);
  h.broker.feed = () => {
    const { oldest, newest, tally } = feed();
    const read: FeedReader["read"] = (...given) => {
      const page = feed().read(...given);
      if (page.kind === "events") readUpTo = page.next.index;
      return page;
    };
    return { oldest, newest, tally, read };
  };
  stream.pause();
  for (let n = 0; n < count / EVENTS_PER_MESSAGE; n++) {
    const task = { type: "mail", queue: `${n}${"q".repeat(190)}` };
    const tasks = Array(EVENTS_PER_MESSAGE).fill(task);
    await h.call("SubmitTasks", { tasks });
  }
  await untilStill(() => readUpTo);
  expect(readUpTo).toBeLessThan(h.broker.machine.applied - count / 4);
  stream.resume();
  await expect.poll(() => eventsOf(messages).length, { timeout: 10_000 }).toBe(count);
  stream.cancel();
  expect((await ended).code).toBe("CANCELLED");
});

test("ends when the server closes, and says where to go on", async () => {
  const { messages, ended } = watch();
  await expect.poll(() => messages.length).toBe(1);
  const closed = h.server.close();
  expect(await ended).toMatchObject({
    code: "UNAVAILABLE",
    details: { ErrorInfo: { reason: "no_leader" } },
  });
  await closed;
  expect(h.broker.listening).toBe(0);
});
