/**
 * From a source to a receiver: all rows arrive whatever breaks on the way, nothing damaged is ever
 * installed, and neither side waits, keeps or repeats without bounds.
 */
import { describe, expect, test, vi } from "vitest";
import {
  FLUSH_WAIT_MS,
  FRUITLESS_ATTEMPTS_MAX,
  PIN_MS_MAX,
  PINS_MAX,
} from "../../src/snapshots/limits.ts";
import { encodeRequest } from "../../src/snapshots/request.ts";
import {
  CLUSTER,
  digestOf,
  directly,
  type Fetch,
  FilledNode,
  filledNode,
  MEMBERSHIP,
  nextTurn,
  receiverOf,
  rowsOf,
  sourceOf,
} from "./harness.ts";

const WISH = { index: 1, sources: ["a"] };
const NEVER = new AbortController().signal;

/** Breaks each stream after as many pieces as the next of `lengths` says; then none breaks. */
function breaking(fetch: Fetch, lengths: number[]): Fetch {
  return async function* (from, request) {
    let left = lengths.shift() ?? Number.POSITIVE_INFINITY;
    for await (const piece of fetch(from, request)) {
      if (left-- === 0) throw new Error("the connection broke");
      yield piece;
    }
  };
}

function damaging(fetch: Fetch, piece: number, change: (bytes: Buffer) => Buffer): Fetch {
  return async function* (from, request) {
    let at = 0;
    for await (const bytes of fetch(from, request)) {
      yield at++ === piece ? change(Buffer.from(bytes)) : bytes;
    }
  };
}

const flipped = (bytes: Buffer): Buffer => {
  bytes[bytes.length >> 1]! ^= 1;
  return bytes;
};

async function take(stream: AsyncIterable<Uint8Array>, pieces: number): Promise<void> {
  const iterator = stream[Symbol.asyncIterator]();
  for (let i = 0; i < pieces; i++) await iterator.next();
  await iterator.return?.();
}

describe("a snapshot", () => {
  test("brings state, queue, base and members of the source's newest flush", async () => {
    const node = await filledNode(500);
    const { source, faults } = sourceOf(node);
    const receiving = receiverOf(directly(source));
    const snapshot = await receiving.fetch(WISH);
    expect(snapshot?.base).toEqual(await node.base);
    expect(snapshot?.membership).toEqual(MEMBERSHIP);
    expect(snapshot?.queue.effectHash).toBe(node.queue.effectHash);
    expect(snapshot?.queue.counts()).toEqual(node.queue.counts());
    expect(await digestOf(snapshot!.store)).toBe(await digestOf(node.states.live));
    expect(snapshot?.store.mark.applied).toBe(node.queue.applied);
    expect([...faults, ...receiving.faults]).toEqual([]);
    expect(source.sent).toBe(1);
    expect(receiving.receiver.stats.received).toBe(1);
  });

  test("stays that of one flush while others go on", async () => {
    const node = await filledNode(200, 50_000);
    const before = await digestOf(node.states.live);
    const { source } = sourceOf(node);
    const direct = directly(source);
    const receiving = receiverOf(async function* (from, request) {
      for await (const piece of direct(from, request)) {
        await node.submit(1);
        await node.flush();
        yield piece;
      }
    });
    const snapshot = await receiving.fetch(WISH);
    expect(await digestOf(snapshot!.store)).toBe(before);
    expect(snapshot!.base.index).toBeLessThan(node.queue.applied);
  });

  test("of rows larger than a frame arrives", async () => {
    const node = await filledNode(4, 3_000_000);
    const { source } = sourceOf(node);
    const snapshot = await receiverOf(directly(source)).fetch(WISH);
    expect(await digestOf(snapshot!.store)).toBe(await digestOf(node.states.live));
  });
});

