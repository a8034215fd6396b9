/**
 * Dependencies at their bounds: how many parents one command looks up, how many children one task
 * may have, what a restart finds, and what a reader sees of the graph.
 */
import { expect, test } from "vitest";
import { CodecError } from "../../src/queue/codec/codec-error.ts";
import {
  decodeCulprit,
  decodeParents,
  encodeCulprit,
  encodeParents,
} from "../../src/queue/codec/parent-record.ts";
import type { Command } from "../../src/queue/command.ts";
import { childrenRange, idOfIndexKey } from "../../src/queue/keys.ts";
import {
  CHILDREN_MAX,
  DELIVERY_LIMIT,
  LINKS_PER_COMMAND_MAX,
  PARENT_READS_MAX,
  WAKE_DEATH_COST,
  WAKE_MAX,
} from "../../src/queue/limits.ts";
import type { TaskContent, TaskId } from "../../src/queue/task.ts";
import { TASK_STATES } from "../../src/queue/task.ts";
import { completeOf, Driver, makeContent, makeId, RETRY, registerOf, START } from "./harness.ts";
import { hex } from "./naive-state.ts";

function newDriver(): Driver {
  const driver = new Driver();
  driver.raise(3);
  return driver;
}

function child(serial: number, parents: readonly number[], rest: Partial<TaskContent> = {}) {
  const content = makeContent({ dependsOn: parents.map((parent) => makeId(parent)), ...rest });
  const id = makeId(serial);
  return { type: "submit" as const, id, content, retry: RETRY, depthLimit: 0 };
}

function cancel(serial: number) {
  return { type: "cancel" as const, id: makeId(serial), reason: "" };
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from + at);
}

function serials(ids: readonly TaskId[]): number[] {
  return ids.map((id) => Number.parseInt(hex(id).slice(-8), 16));
}

test("a command looks up so many ended parents, unless they are said to have completed", () => {
  const driver = newDriver();
  driver.apply(registerOf("w"));
  const ended = range(1, PARENT_READS_MAX + 1);
  driver.apply(...ended.map((serial) => child(serial, [])));
  driver.apply({ type: "lease", session: "w", count: ended.length });
  driver.apply(...ended.map((serial) => completeOf(makeId(serial), serial)));
  driver.flush();
  expect(driver.one(child(100, ended))).toMatchObject({ code: "overloaded" });
  expect(driver.machine.task(makeId(100))).toBeUndefined();
  const reads = driver.store.reads;
  expect(driver.one(child(100, ended.slice(1)))).toMatchObject({ code: "ok", state: "pending" });
  // Its own id and key are looked up as well.
  expect(driver.store.reads - reads).toBeLessThanOrEqual(PARENT_READS_MAX + 2);
  const told = { ...child(101, ended), ended: [ended.length - 1] };
  expect(driver.one(told)).toMatchObject({ code: "ok", state: "pending" });
  const toldMore = { ...child(102, ended), ended: [...ended.keys(), 5000] };
  expect(driver.one(toldMore)).toMatchObject({ code: "ok", state: "pending" });
});

test("the first parent that failed decides, and those behind it are not looked at", () => {
  const driver = newDriver();
  const ended = range(1, PARENT_READS_MAX + 5);
  driver.apply(...ended.map((serial) => child(serial, [])));
  driver.apply(...ended.map(cancel));
  expect(driver.one(child(100, ended))).toMatchObject({ code: "ok", state: "blocked" });
  expect(driver.one(child(101, ended, { onParentFailure: "continue" }))).toMatchObject({
    code: "overloaded",
  });
  driver.apply({ type: "wake", max: 10 });
  expect(driver.task(makeId(100)).error?.message).toBe(
    `parent ${uuid(makeId(1))} ended as cancelled`,
  );
});

