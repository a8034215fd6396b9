/** A payload that is read from the disk for a worker: what has happened meanwhile decides. */

import { expect, test } from "vitest";
import { ClusterClock } from "../../src/replica/clock.ts";
import { buildMachinery } from "../../src/replica/machinery.ts";
import type { ContentLoad } from "../../src/replica/output.ts";
import { completeOf, Driver, makeId, registerOf, START, submitOf } from "../queue/harness.ts";
import { toldBy } from "./told-by.ts";

const ID = makeId(1);

/** Session w1 holds token 1, and the payload of its task is on the disk only. */
function setup() {
  const driver = new Driver();
  driver.apply(registerOf("w1"), submitOf(ID));
  driver.flush();
  driver.apply({ type: "lease", session: "w1", count: 1 });
  const clock = new ClusterClock(0, START);
  const applied = { term: 1, index: driver.machine.applied };
  const { sessions, dispatcher } = buildMachinery(driver.machine, applied, new Uint8Array(), clock);
  dispatcher.attach("w1");
  const [lease] = driver.machine.leases("w1");
  sessions.deliver("w1", lease!.slot, ID, lease!.token);
  const [load] = toldBy(sessions).contentLoads as [ContentLoad];
  const content = driver.store.get(load.key);
  const delivered = () => {
    return (toldBy(sessions).sessions.get("w1")?.deliveries ?? []).map(({ token }) => token);
  };
  return { driver, sessions, load, content, delivered };
}

test("is delivered when the lease still holds", () => {
  const { sessions, load, content, delivered } = setup();
  sessions.contentLoaded(load, content);
  expect(delivered()).toEqual([1]);
});

test("is not when the lease has ended, whatever became of the task", () => {
  const { driver, sessions, load, content, delivered } = setup();
  driver.apply(completeOf(ID, 1));
  sessions.contentLoaded(load, content);
  driver.apply({ type: "delete", id: ID, requestId: Uint8Array.of(1) });
  driver.flush();
  expect(driver.store.get(load.key)).toBeUndefined();
  sessions.contentLoaded(load, undefined);
  expect(delivered()).toEqual([]);
});

test("must be there while the lease holds", () => {
  const { sessions, load } = setup();
  expect(() => sessions.contentLoaded(load, undefined)).toThrow("missing from the store");
});
