/** What is on its way in, over all connections: how it is weighed, and who loses when it is too much. */
import type { TqError } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { Pieces } from "../../src/grpc/pieces.ts";
import { type Sender, UnderWay } from "../../src/grpc/under-way.ts";

const KIB = 1024;

interface Has {
  readonly done?: boolean;
  readonly heldBack?: boolean;
  /** What it weighs when it is looked at. */
  readonly grows?: number;
}

function world(bytes: number, ms = 1000) {
  const underWay = new UnderWay({ bytes, ms });
  const enter = (group: string, at: number, has: Has = {}) => {
    const ends: TqError[] = [];
    const sender: Sender = {
      isDone: () => has.done === true,
      isHeldBack: () => has.heldBack === true,
      weigh: () => place.weigh(has.grows ?? 0),
      end: (why: TqError) => void ends.push(why),
    };
    const place = underWay.enter(group, sender);
    place.begin(at);
    return { place, codes: () => ends.map(({ code }) => code) };
  };
  return { underWay, enter };
}

describe("too much is under way", () => {
  test("of the address with most of it the oldest is ended", () => {
    const { underWay, enter } = world(100);
    const [other, first, second] = [enter("b", 0), enter("a", 1), enter("a", 2)];
    other.place.weigh(30);
    first.place.weigh(20);
    second.place.weigh(40);
    expect(underWay.bytes).toBe(90);
    other.place.weigh(41);
    expect([other, first, second].map(({ codes }) => codes())).toEqual([[], ["overloaded"], []]);
    expect(underWay.bytes).toBe(81);
    other.place.leave();
    second.place.leave();
    expect(underWay.bytes).toBe(0);
  });

  test("as many as it takes, the one that came last as well", () => {
    const { underWay, enter } = world(100);
    const crowd = Array.from({ length: 5 }, (_, at) => enter("a", at));
    for (const { place } of crowd) place.weigh(20);
    const late = enter("b", 9);
    late.place.weigh(200);
    expect(late.codes()).toEqual(["overloaded"]);
    expect(crowd.flatMap(({ codes }) => codes())).toEqual([]);
    expect(underWay.bytes).toBe(100);
  });

  test("who has sent all of it is not ended for being unread", () => {
    const { underWay, enter } = world(100);
    const unread = enter("a", 0, { done: true });
    unread.place.weigh(90);
    const next = enter("b", 1);
    next.place.weigh(80);
    expect([unread.codes(), next.codes()]).toEqual([[], []]);
    expect(underWay.bytes).toBe(80);
  });

  test("what nobody reads is seen in the end", () => {
    const { underWay, enter } = world(100);
    const [first, second] = [enter("a", 0, { grows: 60 }), enter("a", 0, { grows: 60 })];
    underWay.sweep(1);
    expect([first.codes(), second.codes()]).toEqual([["overloaded"], []]);
  });

  test("what waits for its answer has its room, and nobody is ended for it", () => {
    const { underWay, enter } = world(100);
    const waiting = enter("a", 0);
    waiting.place.hold(90);
    waiting.place.settle();
    const next = enter("a", 1);
    next.place.weigh(11);
    expect([waiting.codes(), next.codes()]).toEqual([[], ["overloaded"]]);
    waiting.place.hold(-90);
    expect(underWay.bytes).toBe(0);
  });

  test("who was ended weighs nothing any more, whatever still comes of it", () => {
    const { underWay, enter } = world(100);
    const one = enter("a", 0);
    one.place.weigh(101);
    one.place.weigh(50);
    one.place.hold(50);
    one.place.begin(5);
    one.place.leave();
    expect(one.codes()).toEqual(["overloaded"]);
    expect(underWay.bytes).toBe(0);
  });
});

describe("time", () => {
  test("ends who began too long ago, and nobody else", () => {
    const { underWay, enter } = world(1000, 100);
    const [slow, fresh, between] = [enter("a", 0), enter("a", 50), enter("b", 0)];
    between.place.settle();
    underWay.sweep(99);
    expect(slow.codes()).toEqual([]);
    underWay.sweep(100);
    expect([slow, fresh, between].map(({ codes }) => codes())).toEqual([
      ["invalid_request"],
      [],
      [],
    ]);
  });

  test("does not run for who may not send, nor for who has sent all", () => {
    const { underWay, enter } = world(1000, 100);
    const heldBack = enter("a", 0, { heldBack: true, grows: 7 });
    heldBack.place.weigh(7);
    const unread = enter("a", 0, { done: true });
    underWay.sweep(100);
    underWay.sweep(150);
    expect([heldBack.codes(), unread.codes()]).toEqual([[], []]);
    expect(underWay.bytes).toBe(7);
  });
});

describe("pieces", () => {
  /** As HTTP/2 gives them: parts of what was read from the socket at once. */
  const piecesOf = (bytes: Buffer, ...ends: number[]) => {
    const own = new Uint8Array(bytes).buffer;
    return ends.map((end, at) => {
      const from = ends[at - 1] ?? 0;
      return Buffer.from(own, from, end - from);
    });
  };
  const message = (length: number, flag = 0) => {
    const prefix = Buffer.alloc(5, flag);
    prefix.writeUInt32BE(length, 1);
    return Buffer.concat([prefix, Buffer.alloc(length)]);
  };

  test("nothing is left of whole messages, however they are cut", () => {
    const all = Buffer.concat([message(0), message(10), message(300), message(1)]);
    for (const step of [1, 3, 7, 16, all.length]) {
      const ends = Array.from({ length: Math.ceil(all.length / step) }, (_, at) => {
        return Math.min(all.length, (at + 1) * step);
      });
      const pieces = new Pieces(999);
      for (const piece of piecesOf(all, ...ends)) pieces.take(piece);
      expect([step, pieces.bytes, pieces.lastBytes]).toEqual([step, 0, 1]);
    }
  });

  test("tells when a message begins that does not end", () => {
    const pieces = new Pieces(999);
    const [a, b, c] = piecesOf(Buffer.concat([message(10), message(10)]), 16, 20, 30);
    expect([pieces.take(a!), pieces.take(b!), pieces.take(c!)]).toEqual([true, false, false]);
  });

  test("a piece counts with all that it keeps, once", () => {
    const read = new ArrayBuffer(64 * KIB);
    const pieces = new Pieces(999);
    const begin = Buffer.from(read, 0, 6);
    begin.writeUInt32BE(4 * KIB * KIB, 1);
    pieces.take(begin);
    expect(pieces.bytes).toBeGreaterThanOrEqual(64 * KIB);
    pieces.take(Buffer.from(read, 6, 1));
    expect(pieces.bytes).toBeLessThan(66 * KIB);
    // A large part of what was read stands for itself.
    pieces.take(Buffer.from(new ArrayBuffer(64 * KIB), 0, 16 * KIB));
    expect(pieces.bytes).toBeLessThan(83 * KIB);
  });

  test("a message in tiny pieces weighs what its pieces are", () => {
    const pieces = new Pieces(999);
    const begin = Buffer.from(new ArrayBuffer(5));
    begin.writeUInt32BE(1_000_000, 1);
    pieces.take(begin);
    for (let at = 0; at < 1000; at++) pieces.take(Buffer.from(new ArrayBuffer(1)));
    expect(pieces.bytes).toBeGreaterThan(200_000);
  });

  test("a compressed message may become as large as any", () => {
    const pieces = new Pieces(999);
    pieces.take(message(10, 1));
    expect(pieces.lastBytes).toBe(999);
  });
});
