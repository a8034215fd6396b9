/** Which data directories a broker starts with, judged by the members that its own disk knows. */
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { takeSeat } from "../src/cluster-bus.ts";
import { loadConfig } from "../src/config/load-config.ts";
import { EXIT } from "../src/exit-status.ts";
import type { NodeLogger } from "../src/observe/logger.ts";
import { newerRoster, openData, rosterOf } from "../src/open-data.ts";
import type { Roster } from "../src/ports.ts";
import { LostData } from "../src/recovery/lost-data.ts";
import { isSuspect, noteSuspicion } from "../src/recovery/suspicion.ts";
import { encodeRoster } from "../src/replica/index.ts";
import { openDataDir } from "../src/storage/data-dir.ts";
import { openStateLevel } from "../src/storage/state-store.ts";

const LOG = { info() {}, warn() {}, error() {} } as unknown as NodeLogger;
const NEVER = new AbortController().signal;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tq-open-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function rosterWith(revision: number, ids: readonly string[], incarnation: string): Roster {
  const members = ids.map((id) => {
    const own = id === "a" ? incarnation : id;
    return { id, incarnation: own, bus: `${id}:1`, address: `${id}:2`, voter: true };
  });
  return { revision, members };
}

function configOf(...argv: string[]) {
  return loadConfig({ argv: ["--node-id", "a", "--data-dir", folder, ...argv], env: {} });
}

const enabled = () => {
  const env = { TQ_RAFT__ENABLED: "true" };
  return loadConfig({ argv: ["--node-id", "a", "--data-dir", folder], env });
};

/** A directory of a node that was formed with the one roster and has applied the other. */
async function directoryOf(
  formed: (incarnation: string) => Roster,
  applied?: (incarnation: string) => Roster,
): Promise<void> {
  const data = await openDataDir({ path: folder, nodeId: "a", maxConnections: 1 });
  const { incarnation } = data.identity.identity;
  await data.identity.save({ formation: { clusterId: "c1", ...formed(incarnation) } });
  if (applied !== undefined) {
    const entry = { term: 1, index: 1, kind: "empty", data: new Uint8Array(0) } as const;
    await data.identity.save({ hardState: { term: 1, vote: undefined } });
    await data.log.append({ truncateFrom: undefined, entries: [entry] }, true);
    const membership = encodeRoster(applied(incarnation));
    const mark = { applied: 1, logDurable: { term: 1, index: 1 }, membership };
    await data.states.live.flush({ applied: 1, writes: [] }, mark);
  }
  await data.close();
}

test.each([
  ["1MB", true],
  ["32MB", false],
])("with a write buffer of %s LevelDB has written tables: %s", async (size, hasTables) => {
  const config = loadConfig({
    argv: ["--node-id", "a", "--data-dir", folder],
    env: { TQ_PERSISTENCE__WRITE_BUFFER_SIZE: size },
  });
  const { log, states, close } = await openData(config, LOG);
  for (let index = 1; index <= 4; index++) {
    const entry = { term: 1, index, kind: "empty", data: randomBytes(1 << 20) } as const;
    await log.append({ truncateFrom: undefined, entries: [entry] }, true);
    const mark = { ...states.live.mark, applied: index, logDurable: { term: 1, index } };
    const write = { key: Buffer.from(`k${index}`), value: randomBytes(1 << 20) };
    await states.live.flush({ applied: index, writes: [write] }, mark);
  }
  // It waits for what LevelDB is still writing.
  await close();
  for (const store of ["log", "state-1"]) {
    const tables = readdirSync(join(folder, store)).filter((name) => name.endsWith(".ldb"));
    expect([store, tables.length > 0]).toEqual([store, hasTables]);
  }
});

describe("a data directory", () => {
  test("of a member is opened, with the members that were applied last", async () => {
    await directoryOf(
      (own) => rosterWith(0, ["a", "b", "c"], own),
      (own) => rosterWith(2, ["a", "b"], own),
    );
    const data = await openData(enabled(), LOG);
    expect(rosterOf(data)?.members.map(({ id }) => id)).toEqual(["a", "b"]);
    await data.close();
  });

  test("of a node that was removed is refused", async () => {
    await directoryOf(
      (own) => rosterWith(0, ["a", "b", "c"], own),
      (own) => rosterWith(1, ["b", "c"], own),
    );
    await expect(openData(enabled(), LOG)).rejects.toMatchObject({
      exitStatus: EXIT.removed,
      message: expect.stringContaining("removed from cluster c1"),
    });
  });

  test("of a node that was replaced by another one of its name is refused", async () => {
    await directoryOf(
      (own) => rosterWith(0, ["a", "b"], own),
      () => rosterWith(2, ["a", "b"], "another"),
    );
    await expect(openData(enabled(), LOG)).rejects.toMatchObject({ exitStatus: EXIT.removed });
  });

  test("of a node that has joined and still reads what was before it is opened", async () => {
    await directoryOf(
      (own) => rosterWith(7, ["a", "b", "c"], own),
      () => rosterWith(3, ["b", "c"], ""),
    );
    const data = await openData(enabled(), LOG);
    expect(rosterOf(data)?.revision).toBe(7);
    await data.close();
  });

  test("of a cluster's member is not for a node on its own, even if it was founded as one", async () => {
    await directoryOf(
      (own) => rosterWith(0, ["a"], own),
      (own) => rosterWith(1, ["a", "b"], own),
    );
    const data = await openData(configOf(), LOG);
    const seat = takeSeat(configOf(), data, rosterOf(data), LOG, NEVER);
    await expect(seat).rejects.toMatchObject({
      exitStatus: EXIT.config,
      message: expect.stringContaining("cluster with b, but raft.enabled is false"),
    });
    await data.close();
  });

  test("of the last member of a cluster is: it is alone by now", async () => {
    await directoryOf(
      (own) => rosterWith(0, ["a", "b"], own),
      (own) => rosterWith(1, ["a"], own),
    );
    const data = await openData(configOf(), LOG);
    const seat = await takeSeat(configOf(), data, rosterOf(data), LOG, NEVER);
    expect(seat.formation.clusterId).toBe("c1");
    await expect(seat.greet("b@b:1")).rejects.toThrow("raft.enabled: true");
    await data.close();
  });

  test("that is new needs peers, or to be alone", async () => {
    const data = await openData(enabled(), LOG);
    const seat = takeSeat(enabled(), data, rosterOf(data), LOG, NEVER);
    await expect(seat).rejects.toMatchObject({
      exitStatus: EXIT.config,
      message: expect.stringContaining("raft.peers is empty"),
    });
    await data.close();
  });
});