test("a thousand parents, the same one many times, and itself", () => {
  const driver = newDriver();
  const parents = range(1, 999);
  driver.apply(...parents.map((serial) => child(serial, [])));
  driver.apply(child(1000, [...parents, 1]));
  expect(driver.task(makeId(1000)).waitsFor).toBe(999);
  expect(driver.one(child(1001, [...parents, 1001]))).toMatchObject({ code: "invalid_request" });
  expect(driver.one(child(1001, [1, 1, 1]))).toMatchObject({ code: "ok", state: "blocked" });
  expect(driver.task(makeId(1001)).waitsFor).toBe(1);
  driver.flush();
  driver.restart();
  driver.apply(registerOf("w"), { type: "lease", session: "w", count: 999 });
  for (const serial of parents) driver.machine.apply(driver.machine.applied + 1, batch(serial));
  driver.machine.checkInvariants();
  expect(driver.task(makeId(1000)).state).toBe("pending");
  expect(driver.task(makeId(1001)).state).toBe("pending");

  function batch(serial: number) {
    return { at: driver.now, commands: [completeOf(makeId(serial), serial)] };
  }
});

test("the tasks of one command name so many parents in all, whether these have ended or not", () => {
  const driver = newDriver();
  const parents = range(1, 100);
  driver.apply(...parents.map((serial) => child(serial, [])));
  driver.apply(...parents.slice(50).map(cancel));
  const most = range(1000, LINKS_PER_COMMAND_MAX / parents.length);
  const tasks = most.map((serial) => child(serial, parents, { onParentFailure: "continue" }));
  const tooMany = { type: "submitAll" as const, tasks: [...tasks, child(5000, [1])] };
  const refused = driver.one(tooMany);
  expect(refused).toMatchObject({ code: "invalid_request", at: most.length });
  expect(driver.machine.counts().blocked).toBe(0);
  expect(driver.one({ type: "submitAll", tasks }).code).toBe("submitted");
  expect(driver.machine.counts().blocked).toBe(most.length);
});

test("one task has so many waiting children, and a wake counts those that hear of its end", () => {
  const driver = newDriver();
  driver.apply(child(1, []), cancel(1), child(2, [1]));
  driver.apply(...range(1001, CHILDREN_MAX - 1).map((serial) => child(serial, [2])));
  expect(driver.one(child(20_000, [2, 2]))).toMatchObject({ code: "ok", state: "blocked" });
  expect(driver.one(child(20_001, [2]))).toMatchObject({ code: "overloaded" });
  driver.apply({ type: "wake", max: WAKE_MAX });
  expect(driver.machine.counts()).toMatchObject({ blocked: CHILDREN_MAX, dead: 1, cancelled: 1 });
  driver.apply({ type: "wake", max: WAKE_MAX });
  const ended = WAKE_MAX - WAKE_DEATH_COST + 1;
  expect(driver.machine.counts()).toMatchObject({ blocked: CHILDREN_MAX - ended });
  const { machine } = driver;
  for (let due = machine.dueCommands(driver.now); due.length > 0; ) {
    machine.apply(machine.applied + 1, { at: driver.now, commands: due });
    due = machine.dueCommands(driver.now);
  }
  machine.checkInvariants();
  expect(driver.machine.counts()).toMatchObject({ blocked: 0, dead: CHILDREN_MAX + 1 });
});

test("a lease ends one parent that is past its expiry, and says that there is more", () => {
  const driver = newDriver();
  driver.apply(registerOf("w"));
  const parents = range(1, 3);
  driver.apply(...parents.map((serial) => child(serial, [], { expiresInMs: 1000 })));
  const waits = { onParentFailure: "continue", priority: "critical" } as const;
  driver.apply(child(11, [1], waits), child(12, [2], waits));
  driver.now += 1000;
  driver.takeEvents();
  const lease = { type: "lease" as const, session: "w", count: 9 };
  expect(driver.one(lease)).toMatchObject({ granted: 0 });
  expect(driver.takeEvents().map(({ type }) => type)).toEqual(["finished", "ready", "ready"]);
  expect(driver.machine.counts()).toMatchObject({ expired: 1, pending: 3, blocked: 1 });
  // The child that was freed is more urgent than the other parents.
  expect(driver.one(lease)).toMatchObject({ granted: 1 });
  expect(driver.task(makeId(11)).state).toBe("running");
  expect(driver.one(lease)).toMatchObject({ granted: 1 });
  expect(driver.machine.counts()).toMatchObject({ expired: 3, running: 2, pending: 0 });
});

