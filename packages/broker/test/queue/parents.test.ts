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
import { idOfIndexKey } from "../../src/queue/keys.ts";
import { CHILDREN_MAX, PARENT_READS_MAX, WAKE_MAX } from "../../src/queue/limits.ts";
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

test("one task has so many waiting children, and a wake counts those that hear of its end", () => {
  const driver = newDriver();
  driver.apply(child(1, []), cancel(1), child(2, [1]));
  driver.apply(...range(1001, CHILDREN_MAX - 1).map((serial) => child(serial, [2])));
  expect(driver.one(child(20_000, [2, 2]))).toMatchObject({ code: "ok", state: "blocked" });
  expect(driver.one(child(20_001, [2]))).toMatchObject({ code: "overloaded" });
  driver.apply({ type: "wake", max: WAKE_MAX });
  expect(driver.machine.counts()).toMatchObject({ blocked: CHILDREN_MAX, dead: 1, cancelled: 1 });
  driver.apply({ type: "wake", max: WAKE_MAX });
  expect(driver.machine.counts()).toMatchObject({ blocked: CHILDREN_MAX - WAKE_MAX });
  const { machine } = driver;
  for (let due = machine.dueCommands(driver.now); due.length > 0; ) {
    machine.apply(machine.applied + 1, { at: driver.now, commands: due });
    due = machine.dueCommands(driver.now);
  }
  machine.checkInvariants();
  expect(driver.machine.counts()).toMatchObject({ blocked: 0, dead: CHILDREN_MAX + 1 });
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

test("the graph shows ancestors, and descendants that wait, up to its limit", () => {
  const driver = newDriver();
  driver.apply(child(1, []), child(2, [1]), child(3, [1]), child(4, [2, 3]), child(5, [4]));
  const seen = (serial: number, limit = 1000) => {
    const graph = driver.machine.graphOf(makeId(serial), limit)!;
    return [serials(graph.nodes.map(({ id }) => id)), graph.isWhole];
  };
  expect(seen(1)).toEqual([[1, 2, 3, 4, 5], true]);
  expect(seen(4)).toEqual([[4, 2, 3, 5, 1], true]);
  expect(seen(3)).toEqual([[3, 1, 4, 5], true]);
  expect(seen(4, 3)).toEqual([[4, 2, 3], false]);
  expect(seen(4, 5)).toEqual([[4, 2, 3, 5, 1], true]);
  expect(seen(5, 1)).toEqual([[5], false]);
  expect(driver.machine.graphOf(makeId(9), 10)).toBeUndefined();
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
  expect(seen(1)).toEqual([[1], true]);
  const children = driver.store.scan(driver.machine.childrenRange(makeId(1)));
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
