/** The last part of the way back: a learner asks for its vote until it has it. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ClusterMember } from "../../src/ports.ts";
import { Promotion } from "../../src/recovery/promotion.ts";
import { type Rejoin, readRejoin, writeRejoin } from "../../src/recovery/rejoin-file.ts";
import type { RejoinAnswer, RejoinQuestion } from "../../src/transport/rejoin-call.ts";
import { scratchDirectory } from "../storage/scratch.ts";
import { until } from "../transport/harness.ts";

const SELF = { id: "b", incarnation: "new", bus: "b:1", address: "b:2" };
const LEADER: ClusterMember = {
  id: "a",
  incarnation: "a1",
  bus: "a:1",
  address: "a:2",
  voter: true,
};
const REJOIN: Rejoin = {
  phase: "joining",
  clusterId: "c1",
  nodeId: "b",
  former: "old",
  incarnation: "new",
  reason: "log damaged",
  isWhole: false,
  since: 10_000,
  confirmed: true,
  wasVoter: true,
  buses: [],
};

async function promotionOf(change: Partial<Rejoin> = {}) {
  const dataDir = await scratchDirectory();
  const rejoin = { ...REJOIN, ...change };
  await writeRejoin(dataDir, rejoin);
  const cluster = { members: [LEADER] as ClusterMember[], leader: undefined as string | undefined };
  const asked: [string, RejoinQuestion][] = [];
  const lines: string[] = [];
  const faults: string[] = [];
  const promotion = new Promotion({
    dataDir,
    rejoin,
    self: SELF,
    members: () => cluster.members,
    leader: () => cluster.leader,
    call: async (bus, question): Promise<RejoinAnswer> => {
      asked.push([bus, question]);
      return { verdict: "WAIT", reason: "b is not caught up: it lacks 9 entries" };
    },
    log: { info: (_, text) => lines.push(text) },
    onFault: (what) => faults.push(what),
    wallMs: () => 17_400,
    roundMs: 1,
  });
  return { dataDir, cluster, asked, lines, faults, promotion };
}

test("asks the leader until its own log lists it as a voter, and then forgets the way", async () => {
  const { dataDir, cluster, asked, lines, promotion } = await promotionOf();
  await until(() => lines.some((line) => line.includes("no leader is known")));
  expect(asked).toEqual([]);
  cluster.leader = "a";
  await until(() => asked.length > 2);
  const [bus, question] = asked[0]!;
  expect(bus).toBe("a:1");
  // Not `confirmed`: who was removed meanwhile by an operator must not be added again.
  const member = SELF;
  expect(question).toMatchObject({ clusterId: "c1", member, wantsVote: true, confirmed: false });
  await until(() => lines.some((line) => line.includes("it lacks 9 entries")));
  cluster.members = [LEADER, { ...SELF, voter: false }];
  const before = asked.length;
  await until(() => asked.length > before + 2);
  expect(await readRejoin(dataDir)).toBeDefined();
  // The former incarnation, in an older part of the log, is another node.
  cluster.members = [LEADER, { ...SELF, incarnation: "old", voter: true }];
  const then = asked.length;
  await until(() => asked.length > then + 2);
  cluster.members = [LEADER, { ...SELF, voter: true }];
  await until(() => promotion.isDone);
  expect(await readRejoin(dataDir)).toBeUndefined();
  expect(lines.at(-1)).toBe("recovered in 7 s: b votes again");
  await promotion.close();
});

test("a learner is there as soon as it is listed", async () => {
  const { cluster, lines, promotion } = await promotionOf({ wasVoter: false });
  cluster.members = [LEADER, { ...SELF, voter: false }];
  await until(() => promotion.isDone);
  expect(lines.at(-1)).toContain("b is a learner again");
  await promotion.close();
});

test("a stop ends it, and the next start goes on", async () => {
  const { dataDir, cluster, asked, promotion } = await promotionOf();
  cluster.leader = "a";
  await until(() => asked.length > 0);
  await promotion.close();
  const count = asked.length;
  cluster.members = [LEADER, { ...SELF, voter: true }];
  expect(await readRejoin(dataDir)).toBeDefined();
  expect(promotion.isDone).toBe(false);
  expect(asked).toHaveLength(count);
});

test("a disk that does not let go of the note is a fault", async () => {
  const { dataDir, cluster, faults, promotion } = await promotionOf();
  await rm(join(dataDir, "rejoin"));
  await mkdir(join(dataDir, "rejoin"));
  cluster.members = [LEADER, { ...SELF, voter: true }];
  await until(() => faults.length > 0);
  expect(promotion.isDone).toBe(false);
  await promotion.close();
});
