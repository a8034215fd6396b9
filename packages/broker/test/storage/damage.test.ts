/**
 * The damage matrix: every file of a data directory, damaged in every way that disks and people
 * damage files. Each case must be noticed at the boot, or be harmless: then everything that was
 * acknowledged is there. Never is the directory opened with less than that, or with other values.
 */
import {
  cp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { appended, entries, entry } from "../../../../test/conformance/log-store.ts";
import { type DataDir, openDataDir } from "../../src/storage/data-dir.ts";
import { StorageDamage } from "../../src/storage/storage-error.ts";
import { scratchDirectory } from "./scratch.ts";

const ENTRIES = 600;
const FLUSH_EVERY = 20;
const KEYS = 150;
const OPTIONS = { nodeId: "node1", maxConnections: 16 };

/** The records after `applied` entries: entry i writes key i mod KEYS. */
function expectedValue(key: number, applied: number): Uint8Array | undefined {
  const index = applied - ((((applied - key) % KEYS) + KEYS) % KEYS);
  return index < 1 ? undefined : entry(index, 1, 500).data;
}

function keyBytes(key: number): Uint8Array {
  return Uint8Array.from(Buffer.from(`task ${String(key).padStart(4, "0")}`));
}

async function write(dir: DataDir, from: number, to: number): Promise<void> {
  for (let last = from - 1 + FLUSH_EVERY; last <= to; last += FLUSH_EVERY) {
    const first = last - FLUSH_EVERY + 1;
    for (let index = first; index <= last; index += 5) {
      await dir.log.append(appended(entries(index, index + 4, 1, 300)), true);
    }
    const writes = entries(first, last, 1).map(({ index }) => ({
      key: keyBytes(index % KEYS),
      value: entry(index, 1, 500).data,
    }));
    const mark = { applied: last, logDurable: dir.log.last, membership: new Uint8Array([1]) };
    await dir.states.live.flush({ applied: last, writes }, mark);
  }
}

/** `complete`: all entries; `installed`: begun with a received state, compacted later. */
type History = "complete" | "installed";

const INSTALLED = 20;
const COMPACTED = 480;
const templates = new Map<History, string>();
/** The same directories as they were before the last third was written. */
const older = new Map<History, string>();

async function install(dir: DataDir): Promise<void> {
  const staged = await dir.states.stage();
  const rows = entries(1, INSTALLED, 1).map(
    ({ index }) => [keyBytes(index % KEYS), entry(index, 1, 500).data] as const,
  );
  await staged.write(rows);
  const logDurable = { term: 1, index: INSTALLED };
  await staged.finish({ applied: INSTALLED, logDurable, membership: new Uint8Array([1]) });
  const base = { ...logDurable, chain: "0123456789abcdef" };
  await dir.states.install(staged, base);
  await dir.log.reset(base);
}

async function templateOf(history: History): Promise<string> {
  const path = join(await scratchDirectory(afterAll), "data");
  // Three times opened: the first two thirds of the records stand in tables, the rest in a log.
  for (const part of [0, 1, 2]) {
    const dir = await openDataDir({ ...OPTIONS, path });
    if (history === "installed" && part === 0) {
      await install(dir);
    }
    if (history === "installed" && part === 2) {
      await write(dir, dir.log.last.index + 1, COMPACTED + FLUSH_EVERY);
      await dir.log.compact(COMPACTED);
    }
    if (part === 2) {
      const copy = join(await scratchDirectory(afterAll), "data");
      await cp(path, copy, { recursive: true });
      older.set(history, copy);
    }
    await write(dir, dir.log.last.index + 1, ((part + 1) * ENTRIES) / 3);
    await dir.identity.save({ hardState: { term: part + 1, vote: "node2" } });
    await dir.close();
  }
  return path;
}

beforeAll(async () => {
  for (const history of ["complete", "installed"] as const) {
    templates.set(history, await templateOf(history));
  }
});

type Damage = (path: string) => Promise<void>;

function flip(share: number): Damage {
  return async (path) => {
    const bytes = await readFile(path);
    const at = Math.min(bytes.length - 1, Math.floor(bytes.length * share));
    bytes[at]! ^= 0x10;
    await writeFile(path, bytes);
  };
}

function zeroed(share: number): Damage {
  return async (path) => {
    const file = await open(path, "r+");
    const { size } = await file.stat();
    const page = Math.floor((size * share) / 4096) * 4096;
    const length = Math.max(0, Math.min(4096, size - page));
    await file.write(Buffer.alloc(length), 0, length, page);
    await file.close();
  };
}

function cut(length: (size: number) => number): Damage {
  return async (path) => truncate(path, Math.max(0, length((await stat(path)).size)));
}

const DAMAGES: ReadonlyMap<string, Damage> = new Map<string, Damage>([
  ...[0, 0.3, 0.7, 0.98, 1].map((share): [string, Damage] => [
    `bit flipped at ${share}`,
    flip(share),
  ]),
  ...[0, 0.6].map((share): [string, Damage] => [`page zeroed at ${share}`, zeroed(share)]),
  ["torn by 10 bytes", cut((size) => size - 10)],
  ["cut to half", cut((size) => size >> 1)],
  ["emptied", cut(() => 0)],
  ["deleted", (path) => rm(path)],
  ["replaced by zeros", async (path) => writeFile(path, Buffer.alloc((await stat(path)).size))],
]);

/** Everything that counts: not LevelDB's notes (LOG) and not its lock. */
async function filesOf(path: string): Promise<readonly string[]> {
  const found = await readdir(path, { recursive: true, withFileTypes: true });
  return found
    .filter((file) => file.isFile() && !/^(LOG(\.old)?|LOCK)$/.test(file.name))
    .map((file) => relative(path, join(file.parentPath, file.name)))
    .sort();
}

type Outcome = "whole" | "recovering" | "older flush" | `refused: ${string}`;

/** Opens the directory and holds what it gives against what was acknowledged. */
async function openAndCompare(path: string): Promise<Outcome> {
  let dir: DataDir;
  try {
    dir = await openDataDir({ ...OPTIONS, path });
  } catch (error) {
    expect(error, String(error)).toBeInstanceOf(StorageDamage);
    return `refused: ${(error as Error).message}`;
  }
  try {
    if (dir.verdict.kind === "recovering") {
      return "recovering";
    }
    return await compare(dir);
  } finally {
    await dir.close();
  }
}

async function compare(dir: DataDir): Promise<Outcome> {
  expect(dir.identity.identity.hardState).toEqual({ term: 3, vote: "node2" });
  const first = dir.log.base.index + 1;
  expect([1, COMPACTED + 1]).toContain(first);
  const slice = await dir.log.read(first, 1 << 30);
  const wrong = entries(first, ENTRIES, 1, 300).filter(
    ({ data }, ordinal) => !Buffer.from(data).equals(slice.entries[ordinal]?.data ?? Buffer.of()),
  );
  expect(wrong, "entries missing or wrong").toEqual([]);
  const { applied } = dir.states.live.mark;
  for (let key = 0; key < KEYS; key++) {
    const expected = expectedValue(key, applied);
    expect(dir.states.live.get(keyBytes(key)), `key ${key} after ${applied}`).toEqual(expected);
  }
  const rows = await dir.states.live.scan({ gte: keyBytes(0), lt: keyBytes(9999) }, 1000);
  expect(rows).toHaveLength(Math.min(KEYS, applied));
  return applied === ENTRIES ? "whole" : "older flush";
}

async function damagedCopy(
  damage: (path: string) => Promise<void>,
  history: History = "complete",
): Promise<string> {
  const path = join(await scratchDirectory(), "data");
  await cp(templates.get(history)!, path, { recursive: true });
  await damage(path);
  return path;
}

describe("damage matrix", () => {
  test("the undamaged directory is whole, its copy too", async () => {
    const files = (await filesOf(templates.get("complete")!)).map((name) =>
      name.replace(/\d{6}/, "N"),
    );
    for (const kind of ["CURRENT", "MANIFEST-N", "N.ldb", "N.log"]) {
      expect(files).toContain(join("log", kind));
      expect(files).toContain(join("state-1", kind));
    }
    for (const history of templates.keys()) {
      expect(await openAndCompare(await damagedCopy(async () => {}, history))).toBe("whole");
    }
  });

  const cases = [...DAMAGES].flatMap(([name, damage]) => [
    ["complete", name, damage] as const,
    ["installed", name, damage] as const,
  ]);

  test.each(cases)("%s: %s", async (history, _name, damage) => {
    const outcomes: Record<string, Outcome> = {};
    for (const name of await filesOf(templates.get(history)!)) {
      const path = await damagedCopy((copy) => damage(join(copy, name)), history);
      outcomes[name] = await openAndCompare(path).catch((error) => {
        throw new Error(`${name}: opened, but ${error.message}`, { cause: error });
      });
    }
    // The identity has a second copy of every page; the end of the state's log comes again from the
    // replicated log.
    for (const [name, outcome] of Object.entries(outcomes)) {
      const harmless = outcome === "whole" ? /^identity$/ : /^state-\d\/\d+\.log$/;
      if (outcome === "whole" || outcome === "older flush") {
        expect(name, outcome).toMatch(harmless);
      }
    }
  });

  test.each(["complete", "installed"] as const)("%s: an older copy of a file", async (history) => {
    const outcomes: Record<string, Outcome> = {};
    const then = older.get(history)!;
    for (const name of await filesOf(then)) {
      const before = await readFile(join(then, name));
      const path = await damagedCopy(async (copy) => {
        // In place, so that the inode tells nothing.
        await writeFile(join(copy, name), before);
      }, history);
      // Term and vote of then: by itself a node cannot know of later ones; its peers do.
      if (name === "identity") continue;
      outcomes[name] = await openAndCompare(path).catch((error) => {
        throw new Error(`${name}: opened, but ${error.message}`, { cause: error });
      });
    }
    const found = (pattern: RegExp) =>
      Object.entries(outcomes)
        .filter(([name]) => pattern.test(name))
        .map(([, outcome]) => outcome);
    expect(found(/^log.*\.log$/)).toEqual(["recovering"]);
    expect(found(/^state.*\.log$/)).toEqual(["older flush"]);
    // A byte more or less would be damage: LevelDB's own files have not changed since.
    expect(found(/CURRENT|MANIFEST|ldb|pointer|format/).every((each) => each === "whole")).toBe(
      true,
    );
  });

  test.each(["log", "state-1"])("%s: CURRENT deleted is refused, tables stay", async (store) => {
    const path = await damagedCopy((copy) => rm(join(copy, store, "CURRENT")));
    const before = await readdir(join(path, store));
    expect(await openAndCompare(path)).toMatch(/CURRENT file is missing/);
    expect(await readdir(join(path, store))).toEqual(before);
  });

  test.each(["log", "state-1", "identity", "state.pointer", "format"])(
    "%s removed is refused, twice, and nothing is made in its place",
    async (name) => {
      const path = await damagedCopy((copy) => rm(join(copy, name), { recursive: true }));
      const before = await readdir(path);
      for (let attempt = 0; attempt < 2; attempt++) {
        expect(await openAndCompare(path)).toMatch(/refused: .* (missing|empty)/);
      }
      expect(await readdir(path)).toEqual(before);
    },
  );

  test("an older log under a newer state is recovering", async () => {
    const path = await damagedCopy(async (copy) => {
      const small = join(await scratchDirectory(), "data");
      const dir = await openDataDir({ ...OPTIONS, path: small });
      await write(dir, 1, 100);
      await dir.close();
      await rm(join(copy, "log"), { recursive: true });
      await rename(join(small, "log"), join(copy, "log"));
    });
    expect(await openAndCompare(path)).toBe("recovering");
  });

  test("what was acknowledged after the last flush: damage before the last write is found", async () => {
    const young = join(await scratchDirectory(), "data");
    const first = await openDataDir({ ...OPTIONS, path: young });
    await write(first, 1, 20);
    await first.close();
    const dir = await openDataDir({ ...OPTIONS, path: young });
    // All of these stand in one block of the write-ahead log, which LevelDB drops as a whole.
    for (const each of entries(21, 60, 1, 300)) {
      await dir.log.append(appended([each]), true);
    }
    await dir.close();
    const wal = (await filesOf(young)).find((name) => /^log.*\.log$/.test(name))!;
    const damages = [flip(0.4), flip(0.6), flip(0.9), zeroed(0.6), (path: string) => rm(path)];
    for (const damage of damages) {
      const path = join(await scratchDirectory(), "data");
      await cp(young, path, { recursive: true });
      await damage(join(path, wal));
      const opening = openDataDir({ ...OPTIONS, path });
      await expect(opening).rejects.toBeInstanceOf(StorageDamage);
    }
  });
});
