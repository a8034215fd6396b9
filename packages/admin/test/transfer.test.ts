/** Export and import between two real brokers, and what becomes of files that are not whole. */
import { appendFile, copyFile, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AnyTasks, type SubmitItem, TqError } from "task-queue-client";
import { uuidv7obj } from "uuidv7";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { createWorker } from "../../worker/src/index.ts";
import {
  openBroker,
  openKept,
  type RealBroker,
  replacing,
  temporaryFolder,
} from "./real-broker.ts";
import { DAY_MS, HOUR_MS, header, read, taskLine, write } from "./transfer-file.ts";

const TASKS = 2_000;
/** Three children, one that runs and one that is to be tried again. */
const OTHERS = 5;

/** One that fails and waits an hour, and one that runs until the worker is stopped. */
async function run({ client, servers }: RealBroker): Promise<() => Promise<void>> {
  const worker = createWorker({
    servers: [servers],
    handlers: {
      fail: async () => {
        throw new Error("not yet");
      },
      hold: (_payload, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    },
  });
  await worker.start();
  await client.submit("fail", 1, { retry: { initialDelayMs: HOUR_MS }, maxRetries: 3 });
  await client.submit("hold", 2);
  await vi.waitFor(async () => {
    expect((await client.stats())["tasks"]).toMatchObject({ running: 1, retrying: 1 });
  });
  return async () => void (await worker.stop({ graceMs: 0 }));
}

/** 2,000 live tasks of all kinds, one of each state, and settings of two queues. */
async function fill({ client }: RealBroker): Promise<void> {
  const settings = { concurrency: 7, depth_limit: 5_000, default_ttl_ms: 9 * HOUR_MS };
  await client.queue("mail").set({ ...settings, retry: { backoff: "linear" as const } });
  await client.queue("mail").pause();
  const parents: string[] = [];
  for (let at = 0; at < 5; at++) {
    const handles = await client.submitMany(Array.from({ length: TASKS / 5 }, (_, n) => item(n)));
    parents.push(...handles.flatMap((handle) => ("id" in handle ? [handle.id] : [])));
  }
  expect(parents).toHaveLength(TASKS);
  await client.submit("child", 1, { dependsOn: [parents[3]!], delayMs: 2 * HOUR_MS });
  const middle = await client.submit("child", 2, { dependsOn: parents.slice(0, 30) });
  const onFailure = { dependsOn: [middle, parents[9]!], onParentFailure: "continue" as const };
  await client.submit("child", 3, onFailure);
  await client.queue("other").set({ dead_letter_queue: "mail", weight: 3 });
  await client.queue("other").drain();
}

function item(n: number): SubmitItem<AnyTasks> {
  const common = { tags: [`tag-${n % 7}`, "all"], group: n % 3 === 0 ? `g${n % 9}` : "" };
  const kinds: { payload: unknown; options: object }[] = [
    { payload: { n, text: "ä\u2028\u0000" }, options: { queue: "mail", priority: "critical" } },
    { payload: Buffer.from([n & 255, 0, 10, 255]), options: { metadata: { n } } },
    { payload: n, options: { delayMs: HOUR_MS + n, expiresInMs: DAY_MS } },
    { payload: null, options: { uniqueKey: uuidv7obj().toString(), uniqueForMs: 2 * HOUR_MS } },
    { payload: [n], options: { retry: { delaysMs: [1, n], jitter: "full" }, maxRetries: 9 } },
    { payload: "k", options: { idempotencyKey: uuidv7obj().toString(), timeoutMs: 1_000 } },
    { payload: 1.5, options: { requiredLabels: ["zone=a"], queue: "other" } },
  ];
  const { payload, options } = kinds[n % kinds.length]!;
  return { type: `type-${n % 4}`, payload, options: { ...common, ...options } } as never;
}

describe("2,000 tasks", () => {
  let from: RealBroker;
  let folder: string;
  let file: string;

  beforeAll(async () => {
    const opened = await openKept();
    from = opened.broker;
    folder = opened.folder;
    file = join(folder, "tasks.jsonl");
    const stop = await run(from);
    await fill(from);
    const exported = await from.call(["export", file]);
    expect(exported).toMatchObject({ status: 0, stderr: "" });
    const counts = { queues: 2, live: TASKS + OTHERS, finished: 0 };
    expect(JSON.parse(exported.stdout)).toMatchObject(counts);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    return async () => {
      await stop();
      await opened.close();
    };
  });

  test("are the same in the cluster that they were imported into, and once", async () => {
    const to = await openBroker();
    const done = await to.call(["import", file]);
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expect(JSON.parse(done.stdout)).toMatchObject({
      made: TASKS + OTHERS,
      duplicate: 0,
      refused: 0,
    });
    const again = await to.call(["import", file]);
    expect(JSON.parse(again.stdout)).toMatchObject({
      made: 0,
      duplicate: TASKS + OTHERS,
      refused: 0,
    });
    const resumed = await to.call(["import", file, "--resume"]);
    expect(JSON.parse(resumed.stdout)).toMatchObject({ made: 0, duplicate: TASKS + OTHERS });
    const back = join(folder, "back.jsonl");
    await to.call(["export", back]);
    const [before, after] = [await read(file), await read(back)];
    expect(after.submits).toEqual(before.submits);
    expect(after.queues).toEqual(before.queues);
    expect(before.queues.get("mail")).toMatchObject({ paused: true, draining: false });
    expect(before.queues.get("other")).toMatchObject({ draining: true });
    const states = (await to.client.stats())["tasks"];
    expect(states).toMatchObject({ blocked: 3, cancelled: 0, expired: 0 });
    const was = (state: string) =>
      before.lines.filter((line) => (line["was"] as { state?: string })?.state === state).length;
    expect([was("running"), was("retrying"), was("blocked")]).toEqual([1, 1, 3]);
    expect(states).toMatchObject({
      pending: was("pending") + was("running"),
      scheduled: was("scheduled") + was("retrying"),
    });
    expect(JSON.stringify(before.lines)).not.toContain('"lease"');
  });

  test("are made once when the import dies in the middle, whichever way it goes on", async () => {
    for (const flags of [[], ["--resume"]]) {
      const to = await openBroker();
      let batches = 0;
      const died = await to.callWith(
        (client) => {
          // The third batch is made, and nobody hears of it.
          const submitMany = async (items: Iterable<SubmitItem<AnyTasks>>) => {
            const outcomes = await client.submitMany(items);
            if (++batches === 3) throw new Error("killed");
            return outcomes;
          };
          return replacing(client, { submitMany: submitMany as typeof client.submitMany });
        },
        "import",
        file,
      );
      expect(died).toMatchObject({ status: 70, stderr: expect.stringContaining("killed") });
      expect(await liveIn(to)).toBe(1_500);
      const done = await to.call(["import", file, ...flags]);
      expect(done).toMatchObject({ status: 0, stderr: "" });
      const { made, duplicate } = JSON.parse(done.stdout);
      expect({ made, duplicate }).toEqual(
        flags.length > 0 ? { made: 1_505, duplicate: 500 } : { made: 505, duplicate: 1_500 },
      );
      expect(await liveIn(to)).toBe(TASKS + OTHERS);
      await rm(`${file}.import-${(await to.client.cluster()).cluster_id.slice(0, 8)}`);
    }
  });

  test("go into other queues; a dry run counts and does nothing", async () => {
    const to = await openBroker();
    const map = ["--map-queue", "mail=post", "--map-queue", "default=main"];
    const dry = await to.call(["import", file, "--dry-run", ...map]);
    expect(dry).toMatchObject({ status: 0, stderr: "" });
    expect(JSON.parse(dry.stdout)).toMatchObject({ dry_run: true, made: TASKS + OTHERS });
    expect(await to.client.queues()).toEqual([]);
    expect((await to.call(["import", file, ...map])).status).toBe(0);
    expect((await to.client.queues()).map(({ name }) => name)).toEqual(["main", "other", "post"]);
    const other = await to.client.queue("other").get();
    expect(other.settings).toMatchObject({ dead_letter_queue: "post", weight: 3 });
    const plain = await openBroker();
    await plain.call(["import", file, "--no-settings"]);
    expect(await plain.client.queue("other").get()).toMatchObject({ revision: 0, paused: false });
  });

  test("an export that was broken off goes on behind its last whole page", async () => {
    const cut = join(folder, "cut.jsonl");
    const whole = await readFile(file);
    const lines = whole.toString().split("\n");
    const pages = lines.flatMap((line, at) => (line.includes('"kind":"page"') ? [at] : []));
    const page = pages.at(-2)!;
    expect(page).toBeGreaterThan(500);
    const upTo = lines.slice(0, page + 8).join("\n");
    await writeFile(cut, upTo.slice(0, -20));
    const refused = await from.call(["import", cut]);
    expect(refused).toMatchObject({ status: 65, stdout: "" });
    expect(refused.stderr).toContain(`${cut}:${page + 8}: it ends within this line`);
    expect(await from.call(["export", cut])).toMatchObject({ status: 64 });
    const resumed = await from.call(["export", "--resume", cut]);
    expect(resumed).toMatchObject({ status: 0, stderr: "" });
    expect(await readFile(cut)).toEqual(whole);
    expect((await from.call(["export", "--resume", cut])).stdout).toContain("whole already");
    const elsewhere = await (await openBroker()).call(["export", "--resume", `${cut}`]);
    expect(elsewhere.status).toBe(0);
    await writeFile(cut, upTo);
    const other = await (await openBroker()).call(["export", "--resume", cut]);
    expect(other).toMatchObject({ status: 65, stderr: expect.stringContaining("is of cluster") });
  });

  test("an export that loses its broker says so, and goes on", async () => {
    const path = join(folder, "lost.jsonl");
    const lost = await from.callWith(
      (client) => {
        const list: typeof client.list = (filter) => {
          if (filter?.cursor !== undefined) throw new TqError("no_leader", "gone");
          return client.list(filter);
        };
        return replacing(client, { list });
      },
      "export",
      path,
    );
    expect(lost).toMatchObject({ status: 69, stdout: "" });
    expect(lost.stderr).toContain("--resume goes on with it");
    expect(await from.call(["export", path, "--resume", "--finished"])).toMatchObject({
      status: 64,
    });
    expect((await from.call(["export", path, "--resume"])).status).toBe(0);
    expect((await read(path)).submits).toEqual((await read(file)).submits);
  });

  test("a file that is not what it was is refused, with the line", async () => {
    const to = await openBroker();
    const bad = join(folder, "bad.jsonl");
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    const changed = (at: number, text: string) => lines.with(at, text).join("\n");
    const cases: [string, string][] = [
      [lines.slice(0, -1).join("\n"), `:${lines.length - 1}: the last line is missing`],
      [lines.slice(0, 900).join("\n"), ":900: the last line is missing"],
      [changed(9, '{"kind":"task"'), ":10: it is not JSON"],
      [changed(9, "[1]"), ":10: the line is no JSON object"],
      [changed(9, '{"kind":"toString"}'), ':10: "toString" is no kind of line'],
      [changed(9, '{"kind":"task","submit":{"id":"x"}}'), ":10: type is no text"],
      [changed(9, lines[10]!), `:${lines.length}: its checksum is`],
      [lines.toSpliced(9, 1).join("\n"), `:${lines.length - 1}: live: 2004, not 2005 as it says`],
      [changed(0, lines[0]!.replace('"version":1', '"version":2')), ":1: it has version 2"],
      [changed(0, lines[0]!.replace("tq-export", "other")), ':1: its format is "other"'],
      [lines.slice(1).join("\n"), ":1: line 1 is the header"],
      [[...lines, lines[5]].join("\n"), `:${lines.length + 1}: a line behind the last one`],
      ["", ":0: it is empty"],
    ];
    for (const [text, why] of cases) {
      await writeFile(bad, text === "" ? "" : `${text}\n`);
      const { status, stdout, stderr } = await to.call(["import", bad]);
      expect({ status, stdout, stderr }).toMatchObject({ status: 65, stdout: "" });
      expect(stderr).toContain(`${bad}${why}`);
    }
    expect((await to.call(["import", join(folder, "none")])).status).toBe(66);
    expect(await to.client.queues()).toEqual([]);
  });

  test("go to standard output, and a bar to a terminal", async () => {
    const drawn: string[] = [];
    const stderr = (text: string) => void drawn.push(text);
    const piped = await from.call(["export"], { isStderrTerminal: true, stderr });
    expect(piped.stdout.split("\n")).toHaveLength((await read(file)).lines.length + 1);
    expect(drawn.join("")).toMatch(/\[#+\.*\] \d+% {2}\d+ of 2005/);
    const quiet = await from.call(["export", "--queue", "mail"]);
    expect(quiet.stderr).toMatch(/^\d+ tasks exported, settings of 1 queues\n$/);
  });
});

test("ids that are too old become others, the same each time, and children follow", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "old.jsonl");
  const now = Date.now();
  const parent = taskLine(now - 30 * DAY_MS);
  const lines = [
    taskLine(now - 29 * DAY_MS, { depends_on: [parent.submit.id] }),
    parent,
    taskLine(now - HOUR_MS),
    taskLine(now - HOUR_MS, { expires_at: new Date(now - HOUR_MS).toISOString() }),
  ];
  await write(file, [header(now - 2 * DAY_MS), ...lines]);
  const first = await to.call(["import", file]);
  expect(JSON.parse(first.stdout)).toMatchObject({ made: 3, refused: 0, expired: 1 });
  const { tasks } = await to.client.list();
  const ids = new Set(tasks.map(({ id }) => id));
  expect(ids.has(lines[2]!.submit.id)).toBe(true);
  expect(ids.has(parent.submit.id)).toBe(false);
  const copy = tasks.find((task) => task.idempotency_key === `import:${parent.submit.id}`);
  const child = tasks.find((task) => task.state === "blocked");
  expect(child?.depends_on).toEqual([copy?.id]);
  const again = await to.call(["import", file]);
  expect(JSON.parse(again.stdout)).toMatchObject({ made: 0, duplicate: 3, refused: 0 });
  expect(await liveIn(to)).toBe(3);
});

test("what is refused is told by its line, and the rest is made", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "some.jsonl");
  const now = Date.now();
  const unknown = uuidv7obj().toString();
  await write(file, [
    header(now),
    taskLine(now),
    taskLine(now, { depends_on: [unknown] }),
    taskLine(now, { priority: "urgent" }),
    taskLine(now, { unique_key: "u" }),
    taskLine(now, { unique_key: "u" }),
    { ...taskLine(now), submit: { id: "x", type: "t" } },
  ]);
  const { status, stdout, stderr } = await to.call(["import", file]);
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ made: 2, duplicate: 0, refused: 4 });
  expect(stderr).toContain(`${file}:3: a task that it waits for is not in the file`);
  expect(stderr).toContain(`${file}:4: invalid_request: `);
  expect(stderr).toContain(`${file}:6: state_conflict: `);
  expect(stderr).toContain(`${file}:7: invalid_request: id: `);
  for (const pair of ["a", "a=", "a=b=c", "=b"]) {
    const usage = await to.call(["import", file, "--map-queue", pair]);
    expect(usage).toMatchObject({ status: 64, stderr: expect.stringContaining("--map-queue") });
  }
});

