/** What is taken for new must be new, whatever was made before, here or before a start. */
import { expect, test } from "vitest";
import { KnownIds } from "../../src/queue/known-ids.ts";
import { completeOf, Driver, HOUR, makeId, registerOf, START, submitOf } from "./harness.ts";

/** The makers of ids count upwards: neighbours differ in one bit. */
function idAt(time: number, serial: number): Uint8Array {
  const id = new Uint8Array(16);
  const view = new DataView(id.buffer);
  view.setUint32(0, Math.floor(time / 65_536));
  view.setUint16(4, time % 65_536);
  view.setUint16(6, 0x7000);
  view.setUint32(8, 0x8000_0000);
  view.setUint32(12, serial);
  return id;
}

test("an id that was added is never taken for new, and few others are taken for known", () => {
  const ids = new KnownIds(65_536);
  const count = 300_000;
  let wrong = 0;
  for (let serial = 0; serial < count; serial++) {
    const id = idAt(START + Math.floor(serial / 50), serial);
    if (ids.mayKnow(id)) wrong++;
    ids.add(id);
  }
  expect(wrong).toBeLessThan(count / 100);
  for (let serial = 0; serial < count; serial++) {
    expect(ids.mayKnow(idAt(START + Math.floor(serial / 50), serial))).toBe(true);
  }
});

test("after a start all ids may be known up to its time, and only what comes later is new", () => {
  const ids = new KnownIds(65_536);
  ids.begin(START);
  expect(ids.mayKnow(idAt(START, 1))).toBe(true);
  expect(ids.mayKnow(idAt(START + 1, 1))).toBe(false);
});

test("an id far ahead hides nothing that comes after it", () => {
  const ids = new KnownIds(65_536);
  ids.add(idAt(START + HOUR, 0));
  for (let serial = 1; serial < 200_000; serial++) ids.add(idAt(START, serial));
  expect(ids.mayKnow(idAt(START + HOUR, 0))).toBe(true);
  expect(ids.mayKnow(idAt(START, 1))).toBe(true);
});

test("a new task is not looked up, its copy is, after a restart too", () => {
  const driver = new Driver();
  const [first, second] = [makeId(1), makeId(2)];
  driver.apply(registerOf("w1", { leaseMs: 10 * HOUR }), submitOf(first));
  driver.flush();
  const before = driver.store.reads;
  driver.apply(submitOf(second));
  expect(driver.store.reads).toBe(before);

  driver.apply({ type: "lease", session: "w1", count: 2 });
  driver.apply(completeOf(first, 1), completeOf(second, 2));
  driver.flush();
  for (const id of [first, second]) {
    expect(driver.one(submitOf(id))).toMatchObject({ code: "ok", duplicate: true });
  }
  driver.restart();
  for (const id of [first, second]) {
    expect(driver.one(submitOf(id))).toMatchObject({ code: "ok", duplicate: true });
  }
});
