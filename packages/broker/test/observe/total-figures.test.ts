/** The totals of the state: what each counts, that a restart lowers none, and when they are shown. */
import { expect, test } from "vitest";
import { TotalFigures } from "../../src/observe/total-figures.ts";
import {
  completeOf,
  Driver,
  failOf,
  HOUR,
  makeId,
  registerOf,
  submitOf,
} from "../queue/harness.ts";
import { readExposition } from "./exposition.ts";
import { faultsByPromtool } from "./promtool.ts";

const LEASE = { type: "lease", session: "w", count: 1 } as const;

async function samplesOf(figures: TotalFigures): Promise<Record<string, number>> {
  const text = await figures.render();
  if (text === "") return {};
  expect(faultsByPromtool(text)).toBeUndefined();
  const families = [...readExposition(text).values()];
  return Object.fromEntries(families.flatMap((family) => [...family.samples]));
}

test("tasks count when they come and when they end, runs when they are given out", () => {
  const driver = new Driver();
  const totals = () => Object.values(driver.machine.totals());
  driver.apply(registerOf("w"), submitOf(makeId(1)), submitOf(makeId(2)));
  expect(totals()).toEqual([2, 0, 0]);
  driver.apply(submitOf(makeId(2)));
  expect(totals()).toEqual([2, 0, 0]);
  driver.apply(LEASE, completeOf(makeId(1), 1));
  expect(totals()).toEqual([2, 1, 1]);
  driver.flush();
  driver.apply(LEASE, failOf(makeId(2), 2));
  expect(totals()).toEqual([2, 1, 2]);
  driver.restart();
  expect(totals()).toEqual([2, 1, 2]);
  driver.now += HOUR;
  driver.apply({ type: "wake", max: 9 }, LEASE, { ...failOf(makeId(2), 3), retryable: false });
  expect(totals()).toEqual([2, 2, 3]);
  driver.apply({ type: "retry", id: makeId(2), requestId: new Uint8Array(16) });
  expect(totals()).toEqual([3, 2, 3]);
  driver.apply({ type: "cancel", id: makeId(2), reason: "" });
  expect(totals()).toEqual([3, 3, 3]);
  driver.flush();
  driver.restart();
  expect(totals()).toEqual([3, 3, 3]);
});

test("nothing is shown before this node has caught up, and each total from then on", async () => {
  const driver = new Driver();
  driver.apply(registerOf("w"), submitOf(makeId(1)), LEASE);
  let asked = 0;
  let arrive: (index: number) => void = () => undefined;
  let refuse: (error: Error) => void = () => undefined;
  const figures = new TotalFigures({
    totals: () => driver.machine.totals(),
    readBarrier: (consistency) => {
      expect(consistency).toBe("linearizable");
      asked++;
      return new Promise((resolve, reject) => {
        arrive = resolve;
        refuse = reject;
      });
    },
  });
  figures.look();
  figures.look();
  expect([asked, await samplesOf(figures)]).toEqual([1, {}]);
  refuse(new Error("no leader"));
  await samplesOf(figures);
  figures.look();
  expect([asked, await samplesOf(figures)]).toEqual([2, {}]);
  arrive(1);
  const seen = { tq_cluster_tasks_entered_total: 1, tq_cluster_tasks_ended_total: 0 };
  await expect.poll(() => samplesOf(figures)).toEqual({ ...seen, tq_cluster_runs_total: 1 });
  driver.apply(completeOf(makeId(1), 1));
  expect(await samplesOf(figures)).toMatchObject({ tq_cluster_tasks_ended_total: 1 });
  figures.look();
  expect(asked).toBe(2);
});
