/** Calls that are taken back: which connections are cut for it, and which never are. */
import { constants, type Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  BARE_CALLS_MAX,
  BARE_CALLS_PER_SECOND,
  TAKEN_BACK_COST_MS,
  TAKEN_BACK_MAX,
  TAKEN_BACK_PER_SECOND,
} from "../../src/grpc/limits.ts";
import { Line } from "../../src/grpc/line.ts";
import { TakenBack, type Withdrawn } from "../../src/grpc/taken-back.ts";
import { Turns } from "../../src/grpc/turns.ts";
import { clientOf, Harness } from "./harness.ts";
import {
  callHeaders,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  number,
  RawHttp2,
  RST_STREAM,
  WINDOW_UPDATE,
} from "./raw-http2.ts";

/** SubmitTaskRequest { task: NewTask { type: "t" } } */
const MESSAGE = Buffer.from([0, 0, 0, 0, 5, 0x0a, 3, 0x12, 1, 0x74]);
const CANCEL = number(8);

function bare(at: number, verb?: string): Uint8Array[] {
  const id = 2 * at + 1;
  return [
    frame(HEADERS, END_HEADERS, id, callHeaders("SubmitTask", undefined, verb)),
    frame(RST_STREAM, 0, id, CANCEL),
  ];
}

/** With the first byte of a message. */
function almostBare(at: number): Uint8Array[] {
  const [headers, reset] = bare(at);
  return [headers!, frame(DATA, 0, 2 * at + 1, Buffer.alloc(1)), reset!];
}

