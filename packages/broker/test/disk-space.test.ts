/** The eye on the room that is left on the disk. */
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { needs } from "../../../test/needs.ts";
import { type FileSystem, watchDiskSpace } from "../src/disk-space.ts";
import { BALLAST_BYTES } from "../src/storage/ballast.ts";
import { scratchDirectory } from "./storage/scratch.ts";
import { smallFileSystem } from "./storage/small-file-system.ts";

const MIB = 1024 ** 2;
const FLOOR = 100 * MIB;
const WAIT = { timeout: 120_000, interval: 5 };

/** A file system that has as much room as the test says. */
async function setup({ floorBytes = FLOOR, freeMib = 105 } = {}) {
  const path = await scratchDirectory();
  const changes: boolean[] = [];
  const logged: string[] = [];
  const disk = { freeMib, looks: 0, fault: undefined as Error | undefined };
  const log = (level: string) => (_fields: object, text: string) => {
    logged.push(`${level}: ${text.replace(path, "DIR")}`);
  };
  const watch = watchDiskSpace({
    path,
    floorBytes,
    onChange: (isLow) => changes.push(isLow),
    log: { info: log("info"), warn: log("warn") },
    statfs: async (): Promise<FileSystem> => {
      disk.looks++;
      if (disk.fault !== undefined) throw disk.fault;
      return { bavail: disk.freeMib * 256, blocks: 1_000 * 256, bsize: 4_096 };
    },
    intervalMs: 1,
  });
  onTestFinished(() => watch.close());
  /** The disk is like this from now on, and has been looked at. */
  const becomes = async (next: Partial<typeof disk>): Promise<void> => {
    Object.assign(disk, next);
    const { looks } = disk;
    await vi.waitFor(() => expect(disk.looks).toBeGreaterThan(looks + 1), WAIT);
  };
  return { path, watch, changes, logged, disk, becomes };
}

test("tells when the room falls below the floor, and when it is well above it again", async () => {
  const { watch, changes, logged, becomes } = await setup();
  await becomes({});
  expect([changes, watch.warning()]).toEqual([[], undefined]);
  expect(watch.space()).toEqual({
    freeBytes: 105 * MIB,
    totalBytes: 1_000 * MIB,
    isLow: false,
  });
  await becomes({ freeMib: 100 });
  expect(changes).toEqual([]);
  await becomes({ freeMib: 99 });
  expect([changes, watch.space()?.isLow]).toEqual([[true], true]);
  expect(watch.warning()).toMatch(/99 MB left, and persistence.min_free_disk is 100 MB/);
  // Room again, but so little that it would be gone in a moment.
  await becomes({ freeMib: 104 });
  expect([changes, watch.space()?.freeBytes]).toEqual([[true], 104 * MIB]);
  await becomes({ freeMib: 105 });
  expect([changes, watch.warning()]).toEqual([[true, false], undefined]);
  expect(logged).toEqual([
    "warn: DIR has 99 MB left, less than persistence.min_free_disk (100 MB): " +
      "make room, or add a disk",
    "info: DIR has 105 MB left, which is enough again for persistence.min_free_disk (100 MB)",
  ]);
});

test("a floor of 0 is never reached, and the room is known all the same", async () => {
  const { watch, changes, becomes } = await setup({ floorBytes: 0, freeMib: 0 });
  await becomes({});
  expect([changes, watch.warning(), watch.space()?.freeBytes]).toEqual([[], undefined, 0]);
});

test("a disk that cannot be asked is told of once, and asked again", async () => {
  const { changes, logged, becomes } = await setup();
  await becomes({ fault: new Error("EIO: i/o error, statfs") });
  await becomes({});
  expect(logged).toEqual([
    "warn: the room left in DIR could not be seen to: EIO: i/o error, statfs",
  ]);
  await becomes({ fault: undefined, freeMib: 1 });
  expect(changes).toEqual([true]);
});

test("tells nothing any more once it is closed", async () => {
  const { watch, changes, disk } = await setup();
  await watch.close();
  const { looks } = disk;
  disk.freeMib = 1;
  await new Promise((resolve) => setImmediate(resolve));
  expect([changes, disk.looks]).toEqual([[], looks]);
});

test("asks one at a time, however long an answer takes", async () => {
  const path = await scratchDirectory();
  const answers: (() => void)[] = [];
  let open = 0;
  const log = { info: () => {}, warn: () => {} };
  const statfs = async () => {
    open++;
    expect(open).toBe(1);
    await new Promise<void>((resolve) => answers.push(resolve));
    open--;
    return { bavail: 1, blocks: 1, bsize: 4_096 };
  };
  const watch = watchDiskSpace({ path, floorBytes: 0, onChange() {}, log, statfs, intervalMs: 1 });
  for (let looks = 1; looks <= 3; looks++) {
    await vi.waitFor(() => expect(answers).toHaveLength(looks), WAIT);
    expect(open).toBe(1);
    answers.at(-1)?.();
  }
  await vi.waitFor(() => expect(answers).toHaveLength(4), WAIT);
  const closed = watch.close();
  answers.at(-1)?.();
  await closed;
});

describe("the ballast", () => {
  test("is made while there is room for it above the floor", async () => {
    const { path, becomes } = await setup({ freeMib: 100 + BALLAST_BYTES / MIB });
    await becomes({});
    expect(existsSync(join(path, "ballast"))).toBe(false);
    await becomes({ freeMib: 101 + BALLAST_BYTES / MIB });
    await vi.waitFor(() => expect(existsSync(join(path, "ballast"))).toBe(true), WAIT);
  });

  test("that cannot be made is told of, and the room is looked at as before", async () => {
    const { path, changes, logged, becomes } = await setup();
    rmSync(path, { recursive: true });
    await becomes({ freeMib: 1_000 });
    await becomes({ freeMib: 1 });
    expect(logged[0]).toMatch(/^warn: the room left in DIR could not be seen to: ENOENT/);
    expect(changes).toEqual([true]);
  });
});

needs("mount")("a real disk is seen to fill up and to be emptied", async () => {
  const path = await smallFileSystem(64);
  const changes: boolean[] = [];
  const log = { info: () => {}, warn: () => {} };
  const watch = watchDiskSpace({
    path,
    floorBytes: 10 * MIB,
    onChange: (isLow) => changes.push(isLow),
    log,
    intervalMs: 10,
  });
  await vi.waitFor(() => expect(existsSync(join(path, "ballast"))).toBe(true), WAIT);
  writeFileSync(join(path, "filler"), Buffer.alloc(20 * MIB, 7));
  execFileSync("fallocate", ["-l", "8M", join(path, "more")]);
  await vi.waitFor(() => expect(changes).toEqual([true]), WAIT);
  rmSync(join(path, "filler"));
  await vi.waitFor(() => expect(changes).toEqual([true, false]), WAIT);
  await watch.close();
});