test("a cluster that takes no more stops it, and it goes on later", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "much.jsonl");
  const now = Date.now();
  await write(file, [header(now), ...Array.from({ length: 4 }, () => taskLine(now))]);
  await to.client.queue("default").set({ depth_limit: 3 });
  const stopped = await to.call(["import", file]);
  expect(stopped).toMatchObject({ status: 75, stdout: "" });
  const advice = "3 tasks are made; import --resume goes on; until then its queues have no expiry";
  expect(stopped.stderr).toContain(advice);
  await to.client.queue("default").set({ depth_limit: 4 });
  const done = await to.call(["import", file, "--resume"]);
  expect(JSON.parse(done.stdout)).toMatchObject({ made: 1, duplicate: 3, refused: 0 });
});

test("the history is exported when asked for, and never made again", async () => {
  const from = await openBroker();
  const folder = await temporaryFolder();
  const { id } = await from.client.submit("t", 1);
  await from.client.cancel(id);
  await from.client.submit("t", 2);
  const [live, all] = [join(folder, "live"), join(folder, "all")];
  expect(await from.call(["export", live])).toMatchObject({ status: 0, stderr: "" });
  expect((await read(live)).submits.size).toBe(1);
  const ended = await from.call(["export", all, "--finished"]);
  expect(JSON.parse(ended.stdout)).toMatchObject({ live: 1, finished: 1 });
  const { lines } = await read(all);
  expect(lines.find(({ was }) => (was as { state?: string })?.state === "cancelled")).toMatchObject(
    { submit: { id, payload: 1 }, was: { finished_at: expect.any(String) } },
  );
  const to = await openBroker();
  const done = await to.call(["import", all]);
  expect(JSON.parse(done.stdout)).toMatchObject({ made: 1, finished: 1, refused: 0 });
  const copied = join(folder, "copied");
  await copyFile(all, copied);
  await appendFile(copied, "\n");
  expect((await to.call(["import", copied])).status).toBe(65);
});

async function liveIn({ client }: RealBroker): Promise<number> {
  const { pending, scheduled, blocked } = (await client.stats())["tasks"] as Record<string, number>;
  return pending! + scheduled! + blocked!;
}
