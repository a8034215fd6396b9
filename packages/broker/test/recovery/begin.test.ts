/** Which nodes give themselves up to come back anew, and which stay down and say what to do. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import { EXIT } from "../../src/exit-status.ts";
import type { Roster } from "../../src/ports.ts";
import { beginRecovery } from "../../src/recovery/begin.ts";
import { LostData } from "../../src/recovery/lost-data.ts";
import { REJOIN_FILE, readRejoin, writeRejoin } from "../../src/recovery/rejoin-file.ts";
import { encodeRoster } from "../../src/replica/index.ts";
import { openDataDir } from "../../src/storage/data-dir.ts";
import { scratchDirectory } from "../storage/scratch.ts";

const NODE = { nodeId: "a", maxConnections: 1 };

function rosterWith(revision: number, ids: readonly string[], incarnation: string): Roster {
  const members = ids.map((id) => {
    const own = id === "a" ? incarnation : id;
    return { id, incarnation: own, bus: `${id}:1`, address: `${id}:2`, voter: true };
  });
  return { revision, members };
}

/** A directory of a member whose formation and flushed state list these. */
async function directoryOf(formed: readonly string[] | undefined, applied?: readonly string[]) {
  const path = join(await scratchDirectory(), "data");
  const data = await openDataDir({ ...NODE, path });
  const { incarnation } = data.identity.identity;
  if (formed !== undefined) {
    const formation = { clusterId: "c1", ...rosterWith(0, formed, incarnation) };
    await data.identity.save({ formation });
  }
  if (applied !== undefined) {
    const membership = encodeRoster(rosterWith(3, applied, incarnation));
    const mark = { applied: 0, logDurable: { term: 0, index: 0 }, membership };
    await data.states.live.flush({ applied: 0, writes: [] }, mark);
  }
  await data.close();
  return { path, incarnation };
}

async function begin(path: string, env: Record<string, string> = {}) {
  const argv = ["--node-id", "a", "--data-dir", path];
  const config = loadConfig({ argv, env: { TQ_RAFT__ENABLED: "true", ...env } });
  const lost = new LostData(path, "log damaged: entry 7 fails its checksum", { isWhole: false });
  const warnings: string[] = [];
  const log = { warn: (_: object, text: string) => warnings.push(text) };
  await beginRecovery({ config, lost, log, wallMs: 5 });
  return warnings;
}

describe("a node that has lost data", () => {
  test("gives itself up, and notes where the others are by all that it knows", async () => {
    const { path, incarnation } = await directoryOf(["a", "b"], ["a", "c", "d"]);
    const [warning] = await begin(path, { TQ_RAFT__PEERS: "e:10" });
    expect(warning).toMatch(/a must not take part as it was: log damaged: entry 7/);
    const rejoin = await readRejoin(path);
    expect(rejoin).toMatchObject({
      phase: "asking",
      clusterId: "c1",
      nodeId: "a",
      former: incarnation,
      confirmed: false,
      wasVoter: false,
      since: 5,
      buses: ["e:10010", "c:1", "d:1"],
    });
    expect(rejoin?.incarnation).toMatch(/^[0-9a-f]{32}$/);
    expect(rejoin?.incarnation).not.toBe(incarnation);
  });

  test("takes the members of its formation when the state cannot be read", async () => {
    const { path } = await directoryOf(["a", "b"], ["a", "c"]);
    await writeFile(join(path, "state.pointer"), "tq");
    await begin(path);
    expect((await readRejoin(path))?.buses).toEqual(["b:1"]);
  });

  test("that was on its way back already still wants its vote", async () => {
    const { path, incarnation } = await directoryOf(["a", "b"]);
    const common = { clusterId: "c1", nodeId: "a", reason: "x", isWhole: false, since: 1 };
    const former = { former: "older", incarnation, buses: [], confirmed: true, wasVoter: true };
    await writeRejoin(path, { ...common, ...former, phase: "joining" });
    await begin(path);
    expect(await readRejoin(path)).toMatchObject({
      phase: "asking",
      former: incarnation,
      confirmed: false,
      wasVoter: true,
    });
  });

  test.each<[string, () => Promise<string>, Record<string, string>, RegExp]>([
    [
      "is alone",
      async () => (await directoryOf(["a"])).path,
      { TQ_RAFT__ENABLED: "false" },
      /no other members.* restore a backup/,
    ],
    ["is a cluster of one", async () => (await directoryOf(["a"])).path, {}, /no other members/],
    [
      "was left alone",
      async () => (await directoryOf(["a", "b"], ["a"])).path,
      {},
      /no other members/,
    ],
    [
      "belongs to no cluster yet",
      async () => (await directoryOf(undefined)).path,
      { TQ_RAFT__PEERS: "b:1" },
      /belongs to no cluster yet/,
    ],
    [
      "has lost its identity",
      async () => {
        const { path } = await directoryOf(["a", "b"]);
        await rm(join(path, "identity"));
        return path;
      },
      {},
      /Who this node was.*tq-admin members replace a@127.0.0.1:6379 --promote/,
    ],
    [
      "has a damaged identity",
      async () => {
        const { path } = await directoryOf(["a", "b"]);
        const where = join(path, "identity");
        await writeFile(where, Buffer.alloc((await readFile(where)).length));
        return path;
      },
      {},
      /tq-admin members replace/,
    ],
  ])("stays down when it %s, and says what to do", async (_name, make, env, words) => {
    const path = await make();
    await expect(begin(path, env)).rejects.toMatchObject({
      exitStatus: EXIT.damagedData,
      message: expect.stringMatching(words),
    });
    await expect(readFile(join(path, REJOIN_FILE))).rejects.toMatchObject({ code: "ENOENT" });
  });
});
