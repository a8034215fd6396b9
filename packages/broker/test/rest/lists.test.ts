/** Lists, the dead letter queue, queues, workers, cluster and figures. */
import { parseTaskId } from "task-queue-protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { START } from "../operations/fake-broker.ts";
import { Harness } from "./harness.ts";

let h: Harness;

beforeEach(() => {
  h = new Harness();
});

async function submit(body: object): Promise<string> {
  // Ids sort by time, so each task gets a millisecond of its own.
  h.broker.now += 1;
  return (await h.post("/tasks", body)).body.id;
}

/** Follows the cursors to the end; the pages' ids. */
async function pages(query: string): Promise<string[][]> {
  const found: string[][] = [];
  let cursor: string | undefined;
  do {
    const at = cursor === undefined ? "" : `&cursor=${cursor}`;
    const { status, body } = await h.get(`/tasks?${query}${at}`);
    expect(status).toBe(200);
    found.push(body.tasks.map((task: { id: string }) => task.id));
    cursor = body.next_cursor;
  } while (cursor !== undefined);
  return found;
}

describe("GET /tasks", () => {
  test("live ones first, then finished ones, newest first; pages meet without a gap", async () => {
    const dead = await h.deadTask("z");
    h.broker.now += 1;
    const done = await h.completedTask("z");
    const live: string[] = [];
    for (let i = 0; i < 5; i++) live.push(await submit({ type: "mail" }));
    const all = [...live, done, dead];
    expect((await pages("limit=3")).flat()).toEqual(all);
    expect((await pages("limit=1000")).flat()).toEqual(all);
    expect((await pages("limit=1")).map((page) => page.length)).toEqual([1, 1, 1, 1, 1, 1, 1]);
  });

  test("a look that finds little goes on; what is left over has a cursor", async () => {
    const rare: string[] = [];
    for (let i = 0; i < 130; i++) {
      const id = await submit({ type: i % 65 === 64 ? "rare" : "mail", queue: `q${i % 2}` });
      if (i % 65 === 64) rare.push(id);
    }
    h.broker.work = 1;
    const found = await pages("type=rare");
    expect(found.flat()).toEqual(rare);
    expect(found.length).toBeGreaterThan(1);
  });

  test.each([
    ["status=pending", ["a"]],
    ["status=scheduled", ["b"]],
    ["status=delayed", ["b"]],
    ["status=dead", ["c"]],
    ["status=failed", ["c"]],
    ["status=dead_letter", ["c"]],
    ["status=completed", ["d"]],
    ["status=running", []],
    ["queue=q2", ["b"]],
    ["type=c", ["c"]],
    ["tag=red", ["a"]],
    ["tag=red&queue=q2", []],
  ])("%s", async (query, types) => {
    await h.deadTask("c");
    await h.completedTask("d");
    await submit({ type: "a", tags: ["red", "blue"] });
    await submit({ type: "b", queue: "q2", delay_ms: 1000 });
    const { body } = await h.get(`/tasks?${query}`);
    expect(body.tasks.map((task: { type: string }) => task.type)).toEqual(types);
  });

  test("without payloads and results unless asked for", async () => {
    const id = await submit({ type: "mail", payload: { n: 1 } });
    h.broker.complete(parseTaskId(id)!, h.broker.lease("mail"), { big: true });
    const [brief] = (await h.get("/tasks")).body.tasks;
    expect([brief.payload, brief.result]).toEqual([undefined, undefined]);
    const [full] = (await h.get("/tasks?payload=true")).body.tasks;
    expect([full.payload, full.result]).toEqual([{ n: 1 }, { big: true }]);
  });

  test("a page of payloads ends when it is large enough", async () => {
    const payload = "x".repeat(60_000);
    for (let i = 0; i < 150; i++) await submit({ type: "t", queue: `q${i % 2}`, payload });
    const { body } = await h.get("/tasks?payload=true&limit=1000");
    expect(body.tasks.length).toBeLessThan(150);
    expect(body.next_cursor).toEqual(expect.any(String));
    expect((await pages("payload=true&limit=1000")).flat().length).toBe(150);
  });

  test.each([
    ["status=lost", "status"],
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["limit=1e9", "limit"],
    ["limit=-1", "limit"],
    ["cursor=zzz", "cursor"],
    ["cursor=", "cursor"],
    ["payload=maybe", "payload"],
    ["state=dead", "state"],
    ["queue=a&queue=b", "queue"],
    ["__proto__=1", "__proto__"],
  ])("of tasks, %s is refused", async (query, field) => {
    const { status, body } = await h.get(`/tasks?${query}`);
    expect([status, body.field]).toEqual([400, field]);
  });
});

