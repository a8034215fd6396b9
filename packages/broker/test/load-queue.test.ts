/** Loading a long queue leaves the event loop its turns, also after the last record was read. */
import { expect, test } from "vitest";
import { BadState, loadQueue } from "../src/load-queue.ts";
import { QueueMachine } from "../src/queue/index.ts";
import { FilledNode, rowsOf } from "./snapshots/harness.ts";

test("a queue of many tasks is put together in pieces, with turns between them", async () => {
  const node = new FilledNode();
  await node.submit(6000);
  await node.flush();
  const { settle } = QueueMachine.prototype;
  const turns: number[] = [];
  let turn = 0;
  let isOver = false;
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  QueueMachine.prototype.settle = function* (this: QueueMachine) {
    for (const piece of settle.call(this)) {
      turns.push(turn);
      yield piece;
    }
  };
  count();
  const queue = await loadQueue(node.states.live).finally(() => {
    isOver = true;
    QueueMachine.prototype.settle = settle;
  });
  queue.checkInvariants();
  expect(queue.counts()).toEqual(node.queue.counts());
  expect(turns.length).toBeGreaterThanOrEqual(3);
  expect(new Set(turns).size).toBe(turns.length);
});

test("records that disagree at the very end are no state", async () => {
  const node = new FilledNode();
  await node.submit(5000);
  await node.flush();
  const last = (await rowsOf(node.states.live)).findLast(([key]) => key[0] === 0x6c);
  const { mark } = node.states.live;
  const writes = [{ key: last![0], value: undefined }];
  await node.states.live.flush({ applied: mark.applied, writes }, mark);
  await expect(loadQueue(node.states.live)).rejects.toThrow(BadState);
});