test("tasks are replaced together that have so many waiting for them in all", () => {
  const driver = newDriver();
  const unique = (key: number) => ({ key: `k${key}`, forMs: 0, onConflict: "replace" as const });
  driver.apply(child(1, [], { unique: unique(1) }), child(2, [], { unique: unique(2) }));
  const half = CHILDREN_MAX / 2 + 1;
  driver.apply(...range(1001, half).map((serial) => child(serial, [1])));
  driver.apply(...range(20_001, half).map((serial) => child(serial, [2])));
  const tasks = [3, 4].map((serial) => child(serial, [], { unique: unique(serial - 2) }));
  expect(driver.one({ type: "submitAll", tasks })).toMatchObject({ code: "overloaded", at: 1 });
  expect(driver.machine.counts()).toMatchObject({ pending: 2, blocked: half * 2, cancelled: 0 });
  for (const task of tasks) {
    expect(driver.one({ type: "submitAll", tasks: [task] }).code).toBe("submitted");
  }
  expect(driver.machine.counts()).toMatchObject({ pending: 2, cancelled: 2 });
});

/** Tasks 1 to 3 run for the last time that they may; 700 wait for each of the first two. */
function atTheLastDelivery() {
  const driver = newDriver();
  driver.apply(child(1, []), child(2, []), child(3, []));
  for (const parent of [1, 2]) {
    driver.apply(...range(parent * 1000, 700).map((serial) => child(serial, [parent])));
  }
  const run = () => {
    driver.apply(registerOf("w", { leaseMs: 1000 }), { type: "lease", session: "w", count: 3 });
    driver.now += 1000;
  };
  for (let delivery = 1; delivery < DELIVERY_LIMIT; delivery++) {
    run();
    driver.apply({ type: "lapse", session: "w", renewals: 0 });
  }
  expect(driver.machine.counts()).toMatchObject({ pending: 3, running: 0 });
  run();
  return driver;
}

test("a lapse ends as many runs as its work allows, and is due again for the rest", () => {
  const driver = atTheLastDelivery();
  const lapse: Command = { type: "lapse", session: "w", renewals: 0 };
  const due = () => driver.machine.dueCommands(driver.now).filter(({ type }) => type === "lapse");
  expect(driver.one(lapse)).toMatchObject({ code: "ok" });
  expect(driver.takeEvents()).toContainEqual({ type: "sessionEnded", session: "w", lapsed: true });
  expect(driver.machine.counts()).toMatchObject({ running: 1, dead: 2 });
  expect(driver.machine.sessions()).toMatchObject([{ id: "w", lapsed: false }]);
  expect(due()).toEqual([lapse]);
  driver.flush();
  driver.restart();
  expect(due()).toEqual([lapse]);
  driver.apply(lapse);
  expect(driver.machine.counts()).toMatchObject({ running: 0, dead: 3 });
  expect(driver.task(makeId(3)).error?.message).toContain("delivered 20 times");
  expect(driver.machine.sessions()).toEqual([]);
  expect(due()).toEqual([]);
});

test("what was one delivery too many is dead at the lapse, whatever comes then", () => {
  const driver = atTheLastDelivery();
  driver.apply({ type: "lapse", session: "w", renewals: 0 });
  // Its worker, or a new leader, saves only what has not ended yet.
  driver.apply({ type: "takeOffice" }, registerOf("w"), { type: "unregister", session: "w" });
  expect(driver.machine.counts()).toMatchObject({ pending: 1, running: 0, dead: 2 });
});

