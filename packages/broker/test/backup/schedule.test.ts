/**
 * Scheduled backups: when one is due, who takes it, what is deleted, and what a failure leaves
 * behind.
 */
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BackupSchedule, type BackupSettings, chosen } from "../../src/backup/schedule.ts";
import { verifyBackup } from "../../src/backup/verify.ts";
import type { MemberStatus, NodeStatus } from "../../src/operations/broker.ts";
import { CLUSTER, filledNode } from "../snapshots/harness.ts";
import { backupsOf, fileWith, namesIn, temporaryFolder } from "./harness.ts";

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 31, 12, 0, 0);

function member(id: string, role: MemberStatus["role"], change: Partial<MemberStatus> = {}) {
  const known = { address: id, matchIndex: 0, lag: 0, version: "", supports: undefined };
  return { id, role, healthy: true, ...known, ...change } as MemberStatus;
}

async function scheduleOf(
  change: Partial<BackupSettings> = {},
  status: Partial<NodeStatus> = {},
  floorBytes = 0,
) {
  const directory = await temporaryFolder();
  const settings = { directory, intervalMs: HOUR, keep: 2, keyFile: undefined, ...change };
  const clock = { now: START };
  const errors: string[] = [];
  const alone = { nodeId: "a", clusterId: CLUSTER, ready: true, members: [member("a", "leader")] };
  const schedule = new BackupSchedule({
    settings,
    backups: backupsOf(await filledNode()),
    floorBytes,
    status: () => ({ ...alone, ...status }) as NodeStatus,
    wallMs: () => clock.now,
    log: { info() {}, error: (_fields, text) => errors.push(text) },
  });
  return { schedule, clock, errors, directory };
}

