/**
 * Real processes on a disk that fails: every kind of failing write, a full file system, kills in
 * the middle of a cut. The process must be gone before it acknowledges anything else, and what it
 * acknowledged must be there afterwards.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { entries, entry } from "../../../../test/conformance/log-store.ts";
import { needs } from "../../../../test/needs.ts";
import { openDataDir } from "../../src/storage/data-dir.ts";
import { scratchDirectory } from "./scratch.ts";
import { smallFileSystem } from "./small-file-system.ts";
import { inject, runWriter, STOPPED, type WriterEnd } from "./writer.ts";

const ENTRY_BYTES = 700;
const NODE = { nodeId: "node1", maxConnections: 16 };

/** The log must open clean and hold every acknowledged entry; at most one more. */
async function expectAllThere(path: string, end: WriterEnd, bytes: number): Promise<void> {
  const dir = await openDataDir({ ...NODE, path });
  try {
    expect(dir.verdict).toEqual({ kind: "clean" });
    const last = end.acknowledged.at(-1) ?? 0;
    expect([last, last + 1]).toContain(dir.log.last.index);
    const slice = await dir.log.read(1, 1 << 30);
    const wrong = entries(1, last, 1, bytes).filter(
      ({ data }, at) => !Buffer.from(data).equals(slice.entries[at]?.data ?? Buffer.of()),
    );
    expect(wrong).toEqual([]);
  } finally {
    await dir.close();
  }
}

describe("a failing disk", () => {
  // Every call on the log's first write-ahead file; `when` counts in the one libuv thread.
  const faults: readonly (readonly [call: string, error: string, when: number])[] = [
    ["write", "EIO", 4],
    ["write", "EIO", 37],
    ["write", "ENOSPC", 60],
    ["fdatasync", "EIO", 3],
    ["fdatasync", "EIO", 41],
  ];

  for (const [call, error, when] of faults) {
    needs("strace")(`${error} from the log's ${call} no. ${when} stops the process`, async () => {
      const directory = await scratchDirectory();
      const path = join(directory, "data");
      const wal = join(path, "log", "000003.log");
      const end = await runWriter({
        mode: "append",
        path,
        steps: 400,
        entryBytes: ENTRY_BYTES,
        strace: ["-o", join(directory, "trace"), ...inject(call, error, when, wal)],
      });
      expect(await readFile(join(directory, "trace"), "utf8")).toContain("INJECTED");
      expect(end.stderr).toMatch(/StorageFault: log: append failed/);
      expect(end.code).toBe(STOPPED);
      expect(end.acknowledged.length).toBeGreaterThan(0);
      expect(end.acknowledged.length).toBeLessThan(when + 1);
      await expectAllThere(path, end, ENTRY_BYTES);
      const again = await runWriter({ mode: "append", path, steps: 5, entryBytes: ENTRY_BYTES });
      expect(again.code).toBe(0);
      await expectAllThere(path, again, ENTRY_BYTES);
    });
  }

  needs("strace")("EIO from the state's write stops the process", async () => {
    const directory = await scratchDirectory();
    const path = join(directory, "data");
    const wal = join(path, "state-1", "000003.log");
    const strace = ["-o", "/dev/null", ...inject("write", "EIO", 3, wal)];
    const end = await runWriter({ mode: "append", path, steps: 400, entryBytes: 700, strace });
    expect(end.stderr).toMatch(/StorageFault: state: flush failed/);
    expect(end.code).toBe(STOPPED);
    expect(end.acknowledged.length).toBeLessThan(400);
    await expectAllThere(path, end, 700);
  });

  for (const call of ["pwrite64", "fdatasync"]) {
    needs("strace")(`EIO from the identity's ${call} stops the process`, async () => {
      const directory = await scratchDirectory();
      const path = join(directory, "data");
      const file = join(path, "identity");
      expect((await runWriter({ mode: "identity", path, steps: 2, entryBytes: 1 })).code).toBe(0);
      const strace = ["-o", "/dev/null", ...inject(call, "EIO", 5, file)];
      const end = await runWriter({ mode: "identity", path, steps: 50, entryBytes: 1, strace });
      expect(end.stderr).toMatch(/StorageFault: identity: save failed/);
      expect(end.code).toBe(STOPPED);
      const last = end.acknowledged.at(-1)!;
      expect(last).toBeLessThan(20);
      const dir = await openDataDir({ ...NODE, path });
      const { term, vote } = dir.identity.identity.hardState;
      expect([last, last + 1]).toContain(term);
      expect(vote).toBe(`node${term}`);
      await dir.close();
    });
  }
});