test("a step of a job cancels parents until enough has heard of it, and is taken in parts", () => {
  const driver = newDriver();
  const parents = [1, 2, 3, 4];
  driver.apply(...parents.map((serial) => child(serial, [], { queue: "p" })));
  const children = range(1000, 4000);
  const rest = { onParentFailure: "continue" } as const;
  driver.apply(...children.map((serial) => child(serial, parents, rest)));
  const job = makeId(900_000);
  const filter = { state: undefined, queue: "p", type: "", tag: "", fingerprint: "" };
  const times = { createdFrom: 0, createdTo: 0, finishedFrom: 0, finishedTo: 0 };
  const what = { kind: "cancel", filter: { ...filter, ...times }, dryRun: false } as const;
  driver.apply({ type: "startJob", id: job, ...what, perSecond: 0 });
  const step = (number: number, serials: readonly number[]): Command => {
    const tasks = serials.map((serial) => makeId(serial));
    return { type: "stepJob", id: job, step: number, tasks, cursor: new Uint8Array() };
  };
  expect(driver.one(step(0, parents))).toMatchObject({ code: "ok", duplicate: false });
  expect(driver.machine.counts()).toMatchObject({ cancelled: 3, pending: 1, blocked: 4000 });
  const counted = { state: "running", steps: 0, matched: 3, changed: 3, skipped: 0 };
  expect(driver.machine.job(job)).toMatchObject(counted);
  // What was proposed to follow it finds that it has not been taken.
  expect(driver.one(step(1, [])).code).toBe("state_conflict");
  driver.apply(step(0, [4]));
  expect(driver.machine.counts()).toMatchObject({ cancelled: 4, pending: 4000, blocked: 0 });
  expect(driver.machine.job(job)).toMatchObject({
    state: "done",
    steps: 1,
    matched: 4,
    changed: 4,
  });
});

test("a parent that starts again is nobody's parent any more, before and after a restart", () => {
  const driver = newDriver();
  driver.apply(child(1, []), child(2, []));
  driver.apply(child(3, [1, 2], { onParentFailure: "continue" }), cancel(1));
  driver.apply({ type: "retry", id: makeId(1), requestId: new Uint8Array(1) });
  expect(driver.task(makeId(3)).waitsFor).toBe(1);
  driver.flush();
  driver.restart();
  expect(driver.task(makeId(3)).waitsFor).toBe(1);
  driver.apply(cancel(2));
  expect(driver.task(makeId(3)).state).toBe("pending");
});

test("children keep the order of their submits, whatever their ids, over a restart", () => {
  const driver = newDriver();
  driver.apply(child(1, []), child(9, [1]), child(5, [1]), child(7, [5, 1]), child(3, [1, 9]));
  driver.flush();
  driver.restart();
  driver.apply(registerOf("w"), { type: "lease", session: "w", count: 9 });
  driver.apply(completeOf(makeId(1), 1), { type: "lease", session: "w", count: 9 });
  driver.takeEvents();
  driver.apply(completeOf(makeId(5), 3), completeOf(makeId(9), 2));
  expect(driver.one({ type: "lease", session: "w", count: 9 })).toMatchObject({ granted: 2 });
  expect(driver.machine.leases("w").map(({ id }) => serials([id])[0])).toEqual([7, 3]);
});

test("a parent that is said to have completed may be gone by now", () => {
  const driver = newDriver();
  driver.apply(child(1, []), registerOf("w"), { type: "lease", session: "w", count: 1 });
  driver.apply(completeOf(makeId(1), 1));
  driver.apply({ type: "delete", id: makeId(1), requestId: new Uint8Array(1) });
  expect(driver.one(child(2, [1]))).toMatchObject({ code: "not_found" });
  const told = { ...child(2, [1]), ended: [0] };
  expect(driver.one(told)).toMatchObject({ code: "ok", state: "pending" });
});