describe("a backup", () => {
  test("is due when the newest is as old as the interval, whoever has taken that", async () => {
    const { schedule, clock, directory } = await scheduleOf();
    expect(await schedule.look()).toBe("taken");
    expect(await schedule.look()).toBe("not due");
    clock.now += HOUR - 1;
    expect(await schedule.look()).toBe("not due");
    await fileWith(directory, "tq-00c0ffee-20260131T125959Z-9.backup", Buffer.from("a stranger"));
    clock.now += 1;
    expect(await schedule.look()).toBe("taken");
    expect(schedule.figures).toEqual({ lastSuccessAt: START + HOUR, failures: 0 });
    await fileWith(directory, "tq-c0ffee-20260131T133000Z-9.backup", Buffer.from("a neighbour's"));
    clock.now += HOUR;
    expect(await schedule.look()).toBe("not due");
    expect(schedule.figures.lastSuccessAt).toBe(START + 1.5 * HOUR);
  });

  test("can be read, and says when it was taken", async () => {
    const { schedule, directory } = await scheduleOf();
    await schedule.look();
    const [name = ""] = await namesIn(directory);
    expect(name).toMatch(/^tq-c0ffee-20260131T120000Z-\d+\.backup$/);
    expect((await verifyBackup(join(directory, name))).header.cluster_id).toBe(CLUSTER);
  });

  test("is encrypted when there is a key file, and is not taken without its key", async () => {
    const folder = await temporaryFolder();
    const keyFile = await fileWith(folder, "key", Buffer.alloc(32, 7));
    const { schedule, directory } = await scheduleOf({ keyFile });
    expect(await schedule.look()).toBe("taken");
    const [name = ""] = await namesIn(directory);
    await verifyBackup(join(directory, name), Buffer.alloc(32, 7));
    const without = await scheduleOf({ keyFile: join(folder, "none") });
    expect(await without.schedule.look()).toBe("failed");
    expect(without.schedule.figures.failures).toBe(1);
    expect(without.errors[0]).toContain("the key file");
    expect(await namesIn(without.directory)).toEqual([]);
  });

  test("is given up where little room is left, and nothing of it stays", async () => {
    const { schedule, errors, directory } = await scheduleOf({}, {}, Number.MAX_SAFE_INTEGER);
    expect(await schedule.look()).toBe("failed");
    expect(errors[0]).toContain("persistence.min_free_disk: make room there");
    expect(await namesIn(directory)).toEqual([]);
  });

  test("that failed is tried again after a minute, then after two, then after four", async () => {
    const { schedule, clock } = await scheduleOf({ keyFile: "/nowhere" });
    for (const minutes of [1, 2, 4]) {
      expect(await schedule.look()).toBe("failed");
      clock.now += minutes * 60_000 - 1;
      expect(await schedule.look()).toBe("later");
      clock.now += 1;
    }
    expect(schedule.figures.failures).toBe(3);
  });

  test("makes room for itself: the newest are kept, and nothing else is touched", async () => {
    const { schedule, clock, directory } = await scheduleOf();
    const strange = ["notes.txt", "tq-00000000-20200101T000000Z-1.backup"];
    for (const name of strange) await writeFile(join(directory, name), "");
    const dead = ".tq-c0ffee00-20260101T000000Z-1.backup.0123abcd.part";
    const underWay = ".tq-c0ffee00-20260131T115900Z-1.backup.0123abcd.part";
    for (const name of [dead, underWay]) await writeFile(join(directory, name), "");
    await utimes(join(directory, dead), new Date(START - 2 * HOUR), new Date(START - 2 * HOUR));
    await utimes(join(directory, underWay), new Date(START), new Date(START));
    for (let i = 0; i < 4; i++) {
      expect(await schedule.look()).toBe("taken");
      clock.now += HOUR;
      await utimes(join(directory, underWay), new Date(clock.now), new Date(clock.now));
    }
    const names = await namesIn(directory);
    expect(
      names.filter((name) => name.startsWith("tq-c0ffee-")).map((it) => it.slice(10, 25)),
    ).toEqual(["20260131T140000", "20260131T150000"]);
    for (const name of [...strange, underWay]) expect(names).toContain(name);
    expect(names).not.toContain(dead);
  });

  test("whose time is to come does not stand in for one that is due", async () => {
    const { schedule, clock } = await scheduleOf();
    clock.now = START + 100 * HOUR;
    expect(await schedule.look()).toBe("taken");
    clock.now = START;
    expect(await schedule.look()).toBe("taken");
    expect(await schedule.look()).toBe("not due");
  });

  test("is not deleted for those that a clock has named when it was ahead", async () => {
    const { schedule, clock, directory } = await scheduleOf({ keep: 1 });
    clock.now = START + 100 * HOUR;
    expect(await schedule.look()).toBe("taken");
    clock.now = START;
    expect(await schedule.look()).toBe("taken");
    expect(await schedule.look()).toBe("not due");
    expect((await namesIn(directory))[0]).toContain("20260131T120000Z");
  });

  test("waits until this node has caught up, and until it is its turn", async () => {
    const behind = await scheduleOf({}, { ready: false });
    expect(await behind.schedule.look()).toBe("another's");
    const members = [member("a", "leader"), member("b", "follower")];
    const leader = await scheduleOf({}, { members });
    expect(await leader.schedule.look()).toBe("another's");
    const follower = await scheduleOf({}, { members, nodeId: "b" });
    expect(await follower.schedule.look()).toBe("taken");
  });
});

describe("who takes it", () => {
  const leader = member("a", "leader");
  test.each([
    ["the first of the followers", [leader, member("c", "follower"), member("b", "follower")], "b"],
    ["not one that is away", [leader, member("b", "follower", { healthy: false })], "a"],
    ["not one that is behind", [leader, member("b", "follower", { lag: 100_000 })], "a"],
    ["not a learner", [leader, member("b", "learner")], "a"],
    ["whoever is left", [member("a", "unknown")], "a"],
  ] as const)("is %s", (_what, members, expected) => {
    expect(chosen({ nodeId: "a", members })).toBe(expected);
  });
});