describe("a stream that breaks", () => {
  test("goes on where it was, at whatever piece it broke", async () => {
    const node = await filledNode(100, 50_000);
    const rows = await rowsOf(node.states.live);
    const bytes = rows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    const expected = await digestOf(node.states.live);
    for (let at = 1; at <= 12; at++) {
      const { source } = sourceOf(node);
      let pieces = 0;
      const direct = directly(source);
      const counted: Fetch = async function* (from, request) {
        for await (const piece of direct(from, request)) {
          pieces += piece.length;
          yield piece;
        }
      };
      const receiving = receiverOf(breaking(counted, [at, 3, 2]));
      const snapshot = await receiving.fetch(WISH);
      expect(await digestOf(snapshot!.store), `broken at piece ${at}`).toBe(expected);
      // Resumed, not begun anew: what was sent twice is less than half of it.
      expect(pieces).toBeLessThan(1.5 * bytes);
      expect(source.sent).toBe(1);
    }
  });

  test("begins anew when the source keeps it no longer", async () => {
    const node = await filledNode(100, 50_000);
    const { source } = sourceOf(node);
    const direct = directly(source);
    const requests: string[] = [];
    const receiving = receiverOf(
      breaking(
        async function* (from, request) {
          requests.push(Buffer.from(request).toString());
          if (requests.length === 2) {
            await source.shut("a new state");
            source.open();
          }
          yield* direct(from, request);
        },
        [4],
      ),
    );
    const snapshot = await receiving.fetch(WISH);
    expect(await digestOf(snapshot!.store)).toBe(await digestOf(node.states.live));
    expect(requests[1]).toContain('"lastKey"');
  });

  test("goes on even if its source has not noticed the break", async () => {
    const node = await filledNode(100, 50_000);
    const { source } = sourceOf(node);
    const direct = directly(source);
    const halfOpen: AsyncIterator<Uint8Array>[] = [];
    const receiving = receiverOf(async function* (from, request) {
      if (halfOpen.length === 1) return yield* direct(from, request);
      const stream = direct(from, request)[Symbol.asyncIterator]();
      halfOpen.push(stream);
      for (let i = 0; i < 5; i++) yield (await stream.next()).value;
      throw new Error("the connection broke");
    });
    const snapshot = await receiving.fetch(WISH);
    expect(await digestOf(snapshot!.store)).toBe(await digestOf(node.states.live));
    expect(receiving.warnings.length).toBe(1);
    expect(source.sent).toBe(1);
    // What is left of the first one ends as soon as it is looked at.
    await expect(halfOpen[0]!.next()).rejects.toThrow();
  });

  test("is given up after some attempts without a row, for the next source", async () => {
    const node = await filledNode();
    const { source } = sourceOf(node);
    const direct = directly(source);
    const asked: string[] = [];
    const receiving = receiverOf(async function* (from, request) {
      asked.push(from);
      if (from === "b") throw new Error("no such luck");
      yield* direct(from, request);
    });
    expect(await receiving.fetch({ index: 1, sources: ["b", "a"] })).toBeDefined();
    expect(asked).toEqual([...Array(FRUITLESS_ATTEMPTS_MAX).fill("b"), "a"]);
    expect(receiving.warnings[0]).toBe("no snapshot from b yet: no such luck");
  });

  test("leaves nothing behind when no source has it, and the next wish is served", async () => {
    const node = await filledNode(100, 50_000);
    const { source } = sourceOf(node);
    const direct = directly(source);
    let isBroken = true;
    const receiving = receiverOf(async function* (from, request) {
      if (!isBroken) return yield* direct(from, request);
      // Some rows, and from then on nothing: they must not be mixed with those of the next one.
      if (from === "a") yield* breaking(direct, [4])(from, request);
      throw new Error("down");
    });
    expect(await receiving.fetch({ index: 1, sources: ["a", "b"] })).toBeUndefined();
    expect(receiving.receiver.isBusy).toBe(false);
    isBroken = false;
    const snapshot = await receiving.fetch(WISH);
    expect(await digestOf(snapshot!.store)).toBe(await digestOf(node.states.live));
    expect(receiving.faults).toEqual([]);
  });
});