test("of two rosters the one with the higher revision counts, the applied one if both are equal", () => {
  const formation = { clusterId: "c1", ...rosterWith(1, ["a"], "x") };
  const applied = rosterWith(1, ["a", "b"], "x");
  expect(newerRoster({ formation: undefined }, new Uint8Array(0))).toBeUndefined();
  expect(newerRoster({ formation }, new Uint8Array(0))).toBe(formation);
  expect(newerRoster({ formation }, encodeRoster(applied))).toEqual(applied);
  expect(
    newerRoster({ formation: { ...formation, revision: 2 } }, encodeRoster(applied))?.revision,
  ).toBe(2);
});

describe("a data directory that may lack what was promised", () => {
  const three = ["a", "b", "c"];

  async function copyOf(path: string): Promise<void> {
    renameSync(path, `${path}-original`);
    cpSync(`${path}-original`, path, { recursive: true });
    rmSync(`${path}-original`, { recursive: true });
  }

  test("is given up when it is damaged, and the reason says where", async () => {
    await directoryOf((own) => rosterWith(0, three, own));
    rmSync(join(folder, "state.pointer"));
    const error = await openData(enabled(), LOG).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LostData);
    expect(error).toMatchObject({ isWhole: false, exitStatus: EXIT.damagedData });
    expect((error as LostData).reason).toContain("state.pointer");
  });

  test("is given up when its log lacks what its state vouches for", async () => {
    await directoryOf(
      (own) => rosterWith(0, three, own),
      (own) => rosterWith(0, three, own),
    );
    const data = await openDataDir({ path: folder, nodeId: "a", maxConnections: 1 });
    await data.log.append({ truncateFrom: 1, entries: [] }, true);
    const mark = { ...data.states.live.mark, logDurable: { term: 1, index: 4 } };
    await data.states.live.flush({ applied: 1, writes: [] }, mark);
    await data.close();
    await expect(openData(enabled(), LOG)).rejects.toMatchObject({
      isWhole: false,
      reason: expect.stringContaining("entries that were acknowledged are lost"),
    });
  });

  test("is given up when term and vote are older than the log", async () => {
    await directoryOf((own) => rosterWith(0, three, own));
    const data = await openDataDir({ path: folder, nodeId: "a", maxConnections: 1 });
    const entry = { term: 5, index: 1, kind: "empty", data: new Uint8Array(0) } as const;
    await data.log.append({ truncateFrom: undefined, entries: [entry] }, true);
    await data.close();
    await expect(openData(enabled(), LOG)).rejects.toMatchObject({
      isWhole: false,
      reason: expect.stringContaining("a vote may be forgotten"),
    });
  });

  test("is given up when it is a copy, unless that is accepted, once and for all", async () => {
    await directoryOf((own) => rosterWith(0, three, own));
    await copyOf(folder);
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(openData(enabled(), LOG)).rejects.toMatchObject({ isWhole: true });
    }
    await (await openData(enabled(), LOG, { acceptRestored: true })).close();
    await (await openData(enabled(), LOG)).close();
  });

  test("that is a copy and damaged is accepted by nobody", async () => {
    await directoryOf((own) => rosterWith(0, three, own));
    await copyOf(folder);
    rmSync(join(folder, "state-1"), { recursive: true });
    const opening = openData(enabled(), LOG, { acceptRestored: true });
    await expect(opening).rejects.toMatchObject({ isWhole: false });
  });

  test("of a node on its own may be a copy", async () => {
    await directoryOf((own) => rosterWith(0, ["a"], own));
    await copyOf(folder);
    await (await openData(configOf(), LOG)).close();
  });

  test("is read as a whole when the last run met with damage", async () => {
    await directoryOf((own) => rosterWith(0, three, own));
    noteSuspicion(folder, "a record fails its checksum");
    await (await openData(enabled(), LOG)).close();
    expect(await isSuspect(folder)).toBe(false);
    noteSuspicion(folder, "a record fails its checksum");
    // As memory that lost a bit writes it: sound for LevelDB.
    const level = await openStateLevel(join(folder, "state-1"), { mode: "existing" });
    await level.put(Buffer.from("\u0001f/x"), Buffer.from("0000value"));
    await level.close();
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(openData(enabled(), LOG)).rejects.toMatchObject({
        isWhole: false,
        reason: expect.stringContaining("fails its checksum"),
      });
    }
  });
});
