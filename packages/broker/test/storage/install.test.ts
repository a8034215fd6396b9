/**
 * Installing a received state in a data directory: whatever a crash leaves of it, the next start
 * finds the old state with the old log or the new state with a log that follows it (I25), never
 * a mixture, and the one after that finds the same.
 */
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { appended, entries, entry } from "../../../../test/conformance/log-store.ts";
import { rowsOf } from "../../../../test/conformance/state-directory.ts";
import { bytes, flushTexts } from "../../../../test/conformance/state-store.ts";
import type { FlushMark, LogBase } from "../../src/ports.ts";
import { type DataDir, openDataDir } from "../../src/storage/data-dir.ts";
import {
  readStatePointer,
  STATE_POINTER,
  writeStatePointer,
} from "../../src/storage/state-pointer.ts";
import { StorageDamage } from "../../src/storage/storage-error.ts";
import { scratchDirectory } from "./scratch.ts";

const CHAIN = "0123456789abcdef";

function opened(path: string): Promise<DataDir> {
  return openDataDir({ path, nodeId: "node1", maxConnections: 16 });
}

function markOf(applied: number, term: number): FlushMark {
  return { applied, logDurable: { term, index: applied }, membership: bytes("m") };
}

interface Case {
  readonly name: string;
  /** Where the log goes on behind the new state; undefined: as the log itself has it. */
  readonly base: LogBase | undefined;
  readonly kept: boolean;
}

// The old log holds entries 1 to 10 of term 1, the old state is that after entry 4.
const CASES: readonly Case[] = [
  { name: "a shorter log", base: { index: 5000, term: 3, chain: CHAIN }, kept: false },
  { name: "a log that ends there", base: { index: 10, term: 3, chain: CHAIN }, kept: false },
  { name: "a log with other entries", base: { index: 8, term: 3, chain: CHAIN }, kept: false },
  { name: "a log that holds the entry", base: undefined, kept: true },
];

const STEPS = [
  "begun",
  "written",
  "finished",
  "switched",
  "switched, the old state half gone",
  "switched, the old state gone",
  "reset",
  "all done",
] as const;

type Step = (typeof STEPS)[number];

/** A copy of the data directory as a crash after `step` leaves it. */
async function crashedAfter(step: Step, { base: wanted }: Case): Promise<[string, LogBase]> {
  const path = join(await scratchDirectory(), "data");
  const dir = await opened(path);
  await dir.log.append(appended(entries(1, 10, 1)), true);
  const records = [{ key: bytes("a"), value: bytes("old") }];
  await dir.states.live.flush({ applied: 4, writes: records }, markOf(4, 1));
  const base = wanted ?? { index: 8, term: 1, chain: await dir.log.chainAt(8) };
  const staged = await dir.states.stage();
  if (step !== "begun") {
    await staged.write(rowsOf({ a: "new", b: "new" }));
  }
  const at = STEPS.indexOf(step);
  if (at >= STEPS.indexOf("finished")) {
    await staged.finish(markOf(base.index, base.term));
  }
  const copy = `${path}-after`;
  if (at >= STEPS.indexOf("reset")) {
    await dir.states.install(staged, base);
    await dir.log.reset(base);
    await dir.close();
    await cp(path, copy, { recursive: true });
    return [copy, base];
  }
  await cp(path, copy, { recursive: true });
  await dir.close();
  if (at >= STEPS.indexOf("switched")) {
    await writeStatePointer(copy, { number: 2, base });
  }
  if (step === "switched, the old state half gone") {
    await rm(join(copy, "state-1", "CURRENT"));
  } else if (step === "switched, the old state gone") {
    await rm(join(copy, "state-1"), { recursive: true });
  }
  return [copy, base];
}

async function statesOf(path: string): Promise<readonly string[]> {
  return (await readdir(path)).filter((name) => /^state-/.test(name));
}

async function expectOld(path: string): Promise<void> {
  const dir = await opened(path);
  expect(dir.verdict).toEqual({ kind: "clean" });
  expect(dir.states.live.mark).toEqual(markOf(4, 1));
  expect(dir.states.live.get(bytes("a"))).toEqual(bytes("old"));
  expect(dir.states.live.get(bytes("b"))).toBeUndefined();
  expect(dir.log.base.index).toBe(0);
  expect((await dir.log.read(1, 1 << 20)).entries).toHaveLength(10);
  await dir.close();
  expect(await statesOf(path)).toEqual(["state-1"]);
}

async function expectNew(path: string, base: LogBase, kept: boolean): Promise<void> {
  const dir = await opened(path);
  expect(dir.verdict).toEqual({ kind: "clean" });
  expect(dir.states.live.mark).toEqual(markOf(base.index, base.term));
  expect(dir.states.live.get(bytes("a"))).toEqual(bytes("new"));
  expect(await dir.log.chainAt(base.index)).toBe(base.chain);
  const last = kept ? 10 : base.index;
  expect(dir.log.last.index).toBe(last);
  expect(dir.log.base.index).toBe(kept ? 0 : base.index);
  // What is written now is not undone by another start.
  await dir.log.append(appended(entries(last + 1, last + 3, 4)), true);
  await dir.log.compact(base.index);
  await flushTexts(dir.states.live, last + 2, { c: "later" });
  await dir.close();
  expect(await statesOf(path)).toEqual(["state-2"]);
  const again = await opened(path);
  expect(again.log.base.index).toBe(base.index);
  expect(again.log.last).toEqual({ term: 4, index: last + 3 });
  expect(again.states.live.get(bytes("c"))).toEqual(bytes("later"));
  await again.close();
}

