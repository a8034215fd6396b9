/** Lists of finished tasks over a store, the flushed and the unflushed, against a plain filter. */
import { describe, expect, test } from "vitest";
import { matchesFilter, type TaskFilter } from "../src/operations/task-filter.ts";
import {
  DEDUP_WINDOW_MS,
  errorFingerprint,
  ID_AHEAD_MS_MAX,
  type TaskId,
} from "../src/queue/index.ts";
import { START, timeOf, World } from "./finished-world.ts";

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

describe("lists by tag", () => {
  const LATER = { delayMs: 1e9 };
  const RED = { tags: ["red"] };

  /** Red tasks of before and after version 3, the ids of both as far apart as they can be. */
  function mixed(): { world: World; live: TaskId[] } {
    const world = new World(2);
    for (let n = 1; n <= 20; n += 2) world.finish(n % 5 === 0 ? 1 : n, "q", RED);
    const live = [world.submit(1, "q", { ...RED, ...LATER })];
    live.push(world.submit(1, "q", { ...RED, ...LATER }, ID_AHEAD_MS_MAX));
    world.machine.skip(world.machine.applied + 1);
    world.machine.raise(3);
    live.push(world.submit(1, "q", { ...RED, ...LATER }, -DEDUP_WINDOW_MS / 2));
    for (let n = 0; n < 1_000; n++) world.finish(n, n % 2 === 0 ? "q" : "p");
    live.push(world.submit(1, "q", { ...RED, ...LATER }));
    return { world, live };
  }

  test.each([0, 1])("find also what was there before version 3 (flushed: %i)", async (flushed) => {
    const { world, live } = mixed();
    if (flushed === 1) world.flush();
    for (const id of live.slice(0, 3)) world.apply({ type: "cancel", id, reason: "" });
    for (const filter of [{ tag: "red" }, { tag: "red", queue: "q", type: "b" }, { tag: "blue" }]) {
      const expected = world.ids
        .map((id) => world.machine.task(id)!)
        .filter((view) => view.finishedAt > 0 && matchesFilter(filter, view))
        .map(({ id }) => timeOf(id))
        .sort((a, b) => b - a);
      expect(expected.length > 12).toBe(filter.tag === "red");
      for (const limit of [1, 7, 1_000]) {
        expect((await world.list(filter, limit)).map(({ id }) => timeOf(id))).toEqual(expected);
      }
    }
  });

  test.each([
    [2, 0, undefined],
    [2, 1, "later"],
    [3, 0, 0],
  ])("of version %i with %i tasks: the index knows all since %s", (version, tasks, since) => {
    const world = new World(version);
    if (tasks > 0) world.submit(1, "q", { ...RED, ...LATER });
    if (since === "later") world.machine.raise(3);
    const expected = since === "later" ? world.machine.clock + ID_AHEAD_MS_MAX + 1 : since;
    expect(world.machine.tagsSince()).toBe(expected);
  });

  test("a rare tag in a long history is one scan", async () => {
    const world = new World();
    for (let n = 0; n < 12_000; n++) world.finish(1, "q", n === 500 ? { tags: ["rare"] } : {});
    world.flush();
    world.scans = 0;
    expect(await world.list({ tag: "rare" }, 100)).toHaveLength(1);
    expect(world.scans).toBe(1);
  });
});

test("children of a task, flushed and not, in the order of their ids", async () => {
  const world = new World();
  const parent = world.finish(0, "q");
  const ids: TaskId[] = [];
  for (let n = 0; n < 6; n++) {
    ids.push(world.finish(0, "q", { dependsOn: [parent] }));
    world.finish(0, "q");
    if (n === 2) world.flush();
  }
  expect(await world.reader.children(parent, 100)).toEqual(ids);
  expect(await world.reader.children(parent, 4)).toEqual(ids.slice(0, 4));
  const gone = [ids[0]!, ids[5]!].map((id) => {
    return { id, finishedAt: world.machine.task(id)!.finishedAt };
  });
  world.apply({ type: "expunge", what: "task", tasks: gone });
  expect(await world.reader.children(parent, 4)).toEqual(ids.slice(1, 5));
  expect(await world.reader.children(ids[1]!, 4)).toEqual([]);
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

  test("a page that finds little ends with a cursor, and the next ones go on", async () => {
    const world = new World();
    for (let n = 0; n < 8_000; n++) world.finish(1, n % 2_000 === 0 ? "rare" : "q");
    world.flush();
    const found: number[] = [];
    let before: TaskId | undefined;
    do {
      const page = await world.reader.list({ state: "dead", queue: "rare" }, before, 100);
      found.push(page.tasks.length);
      before = page.next;
    } while (before !== undefined);
    expect(found.length).toBeGreaterThan(8);
    expect(found.reduce((sum, each) => sum + each, 0)).toBe(4);
  });
});