describe("the dead letter queue", () => {
  test("lists dead tasks with when and why they failed", async () => {
    const id = await h.deadTask();
    await h.completedTask();
    const { body } = await h.get("/api/v1/dlq/failed-tasks");
    expect(body.tasks).toMatchObject([
      {
        id,
        state: "dead",
        failed_at: new Date(START).toISOString(),
        last_error: { message: "no such mailbox" },
      },
    ]);
    expect(body.tasks[0].attempts).toMatchObject([{ number: 1, outcome: "failed" }]);
    const { status } = await h.get("/dlq/failed-tasks?status=dead");
    expect(status).toBe(400);
  });

  test("retry starts one again; 409 when it is not dead, 404 when it is not there", async () => {
    const id = await h.deadTask();
    const { status, body } = await h.post(`/dlq/failed-tasks/${id}/retry`);
    expect([status, body.state, body.max_retries]).toEqual([200, "pending", 3]);
    expect((await h.post(`/dlq/failed-tasks/${id}/retry`)).status).toBe(409);
    const none = "019d42b3-1400-7000-8000-000000000001";
    expect((await h.post(`/dlq/failed-tasks/${none}/retry`)).status).toBe(404);
  });

  test("a cancelled task is not in it", async () => {
    const id = await submit({ type: "t" });
    await h.post(`/tasks/${id}/cancel`);
    for (const [method, suffix] of [
      ["POST", "/retry"],
      ["DELETE", ""],
    ] as const) {
      const { status, body } = await h.send(method, `/dlq/failed-tasks/${id}${suffix}`);
      expect([status, body.code]).toEqual([409, "state_conflict"]);
    }
  });

  test("delete is 204 and final; a resend with the same key is 204 again", async () => {
    const id = await h.deadTask();
    const key = { "idempotency-key": "del-1" };
    for (let i = 0; i < 2; i++) {
      const answer = await h.send("DELETE", `/dlq/failed-tasks/${id}`, undefined, key);
      expect([answer.status, answer.body]).toEqual([204, ""]);
    }
    expect((await h.get(`/tasks/${id}`)).status).toBe(404);
    expect((await h.send("DELETE", `/dlq/failed-tasks/${id}`)).status).toBe(404);
  });
});

describe("overview", () => {
  test("queues, with counts of every state and the depth", async () => {
    await submit({ type: "t", queue: "b" });
    await submit({ type: "t", queue: "a", delay_ms: 1000 });
    const { body } = await h.get("/queues");
    expect(body.queues.map((queue: { name: string }) => queue.name)).toEqual(["a", "b"]);
    expect((await h.get("/queues/b")).body).toMatchObject({
      name: "b",
      depth: 1,
      counts: {
        scheduled: 0,
        blocked: 0,
        pending: 1,
        running: 0,
        retrying: 0,
        completed: 0,
        dead: 0,
        cancelled: 0,
        expired: 0,
      },
      oldest_pending_at: new Date(START + 1).toISOString(),
    });
    const none = await h.get("/queues/nope");
    expect([none.status, none.body.detail]).toEqual([
      404,
      'there is no queue "nope"; its first task makes it',
    ]);
  });

  test("workers", async () => {
    await submit({ type: "t" });
    h.broker.lease("t");
    expect((await h.get("/workers")).body).toEqual({
      workers: [
        {
          id: "w1",
          name: "worker one",
          state: "busy",
          queues: [],
          types: ["t"],
          labels: { zone: "a" },
          concurrency: 4,
          running: 1,
          last_heartbeat_at: new Date(START + 1).toISOString(),
          version: "0.1.0",
        },
      ],
    });
  });

  test("the cluster is told without a leader; linearizable only on demand", async () => {
    h.broker.hasLeader = false;
    h.broker.state = { leader: undefined, ready: false, reason: "no leader is known" };
    const { status, body } = await h.get("/cluster");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      cluster_id: "c0ffee",
      cluster_version: 1,
      leader_id: null,
      term: 3,
      ready: false,
      reason: "no leader is known",
      members: [
        {
          id: "n1",
          address: "127.0.0.1:6379",
          role: "leader",
          match_index: 0,
          lag: 0,
          healthy: true,
          version: "0.1.0",
          supports: { min: 1, max: 2 },
        },
      ],
    });
    expect((await h.get("/cluster?consistency=linearizable")).status).toBe(503);
  });

  test("figures", async () => {
    await submit({ type: "t" });
    const { body } = await h.get("/stats");
    expect(body).toMatchObject({
      node_id: "n1",
      role: "leader",
      tasks: { pending: 1, dead: 0 },
      unfinished: 1,
      queues: 1,
      workers: { connected: 0, running: 0, concurrency: 0 },
      raft: { term: 3, applied_index: 1, leader_id: "n1" },
      storage: { level_0_files: 1 },
    });
  });
});
