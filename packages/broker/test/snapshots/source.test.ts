/**
 * What a source takes for a fault of its disk, and what is only bad timing: a state that is
 * replaced under it, more readers than there are views, a stop. And how much of the loop it takes.
 */
import { describe, expect, test } from "vitest";
import type { StateRow } from "../../src/ports.ts";
import { PINS_MAX, TURN_MS_MAX } from "../../src/snapshots/limits.ts";
import { encodeRequest } from "../../src/snapshots/request.ts";
import { VIEWS_MAX } from "../../src/storage/state-view.ts";
import {
  type FilledNode,
  filledNode,
  MEMBERSHIP,
  nextTurn,
  rowsOf,
  sourceOf,
  TestClock,
} from "./harness.ts";

const REQUEST = encodeRequest({ minIndex: 1, resume: undefined });
const NEVER = new AbortController().signal;

function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** The node goes on with another state, that after `index`, as if it had received a snapshot. */
async function replaceState(node: FilledNode, rows: readonly StateRow[], index: number) {
  const staged = await node.states.stage();
  await staged.write(rows);
  await staged.finish({ applied: index, logDurable: { index, term: 1 }, membership: MEMBERSHIP });
  const base = { index, term: 1, chain: "0123456789abcdef" };
  await node.states.install(staged, base);
  await node.log.reset(base);
}

async function drain(stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of stream) void piece;
}

describe("a state that is replaced", () => {
  test("while a view of it is being opened is not read: the new one is sent", async () => {
    const node = await filledNode();
    const rows = await rowsOf(node.states.live);
    const { chainAt } = node.log;
    const { open, opened } = gate();
    node.log.chainAt = async (index) => {
      const chain = await chainAt.call(node.log, index);
      await opened;
      return chain;
    };
    const { source, faults } = sourceOf(node);
    const stream = source.serve("b", REQUEST, NEVER);
    const first = stream.next();
    await nextTurn();
    await source.shut("this node is receiving a snapshot itself");
    await replaceState(node, rows, 900);
    source.open();
    open();
    expect(Buffer.from((await first).value as Uint8Array).toString()).toContain('"index":900');
    await drain(stream);
    expect(source.sent).toBe(1);
    expect(faults).toEqual([]);
  });

  test("before a view of it is open, because a flush is slow, is no fault", async () => {
    const node = await filledNode();
    const rows = await rowsOf(node.states.live);
    const former = node.states.live;
    const view = former.view.bind(former);
    const { open, opened } = gate();
    former.view = async () => {
      await opened;
      return view();
    };
    const { source, faults } = sourceOf(node);
    const first = source.serve("b", REQUEST, NEVER).next();
    await nextTurn();
    await source.shut("this node is receiving a snapshot itself");
    await replaceState(node, rows, 900);
    await former.close();
    source.open();
    open();
    expect(Buffer.from((await first).value as Uint8Array).toString()).toContain('"index":900');
    expect(faults).toEqual([]);
  });

  test("without notice ends what is being read of it, and is no fault", async () => {
    const node = await filledNode(50, 50_000);
    const { source, faults } = sourceOf(node);
    const stream = source.serve("b", REQUEST, NEVER);
    await stream.next();
    await node.states.live.close();
    await expect(drain(stream)).rejects.toThrow("no longer kept");
    expect(faults).toEqual([]);
  });
});

describe("views", () => {
  test("that are still being made count: more readers are told to come later", async () => {
    const node = await filledNode();
    const { live } = node.states;
    const view = live.view.bind(live);
    const { open, opened } = gate();
    let views = 0;
    live.view = async () => {
      views++;
      await opened;
      const made = await view();
      const close = async () => {
        views--;
        await made.close();
      };
      return { ...made, close };
    };
    const { source, faults } = sourceOf(node);
    const gone = new AbortController();
    // One member whose stream breaks again and again while a flush is slow.
    const asked = Array.from({ length: VIEWS_MAX + 1 }, () => {
      return source.serve("b", REQUEST, gone.signal).next();
    });
    const settled = Promise.allSettled(asked);
    await nextTurn();
    expect(views).toBe(PINS_MAX);
    gone.abort(new Error("the reader has gone"));
    open();
    const reasons = (await settled).map((each) => each.status === "rejected" && `${each.reason}`);
    expect(reasons.filter((reason) => String(reason).includes("later")).length).toBe(
      VIEWS_MAX + 1 - PINS_MAX,
    );
    // All views are closed, and all places were given back.
    expect(views).toBe(0);
    for (const reader of ["b", "c"]) {
      const served = source.serve(reader, REQUEST, NEVER).next();
      await expect(served).resolves.toMatchObject({ done: false });
    }
    expect(faults).toEqual([]);
  });

  test("of which the store has no more are no fault of the disk", async () => {
    const node = await filledNode();
    const taken = Array.from({ length: VIEWS_MAX }, () => node.states.live.view());
    await Promise.all(taken);
    const { source, faults } = sourceOf(node);
    await expect(source.serve("b", REQUEST, NEVER).next()).rejects.toThrow("try again later");
    expect(faults).toEqual([]);
  });

  test("that the log never reaches are given up after some looks", async () => {
    const node = await filledNode();
    await node.log.reset({ index: 900, term: 1, chain: "0123456789abcdef" });
    const { source, faults } = sourceOf(node);
    await expect(source.serve("b", REQUEST, NEVER).next()).rejects.toThrow("try again later");
    expect(faults).toEqual([]);
  });
});

test("a source that was closed stays so, whatever ends after it", async () => {
  const { source, faults } = sourceOf(await filledNode());
  await source.close();
  await source.shut("this node is receiving a snapshot itself");
  source.open();
  await expect(source.serve("b", REQUEST, NEVER).next()).rejects.toThrow("is stopping");
  expect(faults).toEqual([]);
});

describe("the pace of a stream", () => {
  /** Each look finds that other processes have had the machine for so long. */
  class BusyClock extends TestClock {
    constructor(stolenMs: number) {
      super();
      this.now = () => {
        this.nowMs += stolenMs;
        return this.nowMs;
      };
    }
    override readonly now: () => number;
  }

  /** All pauses of one stream, if each read takes the disk so long. */
  async function pausesOf(diskMs: number, stolenMs = 0): Promise<number[]> {
    const node = await filledNode(2000);
    const { live } = node.states;
    const { source, clock } = sourceOf(node, new BusyClock(stolenMs));
    const view = live.view.bind(live);
    live.view = async () => {
      const opened = await view();
      return {
        ...opened,
        scan: async (...given) => {
          clock.nowMs += diskMs;
          return opened.scan(...given);
        },
      };
    };
    clock.pauses.length = 0;
    await drain(source.serve("b", REQUEST, NEVER));
    return clock.pauses;
  }

  const sum = (pauses: readonly number[]) => pauses.reduce((all, ms) => all + ms, 0);

  test("is set by what it takes of the loop", async () => {
    const pauses = await pausesOf(0);
    expect(pauses.length).toBeGreaterThan(3);
    expect(pauses.every((ms) => ms > 0 && ms < TURN_MS_MAX)).toBe(true);
  });

  test("counts a wait for the disk as rest", async () => {
    const fast = await pausesOf(0);
    const slow = await pausesOf(0.1);
    expect(slow).toHaveLength(fast.length);
    expect(sum(slow)).toBeCloseTo(sum(fast) - 0.1 * fast.length);
    expect(await pausesOf(500)).toEqual([]);
  });

  test("does not slow down because others use the processor", async () => {
    expect(sum(await pausesOf(0, 20))).toBeLessThanOrEqual(sum(await pausesOf(0)));
  });
});
