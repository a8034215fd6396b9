/** Imports that are not the first: of a later export, after a purge, and behind refusals. */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { ImportIds } from "../src/transfer/import-ids.ts";
import { LineSet } from "../src/transfer/line-set.ts";
import { openBroker, temporaryFolder } from "./real-broker.ts";
import { HOUR_MS, header, queueLine, read, taskLine, write } from "./transfer-file.ts";

/** More children than are kept in memory. */
const CHILDREN = 10_050;

test("two exports of the same tasks make them once, whatever their ids have become", async () => {
  const [from, to] = [await openBroker(), await openBroker()];
  const folder = await temporaryFolder();
  const [rehearsal, cutover] = [join(folder, "rehearsal"), join(folder, "cutover")];
  const now = Date.now();
  const idAt = (hours: number) => taskLine(now - hours * HOUR_MS).submit.id;
  const [parent, child, ...others] = [12.6, 12.5, 12.4, 12.3, 2].map(idAt);
  await from.client.submit("t", 1, { id: parent! });
  await from.client.submit("t", 2, { id: child!, dependsOn: [parent!] });
  await from.client.submit("t", 3, { id: others[0]!, idempotencyKey: "own" });
  await from.client.submit("t", 4, { id: others[1]! });
  await from.client.submit("t", 5, { id: others[2]! });
  const before = { now: () => now - HOUR_MS };
  expect(await from.call(["export", rehearsal], before)).toMatchObject({ status: 0 });
  const first = await to.call(["import", rehearsal], before);
  expect(JSON.parse(first.stdout)).toMatchObject({ made: 5, duplicate: 0 });
  expect((await to.client.get(parent!)).idempotency_key).toBe(`import:${parent}`);
  await from.call(["export", cutover]);
  const second = await to.call(["import", cutover]);
  expect(second).toMatchObject({ status: 0, stderr: "" });
  expect(JSON.parse(second.stdout)).toMatchObject({ made: 0, duplicate: 5, refused: 0 });
  expect((await to.client.list()).tasks).toHaveLength(5);
});

test("an id that was made while the export ran is kept", () => {
  const at = Date.now();
  const { id } = taskLine(at + 2 * HOUR_MS).submit;
  expect(new ImportIds(at, false).of(id)).toBe(id);
  const old = taskLine(at - 13 * HOUR_MS).submit.id;
  expect(new ImportIds(at, false).of(old)).not.toBe(old);
});

test("what was purged since is told apart from what is there", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "purged");
  const now = Date.now();
  await write(file, [header(now), taskLine(now, { queue: "a" }), taskLine(now, { queue: "b" })]);
  expect((await to.call(["import", file])).status).toBe(0);
  expect((await to.call(["queue", "purge", "a", "--yes"])).status).toBe(0);
  const again = await to.call(["import", file]);
  expect(again.status).toBe(1);
  expect(JSON.parse(again.stdout)).toMatchObject({ made: 0, duplicate: 1, ended: 1, refused: 0 });
});

test("--resume sends what was refused again", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "refused");
  const now = Date.now();
  const lines = [1, 2, 3].map(() => taskLine(now, { unique_key: "u" }));
  const bad = queueLine("q", { concurrency: -1 });
  await write(file, [header(now), bad, ...lines, taskLine(now)]);
  const first = await to.call(["import", file]);
  expect(first.status).toBe(1);
  const counted = { made: 2, refused: 2, queues_refused: 1 };
  expect(JSON.parse(first.stdout)).toMatchObject(counted);
  expect(first.stderr.match(/queue q:/g)).toHaveLength(1);
  await to.client.cancel(lines[0]!.submit.id);
  const resumed = await to.call(["import", file, "--resume"]);
  expect(JSON.parse(resumed.stdout)).toMatchObject({ made: 3, refused: 1, queues_refused: 1 });
  expect(resumed.stderr).toContain(`${file}:5: state_conflict`);
  await to.client.cancel(lines[1]!.submit.id);
  const last = await to.call(["import", file, "--resume"]);
  expect(JSON.parse(last.stdout)).toMatchObject({ made: 4, duplicate: 0, refused: 0 });
});

test("more children than memory holds find the parent behind them", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "children");
  const now = Date.now();
  const parents = Array.from({ length: 50 }, () => taskLine(now));
  const children = Array.from({ length: CHILDREN }, (_, n) => {
    return taskLine(now, { depends_on: [parents[n % parents.length]!.submit.id] });
  });
  await write(file, [header(now), ...children, ...parents]);
  const { status, stdout, stderr } = await to.call(["import", file]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ made: CHILDREN + 50, duplicate: 0, refused: 0 });
});

test("queues of a finished import are left alone by the next one", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "queues");
  const now = Date.now();
  const lines = [queueLine("q", { depth_limit: 5 }, true), taskLine(now, { queue: "q" })];
  await write(file, [header(now), ...lines]);
  await to.call(["import", file]);
  expect(await to.client.queue("q").get()).toMatchObject({ paused: true });
  await to.client.queue("q").resume();
  await to.client.queue("q").set({ depth_limit: 9 });
  for (const flags of [[], ["--resume"]]) {
    expect((await to.call(["import", file, ...flags])).status).toBe(0);
    const { paused, settings } = await to.client.queue("q").get();
    expect([paused, settings?.depth_limit]).toEqual([false, 9]);
  }
});

test("the journal knows the map, and leaves nothing beside it", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "mapped");
  const now = Date.now();
  await write(file, [header(now), taskLine(now)]);
  await to.call(["import", file, "--map-queue", "default=main"]);
  const other = await to.call(["import", file, "--resume"]);
  expect(other).toMatchObject({ status: 64, stderr: expect.stringContaining("default=main") });
  const same = await to.call(["import", file, "--resume", "--map-queue", "default=main"]);
  expect(same.status).toBe(0);
  const names = await readdir(dirname(file));
  expect(names.filter((name) => name.includes(".import-"))).toHaveLength(1);
  expect(names.some((name) => name.endsWith(".new"))).toBe(false);
});

test("in its own cluster a task with other content is known", async () => {
  const from = await openBroker();
  const file = join(await temporaryFolder(), "own");
  await from.client.submit("t", 1, { delayMs: HOUR_MS });
  await from.client.submit("t", 2);
  await from.call(["export", file]);
  const { status, stdout } = await from.call(["import", file]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ made: 0, duplicate: 0, known: 2, refused: 0 });
  const back = join(dirname(file), "back");
  await from.call(["export", back]);
  expect((await read(back)).submits).toEqual((await read(file)).submits);
  expect(await readFile(file, "utf8")).not.toContain("import:");
});

test("a set of lines", () => {
  const set = new LineSet([70_000, 3, 9, 3]);
  set.delete(9);
  set.delete(10);
  expect([...set]).toEqual([3, 70_000]);
  expect([set.size, set.has(3), set.has(9), set.has(1_000_000)]).toEqual([2, true, false, false]);
});
