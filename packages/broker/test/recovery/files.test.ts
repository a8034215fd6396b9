/** The small files of the way back, and what is moved out of it. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openPeerStarts, PEER_STARTS_FILE } from "../../src/recovery/peer-starts.ts";
import {
  REJOIN_FILE,
  type Rejoin,
  readRejoin,
  removeRejoin,
  writeRejoin,
} from "../../src/recovery/rejoin-file.ts";
import { folderNameAt, setAside, setAsideSoFar } from "../../src/recovery/set-aside.ts";
import { clearSuspicion, isSuspect, noteSuspicion } from "../../src/recovery/suspicion.ts";
import { StorageDamage, StorageFault } from "../../src/storage/storage-error.ts";
import { scratchDirectory } from "../storage/scratch.ts";

const REJOIN: Rejoin = {
  phase: "asking",
  clusterId: "c1",
  nodeId: "b",
  former: "old",
  incarnation: "new",
  reason: "log damaged: entry 7 fails its checksum – “ä”",
  isWhole: false,
  since: 1_000,
  confirmed: false,
  wasVoter: false,
  buses: ["a:1", "c:1"],
};

describe("the rejoin file", () => {
  test("is read as it was written, replaced as a whole, and removed", async () => {
    const dir = await scratchDirectory();
    expect(await readRejoin(dir)).toBeUndefined();
    await writeRejoin(dir, REJOIN);
    expect(await readRejoin(dir)).toEqual(REJOIN);
    const members = [{ id: "a", incarnation: "a1", bus: "a:1", address: "a:2", voter: true }];
    const formation = { clusterId: "c1", revision: 7, members };
    const next: Rejoin = { ...REJOIN, phase: "settingAside", folder: "set-aside-x", formation };
    await writeRejoin(dir, next);
    expect(await readRejoin(dir)).toEqual(next);
    expect(await readdir(dir)).toEqual([REJOIN_FILE]);
    await removeRejoin(dir);
    await removeRejoin(dir);
    expect(await readRejoin(dir)).toBeUndefined();
  });

  test("that is damaged anywhere is found out", async () => {
    const dir = await scratchDirectory();
    await writeRejoin(dir, REJOIN);
    const whole = await readFile(join(dir, REJOIN_FILE));
    for (let at = 0; at < whole.length; at += 7) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 1;
      await writeFile(join(dir, REJOIN_FILE), bytes);
      await expect(readRejoin(dir), `byte ${at}`).rejects.toBeInstanceOf(StorageDamage);
    }
    for (const length of [0, 10, whole.length - 1]) {
      await writeFile(join(dir, REJOIN_FILE), whole.subarray(0, length));
      await expect(readRejoin(dir), `${length} bytes`).rejects.toBeInstanceOf(StorageDamage);
    }
  });

  test("that cannot be written is a fault of the disk", async () => {
    const nowhere = join(await scratchDirectory(), "nowhere");
    await expect(writeRejoin(nowhere, REJOIN)).rejects.toBeInstanceOf(StorageFault);
  });
});

describe("setting aside", () => {
  test("moves everything but what is about the way back itself, and can be repeated", async () => {
    const dir = await scratchDirectory();
    const folder = folderNameAt(Date.UTC(2026, 0, 31, 23, 59, 59, 500));
    expect(folder).toBe("set-aside-2026-01-31T23-59-59Z");
    await mkdir(join(dir, "log"));
    await writeFile(join(dir, "log", "000001.log"), "entries");
    await mkdir(join(dir, "set-aside-2025-01-01T00-00-00Z"));
    for (const name of ["format", "identity", "rejoin", "ballast", PEER_STARTS_FILE]) {
      await writeFile(join(dir, name), name);
    }
    await setAside(dir, folder);
    const stays = ["ballast", PEER_STARTS_FILE, "rejoin", "set-aside-2025-01-01T00-00-00Z", folder];
    expect((await readdir(dir)).sort()).toEqual(stays.sort());
    expect((await readdir(join(dir, folder))).sort()).toEqual(["format", "identity", "log"]);

    // A crash came behind the first file of the new incarnation: nothing is overwritten.
    await writeFile(join(dir, "format"), "new");
    await setAside(dir, folder);
    expect(await readFile(join(dir, folder, "format"), "utf8")).toBe("format");
    expect(await readFile(join(dir, folder, "format.2"), "utf8")).toBe("new");
    const { folders, bytes } = await setAsideSoFar(dir);
    expect(folders).toEqual(["set-aside-2025-01-01T00-00-00Z", folder]);
    expect(bytes).toBeGreaterThanOrEqual("entries".length + "format".length + "identity".length);
  });
});

describe("the starts of peers", () => {
  const noFault = (what: string, error: unknown) => expect.unreachable(`${what}: ${error}`);

  test("are remembered beyond a restart, of the newest incarnation of each", async () => {
    const dataDir = await scratchDirectory();
    const starts = await openPeerStarts({ dataDir, onFault: noFault });
    expect(starts.newest("b", "old").number).toBe(0);
    starts.note("b", "old", { number: 5, name: "b5" });
    starts.note("c", "c1", { number: 2, name: "c2" });
    await starts.close();
    const again = await openPeerStarts({ dataDir, onFault: noFault });
    const found = [again.newest("b", "old"), again.newest("c", "c1")];
    expect(found).toEqual([
      { number: 5, name: "b5" },
      { number: 2, name: "c2" },
    ]);
    expect(again.newest("b", "new").number).toBe(0);
    again.note("b", "new", { number: 1, name: "b1" });
    await again.close();
    const third = await openPeerStarts({ dataDir, onFault: noFault });
    const numbers = [third.newest("b", "new"), third.newest("b", "old")].map((it) => it.number);
    expect(numbers).toEqual([1, 0]);
    await third.close();
  });

  test("in a damaged file mean that nothing is known", async () => {
    const dataDir = await scratchDirectory();
    await writeFile(join(dataDir, PEER_STARTS_FILE), "tq peers 1\n{}\n00000000\n");
    const starts = await openPeerStarts({ dataDir, onFault: noFault });
    expect(starts.newest("b", "old").number).toBe(0);
    starts.note("b", "old", { number: 3, name: "b3" });
    await starts.close();
    const again = await openPeerStarts({ dataDir, onFault: noFault });
    expect(again.newest("b", "old").number).toBe(3);
    await again.close();
  });

  test("that cannot be written are a fault", async () => {
    const faults: unknown[] = [];
    const dataDir = join(await scratchDirectory(), "nowhere");
    const onFault = (_what: string, error: unknown) => faults.push(error);
    const starts = await openPeerStarts({ dataDir, onFault });
    starts.note("b", "old", { number: 3, name: "b3" });
    await starts.close();
    expect(faults).toEqual([expect.any(StorageFault)]);
  });
});

test("a suspicion stays until it is cleared, and a disk that refuses it changes nothing", async () => {
  const dir = await scratchDirectory();
  expect(await isSuspect(dir)).toBe(false);
  noteSuspicion(dir, "a record fails its checksum");
  expect(await isSuspect(dir)).toBe(true);
  await clearSuspicion(dir);
  expect(await isSuspect(dir)).toBe(false);
  noteSuspicion(join(dir, "nowhere"), "x");
});