test("nothing of a blocked task's own records is left when it is blocked no more", () => {
  const driver = newDriver();
  driver.apply(child(1, []), child(2, [1]), child(3, [1]), child(4, [3]), cancel(3));
  driver.flush();
  expect(prefixes(driver)).toContain("d");
  expect(prefixes(driver)).toContain("o");
  driver.apply(cancel(4), cancel(2), cancel(1));
  driver.flush();
  expect(prefixes(driver)).not.toContain("d");
  expect(prefixes(driver)).not.toContain("o");
  expect(prefixes(driver)).toContain("e");
  const requestId = new Uint8Array(1);
  for (const serial of [1, 2, 3, 4]) {
    driver.apply({ type: "delete", id: makeId(serial), requestId });
  }
  driver.flush();
  expect(prefixes(driver)).not.toContain("e");
});

test("a node says its parents; its children are found also when they have ended", () => {
  const driver = newDriver();
  driver.apply(child(1, []), child(2, [1]), child(3, [1]), child(4, [2, 3]), child(5, [4]));
  expect(driver.machine.graphNode(makeId(9))).toBeUndefined();
  expect(driver.machine.graphNode(makeId(4))).toEqual({
    id: makeId(4),
    state: "blocked",
    type: "mail",
    queue: "default",
    dependsOn: [makeId(2), makeId(3)],
  });
  driver.flush();
  driver.restart();
  driver.apply(cancel(1));
  const children = driver.store.scan(childrenRange(makeId(1)));
  expect(serials(children.map(([key]) => idOfIndexKey(key)))).toEqual([2, 3]);
});

test("a delay counts from the submit, and one that is over does not count again", () => {
  const driver = newDriver();
  driver.apply(child(1, []), child(2, [1], { delayMs: 5000 }), child(3, [1], { delayMs: 1000 }));
  driver.apply(child(4, [1], { runAt: START + 9000, onParentFailure: "continue" }));
  expect(driver.task(makeId(2)).dueAt).toBe(0);
  driver.now += 2000;
  driver.apply(registerOf("w"), { type: "lease", session: "w", count: 9 });
  driver.apply(completeOf(makeId(1), 1));
  expect(driver.task(makeId(2))).toMatchObject({ state: "scheduled", dueAt: START + 5000 });
  expect(driver.task(makeId(3))).toMatchObject({ state: "pending", dueAt: 0 });
  expect(driver.task(makeId(4))).toMatchObject({ state: "scheduled", dueAt: START + 9000 });
});

function prefixes(driver: Driver): string[] {
  return [...driver.store.records.keys()].map((key) => key[0]!);
}

function uuid(id: TaskId): string {
  return hex(id).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

test("a store that lost a record of a blocked task is not loaded", () => {
  const driver = newDriver();
  driver.apply(child(1, []), child(2, [1]), child(3, [1]), child(4, [3, 1]), cancel(3));
  driver.flush();
  for (const [text, entry] of [...driver.store.records]) {
    if (!"do".includes(text[0]!)) continue;
    driver.store.records.delete(text);
    expect(() => driver.restart()).toThrow("a blocked task's parents are missing");
    driver.store.records.set(text, entry);
  }
  driver.restart();
});

test("the records of a blocked task are read as they were written", () => {
  const record = { onFailure: 2, parents: [makeId(1), makeId(2)] };
  expect(decodeParents(encodeParents(record))).toEqual(record);
  const culprit = { id: makeId(3), state: TASK_STATES.indexOf("expired") };
  expect(decodeCulprit(encodeCulprit(culprit))).toEqual(culprit);
  for (const bytes of [encodeParents(record).slice(), encodeCulprit(culprit).slice()]) {
    const decode = bytes.length > 20 ? decodeParents : decodeCulprit;
    for (let size = 0; size < bytes.length; size++) {
      expect(() => decode(bytes.subarray(0, size))).toThrow(CodecError);
    }
    expect(() => decode(Uint8Array.of(...bytes, 0))).toThrow(CodecError);
    expect(() => decode(Uint8Array.of(9, ...bytes.subarray(1)))).toThrow(CodecError);
  }
  const completed = encodeCulprit({ id: makeId(3), state: TASK_STATES.indexOf("completed") });
  expect(() => decodeCulprit(completed)).toThrow(CodecError);
});
