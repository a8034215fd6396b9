/** The way back from `asking` to `joining`, cut short at every step and gone on with. */
import { cp, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { freePort } from "../../../../test/ports.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { EXIT } from "../../src/exit-status.ts";
import type { NodeLogger } from "../../src/observe/logger.ts";
import { finishRecovery } from "../../src/recovery/finish.ts";
import { LostData } from "../../src/recovery/lost-data.ts";
import { type Rejoin, readRejoin, writeRejoin } from "../../src/recovery/rejoin-file.ts";
import { openDataDir } from "../../src/storage/data-dir.ts";
import type { RejoinReply, RejoinRequest } from "../../src/transport/raft-service.ts";
import { scratchDirectory } from "../storage/scratch.ts";
import { listen } from "../transport/harness.ts";

const LOG = { info() {}, warn() {}, error() {} } as unknown as NodeLogger;
const NODE = { nodeId: "a", maxConnections: 1 };
const FOLDER = "set-aside-2026-01-01T00-00-00Z";
const ANSWER: RejoinReply = {
  verdict: "WAIT",
  reason: "not now",
  leaderBus: "",
  wasVoter: false,
  formation: null,
};

const REJOIN: Rejoin = {
  phase: "asking",
  clusterId: "c1",
  nodeId: "a",
  former: "old",
  incarnation: "b".repeat(32),
  reason: "log damaged",
  isWhole: false,
  since: 0,
  confirmed: false,
  wasVoter: false,
  buses: [],
};

const MEMBER = { id: "a", incarnation: REJOIN.incarnation, bus: "a:1", address: "a:2" };
const FORMATION = { clusterId: "c1", revision: 4, members: [{ ...MEMBER, voter: false }] };
const ASIDE: Rejoin = { ...REJOIN, phase: "settingAside", folder: FOLDER, formation: FORMATION };

async function dataOf(rejoin: Rejoin | undefined): Promise<string> {
  const path = join(await scratchDirectory(), "data");
  await (await openDataDir({ ...NODE, path })).close();
  if (rejoin !== undefined) await writeRejoin(path, rejoin);
  return path;
}

async function finish(
  path: string,
  { acceptRestored = false, signal = new AbortController().signal } = {},
) {
  const env = { TQ_RAFT__ENABLED: "true", TQ_RAFT__PORT: `${await freePort()}` };
  const config = loadConfig({ argv: ["--node-id", "a", "--data-dir", path], env });
  return await finishRecovery({ config, log: LOG, signal, acceptRestored, wallMs: () => 0 });
}

async function expectNew(path: string): Promise<void> {
  expect(await readRejoin(path)).toMatchObject({ phase: "joining" });
  const data = await openDataDir({ ...NODE, path });
  expect(data.identity.identity).toMatchObject({
    incarnation: REJOIN.incarnation,
    formation: FORMATION,
    founded: true,
    boots: 1,
    hardState: { term: 0 },
  });
  expect(data.log.last.index).toBe(0);
  expect(data.identity.copied).toBe(false);
  await data.close();
}

describe("the way back", () => {
  test("is none for a node that never gave itself up, and stays at its last part", async () => {
    expect(await finish(await dataOf(undefined))).toBeUndefined();
    const joining: Rejoin = { ...REJOIN, phase: "joining" };
    const path = await dataOf(joining);
    const before = await readdir(path);
    expect(await finish(path)).toEqual(joining);
    expect(await readdir(path)).toEqual(before);
  });

  test("asks, notes what it may, moves everything away and founds a directory", async () => {
    const { server } = await listen();
    const asked: RejoinRequest[] = [];
    const path = await dataOf({ ...REJOIN, buses: [`127.0.0.1:${server.port}`] });
    const notes: (Rejoin | undefined)[] = [];
    server.answerRejoins(async (request) => {
      asked.push(request);
      notes.push(await readRejoin(path));
      if (asked.length === 1) return ANSWER;
      if (!request.confirmed) return { ...ANSWER, verdict: "CONFIRM", wasVoter: true };
      const members = [{ ...(request.member as typeof MEMBER), voter: false }];
      return { ...ANSWER, verdict: "DONE", formation: { ...FORMATION, members } };
    });
    const rejoin = await finish(path);
    await server.close();
    expect(asked).toHaveLength(3);
    expect(asked[0]).toMatchObject({
      clusterId: "c1",
      formerIncarnation: "old",
      member: { id: "a", incarnation: REJOIN.incarnation },
      wantsVote: false,
    });
    expect(notes.map((note) => note?.confirmed)).toEqual([false, false, true]);
    expect(rejoin).toMatchObject({ phase: "joining", wasVoter: true, confirmed: true });
    const names = await readdir(path);
    expect(names).toEqual(expect.arrayContaining(["rejoin", "format", "identity"]));
    const [folder] = names.filter((name) => name.startsWith("set-aside-"));
    const aside = await readdir(join(path, folder as string));
    expect(aside).toEqual(
      expect.arrayContaining(["format", "identity", "log", "state-1", "state.pointer"]),
    );
  });

  test("goes on wherever a crash has cut it short", async () => {
    const pieces = ["format", "identity", "log", "state-1", "state.pointer"];
    for (let moved = 0; moved <= pieces.length; moved++) {
      const path = await dataOf(ASIDE);
      await mkdir(join(path, FOLDER));
      for (const name of pieces.slice(0, moved)) {
        await rename(join(path, name), join(path, FOLDER, name));
      }
      await finish(path);
      await expectNew(path);
      expect((await readdir(join(path, FOLDER))).sort(), `${moved} moved`).toEqual(pieces);
    }
    // Behind the format of the new directory, behind its identity, and at the very end.
    const whole = await dataOf(ASIDE);
    await finish(whole);
    for (const missing of [["identity"], []]) {
      const path = join(await scratchDirectory(), "data");
      await cp(whole, path, { recursive: true });
      for (const name of missing) await rm(join(path, name));
      await writeRejoin(path, ASIDE);
      await finish(path);
      const aside = await readdir(join(path, FOLDER));
      expect(aside).toEqual(expect.arrayContaining(pieces));
      expect(await readRejoin(path)).toMatchObject({ phase: "joining" });
    }
  });

  test("with a damaged note of it begins again", async () => {
    const path = await dataOf(undefined);
    await writeFile(join(path, "rejoin"), "tq rejoin 1\n{}\n00000000\n");
    await expect(finish(path)).rejects.toBeInstanceOf(LostData);
  });

  test("ends when it is told to, and is gone on with at the next start", async () => {
    const path = await dataOf({ ...REJOIN, buses: [`127.0.0.1:${await freePort()}`] });
    const over = new AbortController();
    setTimeout(() => over.abort(new Error("stopping")), 20);
    await expect(finish(path, { signal: over.signal })).rejects.toThrow("stopping");
    expect(await readRejoin(path)).toMatchObject({ phase: "asking" });
    expect(await readdir(path)).toContain("log");
  });

  test("is called off by an operator who vouches for a whole directory, and only then", async () => {
    const path = await dataOf({ ...REJOIN, isWhole: true });
    expect(await finish(path, { acceptRestored: true })).toBeUndefined();
    expect(await readRejoin(path)).toBeUndefined();
    for (const change of [{ isWhole: false }, { isWhole: true, confirmed: true }]) {
      const other = await dataOf({ ...REJOIN, ...change });
      await expect(finish(other, { acceptRestored: true })).rejects.toMatchObject({
        exitStatus: EXIT.damagedData,
        message: expect.stringContaining("--accept-restored-data is of no use"),
      });
      expect(await readRejoin(other)).toMatchObject({ phase: "asking" });
    }
  });
});
