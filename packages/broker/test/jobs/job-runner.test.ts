/** Jobs over REST, carried on by a leader: all of the tasks, at most at their rate, once. */
import { parseTaskId } from "task-queue-protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { JobRunner } from "../../src/jobs/job-runner.ts";
import { type Command, JOB_STEP_MAX } from "../../src/queue/index.ts";
import { Harness } from "../rest/harness.ts";

let h: Harness;
let now: number;
let runner: JobRunner;

beforeEach(() => {
  h = new Harness();
  h.broker.machine.raise(3);
  now = 0;
  runner = new JobRunner(h.broker, () => now);
});

async function dead(count: number, type = "mail"): Promise<void> {
  for (let i = 0; i < count; i++) {
    h.broker.now += 1;
    await h.deadTask(type);
  }
}

async function start(body: object): Promise<string> {
  const { status, body: job, headers } = await h.post("/jobs", body);
  expect([status, headers["location"]]).toEqual([202, `/api/v1/jobs/${job.id}`]);
  return job.id;
}

/** Rounds until there is nothing to do. */
async function finish(by = runner): Promise<number> {
  let rounds = 0;
  while (await by.round()) rounds++;
  return rounds;
}

async function job(id: string) {
  return (await h.get(`/jobs/${id}`)).body;
}

function steps(): Command[] {
  return h.broker.commands.filter(({ type }) => type === "stepJob");
}

describe("retry", () => {
  test("all dead tasks are started again, in steps, and the job is done", async () => {
    await dead(2 * JOB_STEP_MAX + 3);
    await h.completedTask("other");
    const id = await start({ kind: "retry" });
    expect(await job(id)).toMatchObject({ state: "running", filter: { status: "dead" } });
    await finish();
    const count = 2 * JOB_STEP_MAX + 3;
    expect(await job(id)).toMatchObject({ state: "done", matched: count, changed: count });
    expect((await h.get("/queues/default")).body.counts).toMatchObject({ pending: count, dead: 0 });
    expect(steps()).toHaveLength(3);
  });

  test("a filter is kept to: type, error, queue", async () => {
    await dead(3, "a");
    await dead(2, "b");
    const groups = (await h.get("/dlq/groups")).body.groups;
    expect(groups.map(({ type, count }: { type: string; count: number }) => [type, count])).toEqual(
      expect.arrayContaining([
        ["a", 3],
        ["b", 2],
      ]),
    );
    const error = groups.find(({ type }: { type: string }) => type === "b").fingerprint;
    const { status, body } = await h.post("/dlq/retry", { error });
    expect([status, body.filter]).toEqual([202, { status: "dead", error }]);
    await finish();
    expect(await job(body.id)).toMatchObject({ state: "done", changed: 2 });
    expect((await h.get("/dlq/failed-tasks")).body.tasks).toHaveLength(3);
    expect((await h.get(`/dlq/failed-tasks?error=${error}`)).body.tasks).toEqual([]);
  });

  test("a dry run counts and changes nothing", async () => {
    await dead(12);
    const id = await start({ kind: "retry", dry_run: true });
    await finish();
    expect(await job(id)).toMatchObject({ state: "done", dry_run: true, changed: 12 });
    expect((await h.get("/dlq/failed-tasks")).body.tasks).toHaveLength(12);
  });

  test("the next leader goes on where the last one was; a late step of that changes nothing", async () => {
    await dead(250);
    const id = await start({ kind: "retry" });
    expect(await runner.round()).toBe(true);
    const { matched } = await job(id);
    expect(matched).toBeGreaterThan(0);
    expect(matched).toBeLessThan(250);
    const late = steps().at(-1)!;
    const next = new JobRunner(h.broker, () => now);
    await finish(next);
    h.broker.apply(late);
    expect(await job(id)).toMatchObject({ state: "done", matched: 250, changed: 250, skipped: 0 });
  });

  test("two leaders at once do each task once", async () => {
    await dead(120);
    const id = await start({ kind: "retry" });
    const other = new JobRunner(h.broker, () => now);
    for (let i = 0; i < 10; i++) await Promise.all([runner.round(), other.round()]);
    expect(await job(id)).toMatchObject({ state: "done", matched: 120, changed: 120 });
  });

  test("a rate is kept to", async () => {
    await dead(30);
    const id = await start({ kind: "retry", per_second: 10 });
    expect(await finish()).toBe(1);
    expect(await job(id)).toMatchObject({ matched: 10 });
    now += 999;
    expect(await finish()).toBe(0);
    now += 1;
    expect(await finish()).toBe(1);
    expect(await job(id)).toMatchObject({ matched: 20 });
  });
});

