/**
 * Real processes that are killed, or whose disk fails, while they compact the log or install a
 * received state: the next start finds one whole state with the log that follows it, and a log
 * whose front is gone up to its base and no further.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { entries, plain } from "../../../../test/conformance/log-store.ts";
import { needs } from "../../../../test/needs.ts";
import { type DataDir, openDataDir } from "../../src/storage/data-dir.ts";
import { scratchDirectory } from "./scratch.ts";
import { smallFileSystem } from "./small-file-system.ts";
import { inject, runWriter, STOPPED, type WriterEnd } from "./writer.ts";

const NODE = { nodeId: "node1", maxConnections: 16 };
const BYTES = 700;

/** Everything from the base on is there, and the state reaches the base. */
async function expectCompacted(path: string, end: WriterEnd): Promise<number> {
  const dir = await openDataDir({ ...NODE, path });
  try {
    expect(dir.verdict).toEqual({ kind: "clean" });
    const { base, last } = dir.log;
    expect(last.index).toBeGreaterThanOrEqual(end.acknowledged.at(-1) ?? 0);
    expect(base.index).toBeLessThanOrEqual(dir.states.live.mark.applied);
    const slice = await dir.log.read(base.index + 1, 1 << 30);
    expect(plain(slice.entries)).toEqual(plain(entries(base.index + 1, last.index, 1, BYTES)));
    return base.index;
  } finally {
    await dir.close();
  }
}

/** One whole state: that of the last acknowledged step, or of the one under way. */
async function expectOneState(path: string, end: WriterEnd): Promise<void> {
  const dir = await openDataDir({ ...NODE, path });
  try {
    expect(dir.verdict).toEqual({ kind: "clean" });
    const step = await stepOf(dir);
    const last = end.acknowledged.at(-1) ?? 0;
    expect([last, last + 1]).toContain(step);
    expect(dir.log.base.index).toBe(step * 1000);
    const slice = await dir.log.read(step * 1000 + 1, 1 << 30);
    expect([0, 20]).toContain(slice.entries.length);
    expect((await readdir(path)).filter((name) => /^state-/.test(name))).toHaveLength(1);
    await installNext(dir, step + 1);
  } finally {
    await dir.close();
  }
}

/** The directory can be used as if nothing had happened. */
async function installNext({ states, log }: DataDir, step: number): Promise<void> {
  const staged = await states.stage();
  await staged.write([[Uint8Array.of(1), Uint8Array.of(step)]]);
  const id = { term: step, index: step * 1000 };
  await staged.finish({ applied: id.index, logDurable: id, membership: new Uint8Array() });
  const base = { ...id, chain: String(step).padStart(16, "0") };
  await states.install(staged, base);
  await log.reset(base);
  await log.append(
    { truncateFrom: undefined, entries: entries(id.index + 1, id.index + 2, step) },
    true,
  );
}

async function stepOf({ states }: DataDir): Promise<number> {
  const { applied } = states.live.mark;
  const range = { gte: new Uint8Array(), lt: Uint8Array.of(255) };
  const rows = await states.live.scan(range, 100);
  const values = new Set(rows.map(([, value]) => value[0]));
  const step = applied / 1000;
  expect([...values]).toEqual(step === 0 ? [] : [step]);
  expect(rows).toHaveLength(step === 0 ? 0 : 30);
  return step;
}

describe("kills while compacting", () => {
  test("again and again on one directory", async () => {
    const path = join(await scratchDirectory(), "data");
    const bases: number[] = [];
    for (let round = 1; round <= 4; round++) {
      const end = await runWriter({
        mode: "compact",
        path,
        steps: 4000,
        entryBytes: BYTES,
        killAfter: 40 + round * 23,
      });
      expect(end.signal).toBe("SIGKILL");
      bases.push(await expectCompacted(path, end));
    }
    expect(bases).toEqual([...bases].sort((a, b) => a - b));
    expect(bases[0]).toBeGreaterThan(0);
  });

  for (const when of [20, 39, 40, 41, 59, 60, 61, 120]) {
    needs("strace")(`at write no. ${when} to the log`, async () => {
      const path = join(await scratchDirectory(), "data");
      const wal = join(path, "log", "000003.log");
      const kill = ["-e", "trace=write", "-e", `inject=write:signal=SIGKILL:when=${when}`];
      const strace = ["-o", "/dev/null", "-P", wal, ...kill];
      const end = await runWriter({ mode: "compact", path, steps: 400, entryBytes: BYTES, strace });
      expect(end.code).not.toBe(0);
      await expectCompacted(path, end);
    });
  }
});