describe("what is damaged on the way", () => {
  test("is noticed and asked for again, wherever it is", async () => {
    const node = await filledNode(60, 50_000);
    for (let piece = 0; piece < 8; piece++) {
      const { source } = sourceOf(node);
      const direct = directly(source);
      let streams = 0;
      const receiving = receiverOf((from, request) =>
        streams++ === 0 ? damaging(direct, piece, flipped)(from, request) : direct(from, request),
      );
      const snapshot = await receiving.fetch(WISH);
      expect(await digestOf(snapshot!.store)).toBe(await digestOf(node.states.live));
      expect(receiving.warnings.length).toBe(1);
      expect(receiving.warnings[0]).toContain("damaged");
    }
  });

  test("every time is never installed", async () => {
    const node = await filledNode();
    const { source } = sourceOf(node);
    const receiving = receiverOf(damaging(directly(source), 1, flipped));
    expect(await receiving.fetch(WISH)).toBeUndefined();
    expect(receiving.faults).toEqual([]);
  });

  test("of another cluster, or too old, is refused", async () => {
    const node = await filledNode();
    const { source } = sourceOf(node);
    const direct = directly(source);
    const late = receiverOf((from, _request) =>
      direct(from, encodeRequest({ minIndex: 1, resume: undefined })),
    );
    expect(await late.fetch({ index: 999, sources: ["a"] })).toBeUndefined();
    expect(late.warnings[0]).toContain("999 is needed");
    const foreign = receiverOf(async function* (from, request) {
      for await (const piece of direct(from, request)) {
        yield Buffer.from(piece.toString().replace(CLUSTER, "facade"), "latin1");
      }
    });
    expect(await foreign.fetch(WISH)).toBeUndefined();
  });

  test("rows that make no state are dropped, and the next source is asked", async () => {
    const bad = new FilledNode();
    await bad.submit(10);
    await bad.flush();
    // A queue that counts a task which is not there.
    const [task] = (await rowsOf(bad.states.live)).filter(([key]) => key[0] === 0x6c);
    const { mark } = bad.states.live;
    const writes = [{ key: task![0], value: undefined }];
    await bad.states.live.flush({ applied: mark.applied, writes }, mark);
    const good = await filledNode();
    const sources = { bad: sourceOf(bad).source, good: sourceOf(good).source };
    const receiving = receiverOf((from, request) =>
      directly(sources[from as "bad" | "good"])(from, request),
    );
    const snapshot = await receiving.fetch({ index: 1, sources: ["bad", "good"] });
    expect(snapshot?.base).toEqual(await good.base);
    expect(receiving.warnings[0]).toContain("is no state");
  });
});

