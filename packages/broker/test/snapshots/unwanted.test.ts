/** Snapshots that arrive whole and sound, and yet must not be installed. */
import { expect, test } from "vitest";
import { SnapshotSource } from "../../src/snapshots/source.ts";
import { MemoryStateStore } from "../../src/storage/memory-state-store.ts";
import { directly, filledNode, LOGGER, receiverOf, sourceOf, TestClock } from "./harness.ts";

const WISH = { index: 1, sources: ["a"] };

test("one of another cluster, whose every byte is in order", async () => {
  const node = await filledNode();
  const clock = new TestClock();
  const foreign = new SnapshotSource({
    clusterId: "facade",
    states: node.states,
    log: node.log,
    now: clock.now,
    pause: clock.pause,
    logger: LOGGER,
    onFault: () => {},
  });
  const receiving = receiverOf(directly(foreign));
  expect(await receiving.fetch(WISH)).toBeUndefined();
  expect(receiving.warnings[0]).toContain("it is of cluster facade");
  expect(receiving.received).toEqual([]);
});

test("one that is given up while its rows are being loaded, for a later one", async () => {
  const first = await filledNode(20);
  const second = await filledNode(40);
  const sources = { first: sourceOf(first).source, second: sourceOf(second).source };
  const receiving = receiverOf((from, request) => {
    return directly(sources[from as "first" | "second"])(from, request);
  });
  const { states, receiver } = receiving;
  const stage = states.stage.bind(states);
  let stages = 0;
  states.stage = async () => {
    const staged = await stage();
    const finish = staged.finish.bind(staged);
    const isFirst = ++stages === 1;
    staged.finish = async (mark) => {
      const store = await finish(mark);
      const later = { index: second.queue.applied, sources: ["second"] };
      // Its rows are about to be read, and the leader's log begins behind them by now.
      if (isFirst) receiver.want(later);
      return store;
    };
    return staged;
  };
  await receiving.fetch({ index: 1, sources: ["first"] });
  expect(stages).toBe(2);
  expect(receiving.received.map(({ base }) => base.index)).toEqual([second.queue.applied]);
  expect(receiving.received[0]?.store).toBeInstanceOf(MemoryStateStore);
  expect(receiving.faults).toEqual([]);
});
