/** A worker that comes back: what it must not run on with, and what it holds without knowing. */

import { expect, test } from "vitest";
import { attachSession } from "../../src/replica/attach.ts";
import { ClusterClock } from "../../src/replica/clock.ts";
import { buildMachinery } from "../../src/replica/machinery.ts";
import { completeOf, Driver, makeId, registerOf, START, submitOf } from "../queue/harness.ts";
import { toldBy } from "./told-by.ts";

/** Session w1 has been granted tokens 1 to 3, and the run with token 1 has ended. */
function setup() {
  const driver = new Driver();
  const submits = [1, 2, 3].map((serial) => submitOf(makeId(serial)));
  driver.apply(registerOf("w1"), ...submits, { type: "lease", session: "w1", count: 3 });
  driver.apply(completeOf(makeId(1), 1));
  const clock = new ClusterClock(0, START);
  const applied = { term: 1, index: driver.machine.applied };
  const machinery = buildMachinery(driver.machine, applied, new Uint8Array(), clock);
  const delivered = () => {
    const { sessions } = toldBy(machinery.sessions);
    return (sessions.get("w1")?.deliveries ?? []).map(({ token }) => token);
  };
  return { driver, machinery, delivered };
}

test("is told which of its leases have ended", () => {
  const { machinery } = setup();
  expect(attachSession(machinery, "w1", [1, 2, 3, 99])?.lost).toEqual([1, 99]);
});

test("is given what it does not know that it holds, under the same tokens", () => {
  const { machinery, delivered } = setup();
  expect(attachSession(machinery, "w1", [1])?.lost).toEqual([1]);
  expect(delivered()).toEqual([2, 3]);
  attachSession(machinery, "w1", [3]);
  expect(delivered()).toEqual([2]);
  attachSession(machinery, "w1", [2, 3]);
  expect(delivered()).toEqual([]);
});

test("has no session any more once that has lapsed", () => {
  const { driver, machinery } = setup();
  driver.now += 31_000;
  driver.apply({ type: "lapse", session: "w1", renewals: 0 });
  expect(attachSession(machinery, "w1", [2, 3])).toBeUndefined();
});