describe("kills while installing", () => {
  const install = { mode: "install", entryBytes: BYTES } as const;

  test.each([1, 2, 5])("after step %i", async (killAfter) => {
    const path = join(await scratchDirectory(), "data");
    const end = await runWriter({ ...install, path, steps: 200, killAfter });
    expect(end.signal).toBe("SIGKILL");
    await expectOneState(path, end);
  });

  // Counted from the founding of the directory on, which takes the first few of each.
  const points: readonly (readonly [call: string, counts: readonly number[]])[] = [
    ["fdatasync", [12, 14, 16, 18, 20, 22]],
    ["fsync", [6, 8, 9, 10, 11, 12]],
    ["rename", [4, 6, 7, 8, 9]],
    ["unlink", [6, 10, 14]],
    ["rmdir", [1]],
  ];

  for (const [call, counts] of points) {
    for (const when of counts) {
      needs("strace")(`at ${call} no. ${when}`, async () => {
        const path = join(await scratchDirectory(), "data");
        const kill = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=${when}`];
        const strace = ["-o", "/dev/null", ...kill];
        const end = await runWriter({ ...install, path, steps: 8, strace });
        expect(end.code).not.toBe(0);
        await expectOneState(path, end);
      });
    }
  }
});

describe("a failing disk", () => {
  const faults: readonly (readonly [string, number, string, RegExp])[] = [
    ["write", 21, "log/000003.log", /StorageFault: log: (append|compact) failed/],
    ["fdatasync", 18, "log/000003.log", /StorageFault: log: (append|compact) failed/],
  ];

  for (const [call, when, file, message] of faults) {
    needs("strace")(`EIO from ${call} no. ${when} while compacting stops the process`, async () => {
      const directory = await scratchDirectory();
      const path = join(directory, "data");
      const trace = join(directory, "trace");
      const strace = ["-o", trace, ...inject(call, "EIO", when, join(path, file))];
      const end = await runWriter({ mode: "compact", path, steps: 900, entryBytes: BYTES, strace });
      expect(await readFile(trace, "utf8")).toContain("INJECTED");
      expect(end.stderr).toMatch(message);
      expect(end.code).toBe(STOPPED);
      await expectCompacted(path, end);
    });
  }

  for (const [file, call] of [
    ["state-2/000003.log", "write"],
    ["state-2/000003.log", "fdatasync"],
  ] as const) {
    needs("strace")(`EIO from the staged state's ${call} stops the process`, async () => {
      const directory = await scratchDirectory();
      const path = join(directory, "data");
      const strace = ["-o", "/dev/null", ...inject(call, "EIO", 2, join(path, file))];
      const end = await runWriter({
        mode: "install",
        path,
        steps: 3,
        entryBytes: BYTES,
        strace,
      });
      expect(end.stderr).toMatch(/StorageFault: state: write failed/);
      expect(end.code).toBe(STOPPED);
      expect(end.acknowledged).toEqual([]);
      const dir = await openDataDir({ ...NODE, path });
      expect(await stepOf(dir)).toBe(0);
      await dir.close();
    });
  }

  needs("mount")(
    "a full file system stops it; the old state is there and space is back",
    async () => {
      const mounted = await smallFileSystem(24);
      const path = join(mounted, "data");
      const ballast = join(mounted, "ballast");
      const first = await runWriter({ mode: "install", path, steps: 1, entryBytes: 20_000 });
      expect(first.code).toBe(0);
      await writeFile(ballast, Buffer.alloc(14 << 20));
      const end = await runWriter({ mode: "install", path, steps: 1, entryBytes: 800_000 });
      expect(end.stderr).toMatch(/No space left|ENOSPC/);
      expect(end.code).toBe(STOPPED);
      await rm(ballast);
      await expectOneState(path, first);
    },
  );
});
