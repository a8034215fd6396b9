/** What a receiver hands to its disk while a write before it is not durable yet. */
import { describe, expect, test } from "vitest";
import type { StateRow } from "../../src/ports.ts";
import { GATHERED_BYTES_MAX } from "../../src/snapshots/limits.ts";
import { RowWriter } from "../../src/snapshots/row-writer.ts";
import { nextTurn } from "./harness.ts";

interface Write {
  readonly rows: readonly StateRow[];
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

/** A disk on which each write takes until it is told to end. */
function slowDisk() {
  const writes: Write[] = [];
  const write = (rows: readonly StateRow[]) =>
    new Promise<void>((done, fail) => writes.push({ rows, done, fail }));
  return { writes, writer: new RowWriter({ write }) };
}

const row = (n: number, bytes = 10): StateRow => [Uint8Array.of(n), new Uint8Array(bytes)];

/** Has it ended by now? */
async function isOver(work: Promise<unknown>): Promise<boolean> {
  let over = false;
  const note = () => {
    over = true;
  };
  work.then(note, note);
  await nextTurn();
  return over;
}

test("rows that come during a write go together with the next one, in their order", async () => {
  const { writes, writer } = slowDisk();
  for (const n of [1, 2, 3, 4]) await writer.add([row(n)]);
  const written = writer.written();
  expect(writes.map(({ rows }) => rows.length)).toEqual([1]);
  writes[0]!.done();
  await nextTurn();
  expect(writes.map(({ rows }) => rows.map(([key]) => key[0]))).toEqual([[1], [2, 3, 4]]);
  expect(await isOver(written)).toBe(false);
  writes[1]!.done();
  await written;
  expect(writes).toHaveLength(2);
});

test("no more is taken while as much as is allowed waits", async () => {
  const { writes, writer } = slowDisk();
  await writer.add([row(1)]);
  const full = writer.add([row(2, GATHERED_BYTES_MAX)]);
  expect(await isOver(full)).toBe(false);
  writes[0]!.done();
  await full;
  expect(writes).toHaveLength(2);
});

test("what waits is given up, and what is being written is waited for", async () => {
  const { writes, writer } = slowDisk();
  await writer.add([row(1)]);
  await writer.add([row(2)]);
  const stopped = writer.stop();
  expect(await isOver(stopped)).toBe(false);
  writes[0]!.done();
  await stopped;
  expect(writes).toHaveLength(1);
});

describe("a write that fails is the last one, and is told to whoever", () => {
  test.each<[string, (writer: RowWriter) => Promise<void>]>([
    ["waits for the end", (writer) => writer.written()],
    ["gives up", (writer) => writer.stop()],
    ["brings one more", (writer) => writer.add([row(3)])],
    ["brings more than may wait", (writer) => writer.add([row(3, GATHERED_BYTES_MAX)])],
  ])("%s", async (_who, act) => {
    const { writes, writer } = slowDisk();
    await writer.add([row(1)]);
    await writer.add([row(2)]);
    writes[0]!.fail(new Error("the disk is gone"));
    await nextTurn();
    await expect(act(writer)).rejects.toThrow("the disk is gone");
    expect(writes).toHaveLength(1);
  });
});
