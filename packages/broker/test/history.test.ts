/** Lists of finished tasks over a store, the flushed and the unflushed, against a plain filter. */
import { describe, expect, test } from "vitest";
import { idAt, idBefore, timeOf } from "../src/history-skip.ts";
import { matchesFilter, type TaskFilter } from "../src/operations/task-filter.ts";
import { errorFingerprint, type TaskId } from "../src/queue/index.ts";
import { START, World } from "./finished-world.ts";

const FILTERS: readonly TaskFilter[] = [
  {},
  { state: "completed" },
  { state: "dead" },
  { state: "cancelled" },
  { state: "expired" },
  { state: "completed", queue: "rare" },
  { queue: "q1", type: "b" },
  { tag: "red" },
  { group: "g", state: "dead" },
  { createdFrom: START + 500_000, createdTo: START + 700_000 },
  { finishedFrom: START + 500_000, finishedTo: START + 700_000, state: "completed" },
  { finishedTo: START },
  { error: errorFingerprint("a", "no 4") },
  { error: "0123456789abcdef" },
];

describe("lists of finished tasks", () => {
  const world = new World();
  for (let n = 0; n < 2_500; n++) {
    world.finish(n, n === 1_200 ? "rare" : `q${n % 2}`);
    if (n === 1_500 || n === 2_000) world.flush();
  }
  const all = world.ids.map((id) => world.machine.task(id)!).reverse();

  test.each(FILTERS)("%j", async (filter) => {
    const expected = all.filter((view) => matchesFilter(filter, view)).map(({ id }) => timeOf(id));
    for (const limit of [60, 1_000]) {
      expect((await world.list(filter, limit)).map(({ id }) => timeOf(id))).toEqual(expected);
    }
  });

  test("the filters are not all of nothing", () => {
    const found = FILTERS.map((filter) => all.filter((view) => matchesFilter(filter, view)).length);
    expect(found.filter((count) => count === 0)).toHaveLength(3);
    expect(found[5]).toBe(1);
  });

  test("groups of errors count their tasks, page by page", async () => {
    const groups = await world.reader.errorGroups(undefined, 100);
    const counts = groups.map(({ type, count }) => [type, count] as const);
    const dead = all.filter(({ state }) => state === "dead");
    const ofA = dead.filter(({ content }) => content.type === "a").length;
    expect([...counts].sort()).toEqual([
      ["a", ofA],
      ["b", dead.length - ofA],
    ]);
    const first = await world.reader.errorGroups(undefined, 1);
    expect([first[0], ...(await world.reader.errorGroups(first[0]!.fingerprint, 1))]).toEqual(
      groups,
    );
  });
});

describe("what nothing can match in is not read", () => {
  test("a rare queue in a long history is one scan", async () => {
    const world = new World();
    for (let n = 0; n < 12_000; n++) world.finish(0, n === 500 ? "rare" : "q");
    world.flush();
    world.scans = 0;
    expect(await world.list({ queue: "rare" }, 100)).toHaveLength(1);
    expect(world.scans).toBeLessThanOrEqual(2);
  });

  test.each([
    [[5, 9], undefined, 10],
    [[5, 9], 9, 6],
    [[5, 9], 6, 6],
    [[5, 9], 5, undefined],
    [[], 7, undefined],
  ])("of tasks at %j, before %s: %s", (times, before, expected) => {
    const skipTo = (from: TaskId) => {
      const next = times.find((time) => time >= timeOf(from));
      return next === undefined ? undefined : idAt(next);
    };
    const found = idBefore(before === undefined ? undefined : idAt(before), skipTo);
    expect(found && timeOf(found)).toBe(expected);
  });
});