describe("delete, cancel and purge", () => {
  test("purge cancels what is live and deletes what has ended", async () => {
    for (let i = 0; i < 15; i++) await h.post("/tasks", { type: "t", queue: "q", delay_ms: 9_000 });
    await dead(5);
    const dry = await h.post("/queues/q/purge", { dry_run: true });
    expect(dry.status).toBe(202);
    await finish();
    const counted = await Promise.all(dry.body.jobs.map(({ id }: { id: string }) => job(id)));
    expect(counted).toMatchObject([
      { kind: "cancel", state: "done", changed: 15 },
      { kind: "delete", state: "done", changed: 0 },
    ]);
    await h.post("/queues/q/purge");
    await finish();
    expect((await h.send("DELETE", "/queues/q")).status).toBe(204);
    expect((await h.get("/queues/default")).body.counts.dead).toBe(5);
  });

  test("a deletion waits for the cancellation of the same tasks, and for no other", async () => {
    for (const queue of ["q", "p"]) {
      for (let i = 0; i < 2; i++) await h.post("/tasks", { type: "t", queue });
      const { id } = (await h.post("/tasks", { type: "t", queue })).body;
      await h.post(`/tasks/${id}/cancel`);
    }
    const slow = await start({ kind: "cancel", filter: { queue: "q" }, per_second: 1 });
    const same = await start({ kind: "delete", filter: { queue: "q" } });
    const other = await start({ kind: "delete", filter: { queue: "p" } });
    await finish();
    const states = async () => {
      return (await Promise.all([slow, same, other].map(job))).map(({ state }) => state);
    };
    expect(await states()).toEqual(["running", "running", "done"]);
    await h.send("DELETE", `/jobs/${slow}`);
    await finish();
    expect(await states()).toEqual(["cancelled", "done", "done"]);
    expect(await job(same)).toMatchObject({ changed: 2 });
  });

  test("what is cancelled takes no further step", async () => {
    await dead(3);
    const id = await start({ kind: "delete", filter: { status: "dead" } });
    expect((await h.send("DELETE", `/jobs/${id}`)).body.state).toBe("cancelled");
    expect(await finish()).toBe(0);
    expect((await h.get("/dlq/failed-tasks")).body.tasks).toHaveLength(3);
    expect((await h.get("/jobs")).body.jobs).toMatchObject([{ id, state: "cancelled" }]);
  });

  test("POST /dlq/purge deletes dead tasks alone", async () => {
    await dead(2);
    const done = await h.completedTask();
    await h.post("/dlq/purge", { type: "mail" });
    await finish();
    expect((await h.get("/dlq/failed-tasks")).body.tasks).toEqual([]);
    expect(h.broker.machine.task(parseTaskId(done)!)?.state).toBe("completed");
  });
});

describe("what is refused", () => {
  test.each<[string, object, string]>([
    ["/jobs", {}, "kind"],
    ["/jobs", { kind: "pause" }, "kind"],
    ["/jobs", { kind: "retry", filter: { group: "g" } }, "filter.group"],
    ["/jobs", { kind: "retry", filter: { error: "x" } }, "filter.error"],
    ["/jobs", { kind: "retry", filter: { status: "lost" } }, "filter.status"],
    ["/jobs", { kind: "cancel", filter: { status: "dead" } }, "filter"],
    ["/jobs", { kind: "retry", per_second: 0.5 }, "per_second"],
    ["/jobs", { kind: "retry", per_second: -1 }, "per_second"],
    ["/jobs", { kind: "retry", id: "7" }, "id"],
    ["/dlq/retry", { status: "dead" }, "status"],
    ["/dlq/purge", { created_to: "soon" }, "created_to"],
  ])("%s %j", async (url, body, field) => {
    const answer = await h.post(url, body);
    expect([answer.status, answer.body.field]).toEqual([400, field]);
    expect(h.broker.commands).toEqual([]);
  });

  test("a job to retry what is live is refused by the machine; unknown ids are 404", async () => {
    const live = await h.post("/jobs", { kind: "retry", filter: { status: "pending" } });
    expect([live.status, live.body.code]).toEqual([400, "invalid_request"]);
    for (const id of ["7", "019d42b3-1400-7000-8000-000000000001"]) {
      expect((await h.get(`/jobs/${id}`)).status).toBe(404);
      expect((await h.send("DELETE", `/jobs/${id}`)).status).toBe(404);
    }
    expect((await h.post("/queues/nope/purge")).status).toBe(404);
  });

  test("the same id is the same job; other content under it is refused", async () => {
    const id = "019d42b3-1400-7000-8000-000000000001";
    expect(await start({ id, kind: "retry" })).toBe(id);
    expect(await start({ id, kind: "retry" })).toBe(id);
    expect((await h.post("/jobs", { id, kind: "delete" })).status).toBe(409);
  });
});
