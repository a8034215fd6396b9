/**
 * The desk hands out a backup piece by piece: again to who has lost an answer, never out of order,
 * never two at a time, and not for ever.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { BackupDesk } from "../../src/backup/desk.ts";
import { IDLE_MS_REPLACED, TAKING_MS_MAX } from "../../src/backup/limits.ts";
import { readBackup } from "../../src/backup/reader.ts";
import type { BackupPiece } from "../../src/operations/broker.ts";
import { type FilledNode, filledNode } from "../snapshots/harness.ts";
import { backupsOf, inPieces } from "./harness.ts";

const [A, B] = ["a".repeat(32), "b".repeat(32)];

function deskOf(node: FilledNode) {
  const backups = backupsOf(node);
  const clock = { nowMs: 0 };
  const opened: number[] = [];
  const desk = new BackupDesk({
    open: (minIndex, signal) => {
      opened.push(minIndex);
      return backups.open(minIndex, signal);
    },
    now: () => clock.nowMs,
  });
  return { desk, clock, opened, backups };
}

async function readAll(desk: BackupDesk, id: string): Promise<BackupPiece[]> {
  const pieces: BackupPiece[] = [];
  for (let offset = 0; ; ) {
    const piece = await desk.read(id, offset, 1);
    pieces.push(piece);
    if (piece.sha256 !== undefined) return pieces;
    offset += piece.bytes.length;
  }
}

const codeOf = (reading: Promise<unknown>) => reading.then(undefined, (error) => error.code);

describe("the desk", () => {
  test("hands out a whole backup in pieces of a bounded size", async () => {
    const { desk, opened } = deskOf(await filledNode(60, 100_000));
    const pieces = await readAll(desk, A);
    expect(pieces.length).toBeGreaterThan(5);
    expect(Math.max(...pieces.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(1024 * 1024);
    const bytes = Buffer.concat(pieces.map((piece) => piece.bytes));
    const kinds = [];
    for await (const { kind } of readBackup(inPieces(bytes))) kinds.push(kind);
    expect([kinds[0], kinds.at(-1)]).toEqual(["head", "end"]);
    expect(opened).toEqual([1]);
  });

  test("gives the last piece again, even the very last, and even while it is being read", async () => {
    const { desk } = deskOf(await filledNode(20, 100_000));
    const [first, again] = await Promise.all([desk.read(A, 0, 1), desk.read(A, 0, 1)]);
    expect(again).toBe(first);
    const next = first.bytes.length;
    const [second, twice] = await Promise.all([desk.read(A, next, 1), desk.read(A, next, 1)]);
    expect(twice).toBe(second);
    expect(await codeOf(desk.read(A, 0, 1))).toBe("invalid_request");
    expect(await codeOf(desk.read(A, next + 1, 1))).toBe("invalid_request");
    let piece = second;
    while (piece.sha256 === undefined) {
      piece = await desk.read(A, piece.offset + piece.bytes.length, 1);
    }
    expect(await desk.read(A, piece.offset, 1)).toBe(piece);
    const end = piece.offset + piece.bytes.length;
    expect(await codeOf(desk.read(A, end, 1))).toBe("invalid_request");
  });

  test("takes one at a time, and gives up one that nobody reads as soon as another is wanted", async () => {
    const { desk, clock } = deskOf(await filledNode(20, 100_000));
    const first = await desk.read(A, 0, 1);
    expect(await codeOf(desk.read(B, 0, 1))).toBe("overloaded");
    clock.nowMs += IDLE_MS_REPLACED;
    await desk.read(B, 0, 1);
    expect(await codeOf(desk.read(A, first.bytes.length, 1))).toBe("position_compacted");
  });

  test("lets the next one begin at once when one was read to its end", async () => {
    const { desk, backups } = deskOf(await filledNode(5));
    await readAll(desk, A);
    await readAll(desk, B);
    await nextTurn();
    const free = await backups.open(1, new AbortController().signal);
    await free.close();
  });

  test("keeps none for ever, however steadily it is read", async () => {
    const { desk, clock } = deskOf(await filledNode(20, 100_000));
    await desk.read(A, 0, 1);
    clock.nowMs += TAKING_MS_MAX + 1;
    expect((await desk.read(B, 0, 1)).offset).toBe(0);
  });

  test("knows nothing of one that was begun elsewhere", async () => {
    const { desk } = deskOf(await filledNode(5));
    expect(await codeOf(desk.read(A, 512, 1))).toBe("position_compacted");
  });

  test("says it when none is to be had, and begins anew when asked again", async () => {
    const { desk, backups } = deskOf(await filledNode(5));
    const other = await backups.open(1, new AbortController().signal);
    expect(await codeOf(desk.read(A, 0, 1))).toBe("overloaded");
    await other.close();
    expect((await desk.read(A, 0, 1)).sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});
