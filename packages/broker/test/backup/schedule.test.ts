/**
 * Scheduled backups: when one is due, who takes it, what is deleted, and what a failure leaves
 * behind.
 */
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { TAKING_MS_MAX } from "../../src/backup/limits.ts";
import { BackupSchedule, type BackupSettings } from "../../src/backup/schedule.ts";
import type { Backups } from "../../src/backup/take.ts";
import { turnMs } from "../../src/backup/turn.ts";
import { verifyBackup } from "../../src/backup/verify.ts";
import type { MemberStatus, NodeStatus } from "../../src/operations/broker.ts";
import type { BackupReport } from "../../src/ports.ts";
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
  backups?: Pick<Backups, "open">,
) {
  const directory = await temporaryFolder();
  const settings = { directory, intervalMs: HOUR, keep: 2, keyFile: undefined, ...change };
  const clock = { now: START };
  const said = new Map<string, BackupReport>();
  let ticks = 0;
  const errors: string[] = [];
  const alone = { nodeId: "a", clusterId: CLUSTER, ready: true, members: [member("a", "leader")] };
  const schedule = new BackupSchedule({
    settings,
    backups: backups ?? backupsOf(await filledNode()),
    floorBytes,
    status: () => ({ ...alone, ...status }) as NodeStatus,
    askOthers: async () => said,
    wallMs: () => clock.now,
    // It goes on where the other one is set back.
    now: () => {
      ticks = Math.max(ticks, clock.now);
      return ticks;
    },
    log: { info() {}, error: (_fields, text) => errors.push(text) },
  });
  return { schedule, clock, errors, directory, said };
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

  test("waits until this node has caught up", async () => {
    const { schedule } = await scheduleOf({}, { ready: false });
    expect(await schedule.look()).toBe("another's");
    expect(await schedule.report()).toEqual({ state: "cannot", ageMs: undefined });
  });
});

describe("among several", () => {
  const members = [member("a", "leader"), member("b", "follower"), member("c", "follower")];
  const can = { state: "can", ageMs: undefined } as const;
  const cannot = { state: "cannot", ageMs: undefined } as const;

  test("the first makes it, and each behind it waits a turn for every one that could", async () => {
    const first = await scheduleOf({}, { members, nodeId: "b" });
    for (const id of ["a", "c"]) first.said.set(id, can);
    expect(await first.schedule.look()).toBe("taken");
    const last = await scheduleOf({}, { members, nodeId: "a" });
    for (const id of ["b", "c"]) last.said.set(id, can);
    for (const ms of [0, turnMs(HOUR), turnMs(HOUR) - 1]) {
      last.clock.now += ms;
      expect(await last.schedule.look()).toBe("another's");
    }
    last.clock.now += 1;
    expect(await last.schedule.look()).toBe("taken");
  });

  test("nobody waits for those that cannot", async () => {
    const { schedule, said } = await scheduleOf({}, { members, nodeId: "a" });
    for (const id of ["b", "c"]) said.set(id, cannot);
    expect(await schedule.look()).toBe("taken");
  });

  test("one that another has made counts as one of its own, also for the figures", async () => {
    const { schedule, clock, said, directory } = await scheduleOf({}, { members, nodeId: "b" });
    said.set("c", { state: "can", ageMs: HOUR - 5 });
    expect(await schedule.look()).toBe("not due");
    expect(schedule.figures.lastSuccessAt).toBe(START - HOUR + 5);
    clock.now += 5;
    said.set("c", { state: "can", ageMs: HOUR });
    expect(await schedule.look()).toBe("taken");
    expect(await namesIn(directory)).toHaveLength(1);
  });

  test("the wait begins anew when somebody has made one", async () => {
    const { schedule, clock, said } = await scheduleOf({}, { members, nodeId: "c" });
    said.set("b", can);
    expect(await schedule.look()).toBe("another's");
    clock.now += turnMs(HOUR) - 1;
    said.set("b", { state: "can", ageMs: 0 });
    expect(await schedule.look()).toBe("not due");
    clock.now += HOUR;
    said.set("b", { state: "can", ageMs: HOUR });
    expect(await schedule.look()).toBe("another's");
  });

  test("what was made and is out of reach now is no reason to go without", async () => {
    const { schedule, clock, said } = await scheduleOf({}, { members, nodeId: "c" });
    said.set("b", { state: "can", ageMs: 0 });
    expect(await schedule.look()).toBe("not due");
    said.delete("b");
    expect(await schedule.look()).toBe("another's");
    expect(schedule.figures.lastSuccessAt).toBe(0);
    clock.now += turnMs(HOUR);
    expect(await schedule.look()).toBe("taken");
  });

  test("a node says what it sees, and what it can do", async () => {
    const { schedule, clock } = await scheduleOf();
    expect(await schedule.report()).toEqual(can);
    await schedule.look();
    clock.now += 7_000;
    expect(await schedule.report()).toEqual({ state: "can", ageMs: 7_000 });
    const failing = await scheduleOf({ keyFile: "/nowhere" });
    await failing.schedule.look();
    expect(await failing.schedule.report()).toEqual(cannot);
    failing.clock.now += 60_000;
    expect(await failing.schedule.report()).toEqual(can);
  });

  test("a node that makes one says so, but not of a disk that hangs for ever", async () => {
    let proceed = (): void => undefined;
    const waiting = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    const backups = backupsOf(await filledNode());
    const { schedule, clock } = await scheduleOf({}, {}, 0, {
      async open(...given) {
        await waiting;
        return backups.open(...given);
      },
    });
    const looking = schedule.look();
    await vi.waitFor(async () => expect((await schedule.report()).state).toBe("makes"));
    clock.now += TAKING_MS_MAX + 1;
    expect((await schedule.report()).state).toBe("cannot");
    proceed();
    expect(await looking).toBe("taken");
    expect((await schedule.report()).state).toBe("can");
  });

  test("a directory that cannot be read is none to wait for, and told of now and then", async () => {
    const directory = await fileWith(await temporaryFolder(), "file", Buffer.from("in the way"));
    const { schedule, clock, errors } = await scheduleOf({ directory });
    expect(await schedule.report()).toEqual(cannot);
    expect(await schedule.look()).toBe("failed");
    clock.now += 59_999;
    expect(await schedule.look()).toBe("later");
    expect(schedule.figures.failures).toBe(1);
    clock.now += 1;
    expect(await schedule.look()).toBe("failed");
    expect(errors).toHaveLength(2);
  });
});