function whole(at: number, method = "SubmitTask"): Uint8Array[] {
  const id = 2 * at + 1;
  return [
    frame(HEADERS, END_HEADERS, id, callHeaders(method)),
    frame(DATA, END_STREAM, id, method === "SubmitTask" ? MESSAGE : Buffer.alloc(5)),
  ];
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

describe("what is borne", () => {
  function world() {
    let now = 0;
    const cuts: number[] = [];
    const unbegun: number[] = [];
    const takenBack = new TakenBack(
      (_session, { calls, unbegunCalls }) => {
        cuts.push(calls);
        unbegun.push(unbegunCalls);
      },
      () => now,
    );
    const told: unknown[] = [];
    const session = {
      destroyed: false,
      goaway: (code: number) => told.push(code),
      destroy: () => {
        session.destroyed = true;
      },
    };
    const take = (count: number, how: Withdrawn): void => {
      for (let at = 0; at < count; at++) takenBack.add(session as unknown as Http2Session, how);
    };
    const pass = (ms: number): void => {
      now += ms;
    };
    return { cuts, unbegun, told, session, take, pass };
  }

  test.each<[Withdrawn, number, number]>([
    ["bare", BARE_CALLS_MAX, BARE_CALLS_PER_SECOND],
    ["unbegun", TAKEN_BACK_MAX, TAKEN_BACK_PER_SECOND],
    ["begun", TAKEN_BACK_MAX, TAKEN_BACK_PER_SECOND],
  ])("%s calls: so many at once, then so many in a second", (how, max, perSecond) => {
    const { cuts, unbegun, told, session, take, pass } = world();
    take(max, how);
    pass(1000);
    take(perSecond, how);
    expect(cuts).toEqual([]);
    take(1, how);
    expect(cuts).toEqual([max + perSecond + 1]);
    // Deadlines that pass on calls at work cost the connection, and the address nothing.
    expect(unbegun).toEqual([how === "begun" ? 0 : max + perSecond + 1]);
    expect(told).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
    expect(session.destroyed).toBe(true);
  });

  test("what a connection loses that closes is not taken back", () => {
    const { cuts, session, take } = world();
    session.destroyed = true;
    take(10 * TAKEN_BACK_MAX, "bare");
    expect(cuts).toEqual([]);
  });

  test("it stays below what the library bears, which would leave the connection open", () => {
    expect(TAKEN_BACK_MAX).toBeLessThan(1000);
    expect(TAKEN_BACK_PER_SECOND).toBeLessThan(33);
  });
});

/** More than a connection bears, by as much as some of them may have had their turn. */
const FLOOD = BARE_CALLS_MAX + 50;

describe("over sockets", () => {
  async function dial(h: Harness): Promise<RawHttp2> {
    const peer = await RawHttp2.dial(h.port);
    onTestFinished(() => void peer.socket.destroy());
    return peer;
  }

  const closed = (peer: RawHttp2) => expect.poll(() => peer.socket.destroyed, { timeout: 30_000 });

  test("bare calls cost the connection, and hardly one is begun", async () => {
    const methods: unknown[] = [];
    const h = await Harness.open({ countRequest: ({ route }) => methods.push(route) });
    const peer = await dial(h);
    await peer.send(...range(0, FLOOD).flatMap((at) => bare(at)));
    await closed(peer).toBe(true);
    // Where one piece of what was sent ends and the next begins, one may have had its turn.
    expect(methods.length).toBeLessThan(FLOOD / 10);
    expect(h.logged[0]).toMatch(/was cut: it took back 2\d\d calls/);
    expect((await h.call("ListQueues")).code).toBe("OK");
  });

  test("bare calls that came before their connection was let in cost it, too", async () => {
    const held: [Socket, () => void][] = [];
    vi.spyOn(Line.prototype, "enter").mockImplementation((...each) => held.push(each));
    onTestFinished(() => void vi.restoreAllMocks());
    const h = await Harness.open();
    const peer = await dial(h);
    const frames = range(0, FLOOD).flatMap((at) => bare(at));
    const bytes = frames.reduce((sum, { length }) => sum + length, 0);
    await peer.send(...frames);
    // Without those that have come by then, the others are too few.
    await expect.poll(() => held[0]?.[0].readableLength).toBeGreaterThan(0.4 * bytes);
    held[0]![1]();
    await closed(peer).toBe(true);
    expect(h.logged[0]).toMatch(/was cut: it took back 2\d\d calls/);
  });

  test.each(["HEAD", "GET"])(
    "a flood of %s costs the connection as bare calls do",
    async (verb) => {
      const methods: unknown[] = [];
      const h = await Harness.open({ countRequest: ({ route }) => methods.push(route) });
      const peer = await dial(h);
      await peer.send(...range(0, FLOOD).flatMap((at) => bare(at, verb)));
      await closed(peer).toBe(true);
      expect(methods).toEqual([]);
      expect(h.logged[0]).toMatch(/was cut: it took back 2\d\d calls/);
    },
  );

  test("a byte of a message does not free the address from what it owes", async () => {
    const charge = vi.spyOn(Line.prototype, "charge");
    onTestFinished(() => void vi.restoreAllMocks());
    const h = await Harness.open();
    const peer = await dial(h);
    for (let at = 0; !peer.isOver; at += 100) {
      await peer.send(...range(at, at + 100).flatMap(almostBare));
    }
    await closed(peer).toBe(true);
    expect(charge).toHaveBeenCalledOnce();
    expect(charge.mock.calls[0]![1]).toBeGreaterThan((TAKEN_BACK_MAX / 2) * TAKEN_BACK_COST_MS);
  });

  test("a call that is refused before its turn is sent again, and was not taken back", async () => {
    const takenBack = vi.spyOn(TakenBack.prototype, "add");
    const add = vi.spyOn(Turns.prototype, "add");
    add.mockImplementationOnce((_group, _stream, { refuse }) => refuse());
    onTestFinished(() => void vi.restoreAllMocks());
    const h = await Harness.open();
    expect((await h.call("ListQueues")).code).toBe("OK");
    expect(add).toHaveBeenCalledTimes(2);
    expect(takenBack).not.toHaveBeenCalled();
  });

  test("whole calls that are taken back are borne for longer, and cost it in the end", async () => {
    const h = await Harness.open();
    const peer = await dial(h);
    const withdrawn = (at: number) => [...whole(at), frame(RST_STREAM, 0, 2 * at + 1, CANCEL)];
    await peer.send(...range(0, TAKEN_BACK_MAX - 100).flatMap(withdrawn));
    await peer.send(...whole(TAKEN_BACK_MAX));
    await expect.poll(() => h.broker.commands.length, { timeout: 30_000 }).toBeGreaterThan(0);
    expect(peer.isOver).toBe(false);
    for (let at = TAKEN_BACK_MAX + 1; !peer.isOver; at += 100) {
      await peer.send(...range(at, at + 100).flatMap(withdrawn));
    }
    await closed(peer).toBe(true);
    expect(h.logged.join()).toContain("was cut");
  });

  test("five thousand calls of one connection as fast as it goes are all answered", async () => {
    let answered = 0;
    const h = await Harness.open({ countRequest: () => answered++ });
    const peer = await dial(h);
    await peer.send(frame(WINDOW_UPDATE, 0, 0, number(2 ** 30)));
    for (let at = 0; at < 5_000; at += 50) {
      await peer.send(...range(at, at + 50).flatMap((each) => whole(each, "ListQueues")));
      await expect.poll(() => answered, { interval: 1, timeout: 30_000 }).toBe(at + 50);
    }
    expect(peer.isOver).toBe(false);
    expect(h.logged).toEqual([]);
  }, 120_000);

  test("deadlines that pass and calls that are cancelled cost no connection", async () => {
    const ends = new Map<unknown, number>();
    const h = await Harness.open({
      countRequest: ({ code }) => void ends.set(code, (ends.get(code) ?? 0) + 1),
    });
    const client = clientOf(h.port);
    onTestFinished(() => client.close());
    // They wait for a task that does not end.
    const { id } = await h.submit();
    const request = { id, wait: { seconds: 30 } };
    const ended: Promise<unknown>[] = [];
    for (let round = 0; round < 6; round++) {
      const calls = range(0, 50).map((at) => {
        const deadline = at % 2 === 0 ? Date.now() + 20 : Infinity;
        return new Promise((resolve) => {
          const call = client.GetTask(request, { deadline }, resolve);
          if (at % 2 === 1) setImmediate(() => call.cancel());
        });
      });
      await Promise.all(calls);
      ended.push(...calls);
    }
    expect(ended).toHaveLength(300);
    expect(h.logged).toEqual([]);
    const state = client.getChannel().getConnectivityState(false);
    expect(state).toBe(2);
  });

  test("who was cut owes for it, and is heard again when the line lets him in", async () => {
    const charge = vi.spyOn(Line.prototype, "charge");
    const enter = vi.spyOn(Line.prototype, "enter");
    onTestFinished(() => void vi.restoreAllMocks());
    const h = await Harness.open();
    const peer = await dial(h);
    await peer.send(...range(0, FLOOD).flatMap((at) => bare(at)));
    await closed(peer).toBe(true);
    expect(charge.mock.calls).toEqual([["127.0.0.1", expect.any(Number)]]);
    expect(charge.mock.calls[0]![1]).toBeGreaterThan(BARE_CALLS_MAX * TAKEN_BACK_COST_MS);
    const held: (() => void)[] = [];
    enter.mockImplementation((_socket, letIn) => held.push(letIn));
    const next = await dial(h);
    await next.send(...whole(0));
    await expect.poll(() => held.length).toBe(1);
    expect(h.broker.commands).toEqual([]);
    held[0]!();
    await expect.poll(() => h.broker.commands.length, { timeout: 30_000 }).toBe(1);
  });
});