describe.each(CASES)("a crash, with $name", (each) => {
  test.each(STEPS)("after: %s", async (step) => {
    const [path, base] = await crashedAfter(step, each);
    if (STEPS.indexOf(step) < STEPS.indexOf("switched")) {
      await expectOld(path);
    } else {
      // A log that was reset, although it need not have been, is as good.
      await expectNew(path, base, each.kept && STEPS.indexOf(step) < STEPS.indexOf("reset"));
    }
  });
});

describe("an installation", () => {
  test("that follows another, by way of a directory that was opened anew each time", async () => {
    const path = join(await scratchDirectory(), "data");
    for (const index of [9, 10, 99, 100]) {
      const dir = await opened(path);
      const staged = await dir.states.stage();
      await staged.write(rowsOf({ a: `${index}` }));
      await staged.finish(markOf(index, 1));
      const base = { index, term: 1, chain: CHAIN };
      await dir.states.install(staged, base);
      await dir.log.reset(base);
      expect(dir.states.installed).toEqual(base);
      await dir.close();
      expect(await statesOf(path)).toHaveLength(1);
    }
    const dir = await opened(path);
    expect(await statesOf(path)).toEqual(["state-5"]);
    expect(dir.states.live.get(bytes("a"))).toEqual(bytes("100"));
    await dir.close();
  });

  test("with a log restored from before it: what the state vouches for is missed", async () => {
    const path = join(await scratchDirectory(), "data");
    const dir = await opened(path);
    await dir.log.append(appended(entries(1, 10, 1)), true);
    await cp(join(path, "log"), `${path}-log`, { recursive: true });
    const staged = await dir.states.stage();
    await staged.finish(markOf(50, 2));
    const base = { index: 50, term: 2, chain: CHAIN };
    await dir.states.install(staged, base);
    await dir.log.reset(base);
    await dir.log.append(appended(entries(51, 60, 2)), true);
    await dir.states.live.flush({ applied: 55, writes: [] }, markOf(55, 2));
    await dir.close();
    await rm(join(path, "log"), { recursive: true });
    await rename(`${path}-log`, join(path, "log"));
    const after = await opened(path);
    expect(after.verdict).toMatchObject({ kind: "recovering", needs: 55 });
    await after.close();
  });

  test("the log's own entry there is another, with nothing before it to decide", async () => {
    const path = join(await scratchDirectory(), "data");
    const dir = await opened(path);
    const staged = await dir.states.stage();
    await staged.finish(markOf(50, 2));
    await dir.states.install(staged, { index: 50, term: 2, chain: CHAIN });
    await dir.log.reset({ index: 50, term: 2, chain: "ffffffffffffffff" });
    await dir.close();
    await expect(opened(path)).rejects.toThrow(/begins behind another entry 50/);
  });
});

describe("what is left of other states", () => {
  test("is removed at a start, once the live one is found", async () => {
    const path = join(await scratchDirectory(), "data");
    await (await opened(path)).close();
    await mkdir(join(path, "state-2"));
    await writeFile(join(path, "state-2", "000005.ldb"), "torn");
    await mkdir(join(path, "state-10"));
    await writeFile(join(path, "state-x"), "somebody else's");
    await (await opened(path)).close();
    expect(await statesOf(path)).toEqual(["state-1", "state-x"]);
  });

  test("stays as long as the live one is not to be had", async () => {
    const path = join(await scratchDirectory(), "data");
    await (await opened(path)).close();
    await rename(join(path, "state-1"), join(path, "state-2"));
    await expect(opened(path)).rejects.toThrow(/database is missing/);
    expect(await statesOf(path)).toEqual(["state-2"]);
  });
});

describe("the pointer", () => {
  const base = { index: 1234, term: 5, chain: CHAIN };

  test("with a base and without one", async () => {
    const path = await scratchDirectory();
    expect(await readStatePointer(path)).toBeUndefined();
    await writeStatePointer(path, { number: 10, base });
    expect(await readStatePointer(path)).toEqual({ number: 10, base });
    await writeStatePointer(path, { number: 11, base: undefined });
    expect(await readStatePointer(path)).toEqual({ number: 11, base: undefined });
  });

  test("as it was written before states could be installed", async () => {
    const path = await scratchDirectory();
    await writeFile(join(path, STATE_POINTER), "tq state pointer 1\nstate-1\n5da05a42\n");
    const read = readStatePointer(path);
    await expect(read).resolves.toEqual({ number: 1, base: undefined });
  });

  test("any other bit, any shorter length and anything behind it is damage", async () => {
    const path = await scratchDirectory();
    const where = join(path, STATE_POINTER);
    await writeStatePointer(path, { number: 10, base });
    const whole = await readFile(where);
    const damaged: Buffer[] = [Buffer.concat([whole, Buffer.from("\n")])];
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at]! ^= 1 << (at % 8);
      damaged.push(flipped, whole.subarray(0, at));
    }
    for (const content of damaged) {
      await writeFile(where, content);
      await expect(readStatePointer(path), content.toString()).rejects.toBeInstanceOf(
        StorageDamage,
      );
    }
  });

  test("to a state that is older than the installation is damage", async () => {
    const path = join(await scratchDirectory(), "data");
    const dir = await opened(path);
    await dir.log.append(appended([entry(1, 1)]), true);
    await dir.close();
    await writeStatePointer(path, { number: 1, base });
    await expect(opened(path)).rejects.toThrow(/after entry 0, but was installed as that after/);
    await expect(opened(path)).rejects.toBeInstanceOf(StorageDamage);
    const log = await readdir(join(path, "log"));
    expect(log.length).toBeGreaterThan(0);
  });
});
