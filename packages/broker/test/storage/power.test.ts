/**
 * What is left when the power goes: every write that was not fsynced may be missing, each on its
 * own, and a crash may come between any two writes. What was told as durable is there all the same.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { appended, entries } from "../../../../test/conformance/log-store.ts";
import { encodeFlush, NO_MARK } from "../../src/storage/flush-record.ts";
import { LevelLogStore, openLogStore, recoverLog } from "../../src/storage/log-store.ts";
import { flushKey } from "../../src/storage/state-record.ts";
import { LevelStateStore, openStateStore } from "../../src/storage/state-store.ts";
import { type CrashPlan, openCrashing } from "./crashing-level.ts";
import { scratchDirectory } from "./scratch.ts";

const ALL_UNSYNCED: CrashPlan = { writes: 99, lost: () => true };
const KEY = Uint8Array.of(1);
const FLUSHED = { applied: 7, logDurable: { term: 1, index: 7 }, membership: new Uint8Array() };

async function emptyLog(plan: CrashPlan) {
  const path = join(await scratchDirectory(), "log");
  const { level, arm } = await openCrashing(path);
  const log = new LevelLogStore(level, await recoverLog(level, "create"));
  const reopened = async () => {
    await log.close();
    return await openLogStore(path, { mode: "existing" });
  };
  return { log, reopened, arm: () => arm(plan) };
}

/** A state that is flushed once by plan, and what the next start finds of it. */
async function flushedBy(plan: CrashPlan) {
  const path = join(await scratchDirectory(), "state");
  const { level, arm } = await openCrashing(path);
  const first = { sequence: 0, mark: NO_MARK };
  await level.batch().put(flushKey(0), encodeFlush(first)).write({ sync: true });
  const store = new LevelStateStore(level, first);
  arm(plan);
  const writes = [{ key: KEY, value: Uint8Array.of(42) }];
  const isDone = await store.flush({ applied: 7, writes }, FLUSHED).then(
    () => true,
    () => false,
  );
  await store.close();
  const found = await openStateStore(path, { mode: "existing" });
  const { applied } = found.mark;
  const value = found.get(KEY)?.[0];
  await found.close();
  return { isDone, applied, value };
}

test("a flush that was told as done is there, state and mark", async () => {
  expect(await flushedBy(ALL_UNSYNCED)).toEqual({ isDone: true, applied: 7, value: 42 });
});

test("a flush that a crash cuts short leaves neither its state nor its mark, or both", async () => {
  for (let writes = 0; ; writes++) {
    const { isDone, applied, value } = await flushedBy({ writes });
    expect([
      [0, undefined],
      [7, 42],
    ]).toContainEqual([applied, value]);
    if (isDone) break;
  }
});

test("an append is there if one that shares its write had to be durable", async () => {
  const { log, reopened, arm } = await emptyLog(ALL_UNSYNCED);
  arm();
  const running = log.append(appended(entries(1, 1, 1)), true);
  // These wait for it, and then go together.
  const waiting = [
    log.append(appended(entries(2, 2, 1)), false),
    log.append(appended(entries(3, 3, 1)), true),
  ];
  await Promise.all([running, ...waiting]);
  const found = await reopened();
  expect(found.last.index).toBe(3);
  await found.close();
});

test("no entry is gone before it is durable that the log begins behind it", async () => {
  // The first write of a compaction says where the log begins, the others remove.
  const { log, reopened, arm } = await emptyLog({ writes: 99, lost: (write) => write === 0 });
  await log.append(appended(entries(1, 30, 1)), true);
  arm();
  await log.compact(20);
  const found = await reopened();
  expect(found.base.index).toBe(20);
  expect((await found.read(21, 1 << 20)).entries).toHaveLength(10);
  await found.close();
});