describe("a full file system", () => {
  for (const entryBytes of [700, 30_000]) {
    needs("mount")(`entries of ${entryBytes} bytes: all are there once space is free`, async () => {
      const mounted = await smallFileSystem(24);
      const path = join(mounted, "data");
      const ballast = join(mounted, "ballast");
      await writeFile(ballast, Buffer.alloc(14 << 20));
      const end = await runWriter({ mode: "append", path, steps: 40_000, entryBytes });
      expect(end.stderr).toMatch(/Storage(Fault|Stopped)/);
      expect(end.stderr).toMatch(/No space left|ENOSPC/);
      expect(end.code).toBe(STOPPED);
      expect(end.acknowledged.length).toBeGreaterThan(10);
      await rm(ballast);
      await expectAllThere(path, end, entryBytes);
    });
  }

  needs("mount")("a start on it is refused with the reason, and loses nothing", async () => {
    const mounted = await smallFileSystem(16);
    const path = join(mounted, "data");
    const end = await runWriter({ mode: "append", path, steps: 50, entryBytes: 20_000 });
    expect(end.code).toBe(0);
    const ballast = join(mounted, "ballast");
    await writeFile(ballast, Buffer.alloc(32 << 20)).catch(() => undefined);
    const refused = await runWriter({ mode: "append", path, steps: 1, entryBytes: 20_000 });
    expect(refused.code).toBe(STOPPED);
    expect(refused.stderr).toMatch(/No space left|ENOSPC/i);
    expect(refused.stderr).not.toMatch(/StorageDamage/);
    await rm(ballast);
    await expectAllThere(path, end, 20_000);
  });
});

describe("kills", () => {
  // One write of LevelDB's log is 32 KiB at most, so a batch of this size is many of them.
  const bytes = 10_000;
  const cuts = { mode: "cut", steps: 500, entryBytes: bytes } as const;

  /** The log is that of the last acknowledged step or of the one after it, never in between. */
  async function expectOneStep(path: string, end: WriterEnd): Promise<void> {
    const dir = await openDataDir({ ...NODE, path });
    const term = end.acknowledged.at(-1) ?? 0;
    const found = dir.log.last.term;
    expect([term, term + 1]).toContain(found);
    expect(dir.log.last.index).toBe(found === 1 ? 20 : 21 + (found % 2 === 0 ? 200 : 20));
    const slice = await dir.log.read(1, 1 << 30);
    const terms = slice.entries.map((each) => each.term);
    expect(terms).toEqual(slice.entries.map(({ index }) => (index < 21 ? 1 : found)));
    expect(slice.entries[20]?.data).toEqual(found === 1 ? undefined : entry(21, found, bytes).data);
    await dir.close();
  }

  // Steps 1 and 2 append, in about 70 writes; step 3 is the first cut to fewer entries.
  for (const when of [30, 66, 70, 72, 73, 75, 77, 80, 90, 150]) {
    needs("strace")(`at write no. ${when} to the log, in the middle of a cut`, async () => {
      const directory = await scratchDirectory();
      const path = join(directory, "data");
      const wal = join(path, "log", "000003.log");
      const kill = ["-e", "trace=write", "-e", `inject=write:signal=SIGKILL:when=${when}`];
      const end = await runWriter({
        ...cuts,
        path,
        strace: ["-o", "/dev/null", "-P", wal, ...kill],
      });
      expect(end.code ?? end.signal).not.toBe(0);
      expect(end.acknowledged.length).toBeLessThan(10);
      await expectOneStep(path, end);
    });
  }

  test.each([1, 2, 3, 4])("in the middle of a cut, after step %i", async (step) => {
    const path = join(await scratchDirectory(), "data");
    const end = await runWriter({ ...cuts, path, killAfter: step + 1 });
    expect(end.signal).toBe("SIGKILL");
    await expectOneStep(path, end);
  });

  test("while appending, again and again on one directory", async () => {
    const path = join(await scratchDirectory(), "data");
    for (let round = 1; round <= 4; round++) {
      const killAfter = round * 13;
      const end = await runWriter({ mode: "append", path, steps: 900, entryBytes: 700, killAfter });
      expect(end.signal).toBe("SIGKILL");
      await expectAtLeast(path, end);
    }
  });
});

/** More may have been written between the last line read and the kill. */
async function expectAtLeast(path: string, end: WriterEnd): Promise<void> {
  const dir = await openDataDir({ ...NODE, path });
  expect(dir.verdict).toEqual({ kind: "clean" });
  expect(dir.log.last.index).toBeGreaterThanOrEqual(end.acknowledged.at(-1)!);
  const slice = await dir.log.read(1, 1 << 30);
  expect(slice.entries.map(({ index }) => index)).toEqual(
    entries(1, dir.log.last.index, 1).map(({ index }) => index),
  );
  await dir.close();
}

needs("strace")("a sync covers the write-ahead log that LevelDB has just left behind", async () => {
  const directory = await scratchDirectory();
  const path = join(directory, "data");
  const trace = join(directory, "trace");
  // LevelDB cannot remove the old log before its table is synced, which is made slow here.
  const slow = ["-e", "inject=fdatasync:delay_enter=200000"];
  const calls = ["-e", "trace=fdatasync,openat,unlink"];
  // Just more than one write buffer of 16 MiB, so that a second log is young at the sync.
  const end = await runWriter({
    mode: "unsynced",
    path,
    steps: 171,
    entryBytes: 100_000,
    strace: ["-y", "-o", trace, ...calls, ...slow],
  });
  expect(end.code).toBe(0);
  const lines = (await readFile(trace, "utf8")).split("\n");
  const synced = new Map<string, boolean>();
  for (const line of lines) {
    const log = /\/log\/(\d+\.log)[">]/.exec(line)?.[1];
    if (log !== undefined && line.includes("O_CREAT")) {
      // What was synced before says nothing about what was written since.
      for (const known of [...synced.keys(), log]) {
        synced.set(known, false);
      }
    } else if (log !== undefined && line.includes("fdatasync(")) {
      synced.set(log, true);
    }
  }
  expect([...synced.keys()].length).toBeGreaterThan(1);
  expect([...synced.values()]).not.toContain(false);
});