describe("a source", () => {
  test("waits for the flush that has what is wanted", async () => {
    const node = await filledNode();
    const { source, clock } = sourceOf(node);
    await node.submit(10);
    const wanted = node.queue.applied;
    const receiving = receiverOf(directly(source));
    const fetching = receiving.fetch({ index: wanted, sources: ["a"] });
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(receiving.received).toEqual([]);
    await node.flush();
    expect((await fetching)?.base.index).toBe(wanted);
    expect(clock.nowMs).toBeLessThan(FLUSH_WAIT_MS);
  });

  test("says so when it does not come", async () => {
    const { source } = sourceOf(await filledNode());
    const receiving = receiverOf(directly(source));
    expect(await receiving.fetch({ index: 50, sources: ["a"] })).toBeUndefined();
    expect(receiving.warnings[0]).toContain("50 was asked for");
  });

  test("keeps few views, and refuses more readers than that", async () => {
    const { source } = sourceOf(await filledNode());
    const request = encodeRequest({ minIndex: 1, resume: undefined });
    const open = [];
    for (let reader = 0; reader < PINS_MAX; reader++) {
      const stream = source.serve(`r${reader}`, request, NEVER);
      await stream.next();
      open.push(stream);
    }
    await expect(source.serve("another", request, NEVER).next()).rejects.toThrow("try again later");
    await open[0]!.return(undefined);
    await expect(source.serve("another", request, NEVER).next()).resolves.toBeDefined();
  });

  test("forgets a broken stream after a while", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const node = await filledNode(50, 50_000);
      const { source, clock } = sourceOf(node);
      let closed = 0;
      const view = node.states.live.view.bind(node.states.live);
      node.states.live.view = async () => {
        const opened = await view();
        return { ...opened, close: async () => void closed++ };
      };
      const request = encodeRequest({ minIndex: 1, resume: undefined });
      await take(source.serve("b", request, NEVER), 2);
      const pass = (ms: number) => {
        clock.nowMs += ms;
        vi.advanceTimersByTime(ms);
      };
      pass(PIN_MS_MAX);
      expect(closed).toBe(0);
      pass(PIN_MS_MAX);
      expect(closed).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  test("that was shut sends nothing, and ends what it was sending", async () => {
    const { source } = sourceOf(await filledNode(50, 50_000));
    const request = encodeRequest({ minIndex: 1, resume: undefined });
    const stream = source.serve("b", request, NEVER);
    await stream.next();
    await source.shut("its state is being replaced");
    const rest = async () => {
      for await (const piece of stream) void piece;
    };
    await expect(rest()).rejects.toThrow("no longer kept");
    await expect(source.serve("b", request, NEVER).next()).rejects.toThrow("being replaced");
    source.open();
    await expect(source.serve("b", request, NEVER).next()).resolves.toMatchObject({ done: false });
  });

  test("stops reading when its reader has gone", async () => {
    const { source, faults } = sourceOf(await filledNode(50, 50_000));
    const gone = new AbortController();
    const request = encodeRequest({ minIndex: 1, resume: undefined });
    const stream = source.serve("b", request, gone.signal);
    await stream.next();
    gone.abort(new Error("the reader has gone"));
    await expect(stream.next()).rejects.toThrow("gone");
    expect(faults).toEqual([]);
  });

  test("reports a disk that cannot be read", async () => {
    const node = await filledNode();
    node.log.chainAt = async () => {
      throw new Error("EIO");
    };
    const { source, faults } = sourceOf(node);
    expect(await receiverOf(directly(source)).fetch(WISH)).toBeUndefined();
    expect(faults.length).toBeGreaterThan(0);
  });
});

describe("wishes while one is being fulfilled", () => {
  test("for no more than that change nothing", async () => {
    const node = await filledNode();
    const { source } = sourceOf(node);
    let streams = 0;
    const receiving = receiverOf((from, request) => {
      streams++;
      return directly(source)(from, request);
    });
    receiving.receiver.want(WISH);
    receiving.receiver.want(WISH);
    await nextTurn();
    await receiving.fetch(WISH);
    expect(streams).toBe(1);
    expect(receiving.received.length).toBe(1);
  });

  test("for a later entry end it at once, even if its source says nothing", async () => {
    const node = await filledNode();
    const { source } = sourceOf(node);
    const direct = directly(source);
    const receiving = receiverOf((from, request) =>
      from === "silent"
        ? { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }
        : direct(from, request),
    );
    receiving.receiver.want({ index: 1, sources: ["silent"] });
    await nextTurn();
    receiving.receiver.want({ index: 2, sources: ["a"] });
    while (receiving.receiver.isBusy) await nextTurn();
    expect(receiving.received.map(({ base }) => base.index)).toEqual([node.queue.applied]);
  });

  test("closing ends it, and nothing is installed after that", async () => {
    const node = await filledNode(100, 50_000);
    const { source } = sourceOf(node);
    const receiving = receiverOf(directly(source));
    receiving.receiver.want(WISH);
    await nextTurn();
    await receiving.receiver.close();
    expect(receiving.received).toEqual([]);
    expect(receiving.faults).toEqual([]);
  });
});

test("a state that cannot be written is a fault, not a broken stream", async () => {
  const { source } = sourceOf(await filledNode());
  const receiving = receiverOf(directly(source));
  receiving.states.stage = async () => {
    throw new Error("no space left");
  };
  expect(await receiving.fetch(WISH)).toBeUndefined();
  expect(receiving.faults.map(String)).toEqual(["Error: no space left"]);
});
