/** Submitting, reading, waiting for, cancelling and retrying tasks over REST. */
import { parseTaskId } from "task-queue-protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { START } from "../operations/fake-broker.ts";
import { Harness } from "./harness.ts";

const ID = "019d42b3-1400-7000-8000-000000000001";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let h: Harness;

beforeEach(() => {
  h = new Harness();
});

describe("POST /tasks", () => {
  test("a new task is answered in full, with where to find it", async () => {
    const answer = await h.post("/api/v1/tasks", { type: "mail", payload: { to: "a@b.c" } });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      id: expect.stringMatching(UUID),
      type: "mail",
      queue: "default",
      state: "pending",
      priority: "normal",
      payload: { to: "a@b.c" },
      max_retries: 3,
      retry: {
        initial_delay_ms: 5000,
        backoff_multiplier: 2,
        max_delay_ms: 3_600_000,
        jitter: 0.1,
      },
      attempt: 0,
      attempts: [],
      created_at: new Date(START).toISOString(),
      updated_at: new Date(START).toISOString(),
    });
    expect(answer.headers).toMatchObject({
      location: `/api/v1/tasks/${answer.body.id}`,
      "x-tq-node": "n1",
      "x-tq-applied-index": "1",
      "x-tq-durability": "single-fsync",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
  });

  test("every field comes back as it was said", async () => {
    const said = {
      id: ID,
      type: "report.build",
      queue: "nightly",
      priority: "high",
      payload: [1, "two", null, { three: true }],
      run_at: "2026-04-01T00:00:00.000Z",
      timeout_ms: 60_000,
      max_retries: 7,
      retry: { initial_delay_ms: 10, backoff_multiplier: 1.5, max_delay_ms: 1000, jitter: 0 },
      idempotency_key: "report-2026-03-31",
      tags: ["nightly", "finance"],
      metadata: { owner: "x" },
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    const { status, body } = await h.post("/tasks", said);
    expect(status).toBe(201);
    expect(body).toMatchObject({ ...said, state: "scheduled", due_at: said.run_at });
    expect((await h.get(`/tasks/${ID}`)).body).toEqual(body);
  });

  test.each([
    ["payload", { payload: { a: 1 } }, { payload: { a: 1 } }],
    ["its synonym data", { data: { a: 1 } }, { payload: { a: 1 } }],
    ["bytes", { payload_base64: "AAECAw==" }, { payload_base64: "AAECAw==" }],
    ["nothing is null", {}, { payload: null }],
    ["false is not nothing", { payload: false }, { payload: false }],
  ])("payload: %s", async (_name, said, shown) => {
    const { body } = await h.post("/tasks", { type: "t", ...said });
    expect(body).toMatchObject(shown);
    expect((await h.get(`/tasks/${body.id}`)).body).toMatchObject(shown);
  });

  test("null for an optional field counts as absent", async () => {
    const { status, body } = await h.post("/tasks", { type: "t", queue: null, run_at: null });
    expect([status, body.queue, body.state]).toEqual([201, "default", "pending"]);
  });

  test("delay_ms makes it scheduled; run_at in the past means now", async () => {
    const later = await h.post("/tasks", { type: "t", delay_ms: 1500 });
    expect(later.body).toMatchObject({
      state: "scheduled",
      due_at: new Date(START + 1500).toISOString(),
    });
    const past = await h.post("/tasks", { type: "t", run_at: "1969-12-31T23:59:59-05:00" });
    expect(past.body.state).toBe("pending");
  });

  test("the same id and content again is 200 and the same task; other content is 422", async () => {
    const first = await h.post("/tasks", { id: ID, type: "t", payload: 1 });
    const again = await h.post("/tasks", { id: ID, type: "t", payload: 1 });
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toEqual(first.body);
    const other = await h.post("/tasks", { id: ID, type: "t", payload: 2 });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_mismatch"]);
    expect(h.broker.counts().pending).toBe(1);
  });

  test("a task without an id is new, although the node had to send it twice", async () => {
    h.broker.outcome = (command) => {
      // As when the leader changes after it has committed the first copy.
      h.broker.apply(command);
      return { kind: "applied", reply: h.broker.apply(command), index: h.broker.machine.applied };
    };
    expect((await h.post("/tasks", { type: "t" })).status).toBe(201);
    const keyed = { type: "t", idempotency_key: "k" };
    const first = await h.post("/tasks", keyed);
    const again = await h.post("/tasks", keyed);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body.id).toBe(first.body.id);
    expect((await h.post("/tasks", { id: ID, type: "t" })).status).toBe(200);
    expect(h.broker.counts().pending).toBe(3);
  });

  test("an idempotency key works as a field and as a header, quoted or not", async () => {
    const first = await h.post("/tasks", { type: "t", idempotency_key: "k1" });
    for (const key of ["k1", '"k1"']) {
      const again = await h.post("/tasks", { type: "t" }, { "idempotency-key": key });
      expect([again.status, again.body.id]).toEqual([200, first.body.id]);
    }
    const both = await h.post(
      "/tasks",
      { type: "t", idempotency_key: "k2" },
      { "idempotency-key": "k3" },
    );
    expect([both.status, both.body.field]).toEqual([400, "idempotency_key"]);
  });

  test.each([
    ["is no JSON", "{bad"],
    ["nests too deep to be written", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
  ])("a result that %s is shown as the bytes it is", async (_what, text) => {
    const bytes = Buffer.from(text);
    const id = await h.completedTask("mail", bytes);
    const one = await h.get(`/tasks/${id}`);
    expect([one.status, one.body.result_base64]).toEqual([200, bytes.toString("base64")]);
    expect((await h.get("/tasks?payload=true")).status).toBe(200);
  });

  test("an exported task can be posted back and makes a new pending task", async () => {
    const body = { type: "mail", payload: { n: 1 }, idempotency_key: "once", tags: ["a"] };
    const { id } = (await h.post("/tasks", body)).body;
    h.broker.complete(parseTaskId(id)!, h.broker.lease("mail"), { sent: true });
    const exported = (await h.get(`/tasks/${id}`)).body;
    expect(exported).toMatchObject({ state: "completed", result: { sent: true } });
    const copy = await h.post("/tasks", exported);
    expect(copy.status).toBe(201);
    expect(copy.body.id).not.toBe(id);
    expect(copy.body).toMatchObject({ state: "pending", payload: { n: 1 }, attempt: 0 });
    expect(copy.body.result).toBeUndefined();
  });

  test("beyond the queue's depth: 429 with Retry-After, and the id to try again with", async () => {
    const tasks = Array.from({ length: 100 }, () => ({ type: "t" }));
    expect((await h.post("/tasks/batch", { tasks })).status).toBe(201);
    const full = await h.post("/tasks", { type: "t" });
    expect(full.status).toBe(429);
    expect(full.headers["retry-after"]).toBe("2");
    expect(full.body).toMatchObject({ code: "queue_full", retryable: true });
    expect(full.body.detail).toBe(
      'queue "default" holds as many unfinished tasks as it may ' +
        "(100, broker.queue_depth_threshold); try later",
    );
    expect(full.body.task_id).toMatch(UUID);
    const batch = await h.post("/tasks/batch", { tasks: [{ type: "t" }] });
    expect(batch.body.tasks[0].error.message).toBe(full.body.detail);
    const atomic = await h.post("/tasks/batch", { tasks: [{ type: "t" }], atomic: true });
    expect(atomic.body.detail).toBe(`tasks[0]: ${full.body.detail}`);
  });

  test.each([
    ["no_leader", 503, { kind: "refused", code: "no_leader", message: "no leader" }, "1"],
    ["overloaded", 429, { kind: "refused", code: "overloaded", message: "too much" }, "2"],
    ["outcome_unknown", 504, { kind: "unknown", message: "no answer" }, undefined],
  ] as const)("%s is %d", async (code, status, outcome, retryAfter) => {
    h.broker.outcome = () => outcome;
    const answer = await h.post("/tasks", { id: ID, type: "t" });
    expect(answer.status).toBe(status);
    expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
    expect(answer.headers["retry-after"]).toBe(retryAfter);
    expect(answer.body).toEqual({
      type: `/errors/${code}`,
      title: expect.any(String),
      status,
      detail: outcome.message,
      code,
      retryable: true,
      instance: "/tasks",
      request_id: answer.headers["x-request-id"],
      task_id: ID,
    });
  });
});

describe("a write that was done on a node that falls behind", () => {
  test("is never told as not done", async () => {
    const { id } = (await h.post("/tasks", { type: "mail" })).body;
    h.broker.behind = true;
    const submitted = await h.post("/tasks", { id: ID, type: "mail" });
    expect(submitted.body).toMatchObject({ status: 504, code: "outcome_unknown", task_id: ID });
    const cancelled = await h.post(`/tasks/${id}/cancel`);
    expect(cancelled.body).toMatchObject({ status: 504, code: "outcome_unknown" });
    h.broker.behind = false;
    expect((await h.post("/tasks", { id: ID, type: "mail" })).status).toBe(200);
    expect((await h.post(`/tasks/${id}/cancel`)).status).toBe(200);
  });

  test("of a batch, each by itself: what is there by then is shown", async () => {
    h.broker.behind = true;
    // The first of the two has come here, the second has not.
    h.broker.state = { applied: h.broker.machine.applied + 1 };
    const tasks = [{ type: "a" }, { type: "" }, { id: ID, type: "b" }];
    const { status, body } = await h.post("/tasks/batch", { tasks });
    expect(status).toBe(201);
    const [a, wrong, b] = body.tasks;
    expect(a).toMatchObject({ type: "a", state: "pending" });
    expect(wrong.error).toMatchObject({ code: "invalid_request", field: "tasks[1].type" });
    expect(b).toMatchObject({ id: ID, error: { code: "outcome_unknown", retryable: true } });
  });
});

describe("POST /tasks/:id/reschedule", () => {
  test("another time for a task that waits", async () => {
    h.broker.raise(3);
    const { id } = (await h.post("/tasks", { type: "t", delay_ms: 1000 })).body;
    const { status, body } = await h.post(`/tasks/${id}/reschedule`, { delay_ms: 9000 });
    expect([status, body.state]).toEqual([200, "scheduled"]);
    expect(Date.parse(body.due_at)).toBe(h.broker.now + 9000);
    expect((await h.post(`/tasks/${id}/reschedule`)).body.field).toBe("run_at");
    expect((await h.post(`/tasks/${ID}/reschedule`, { delay_ms: 0 })).status).toBe(404);
    expect((await h.post(`/tasks/${id}/reschedule`, { in: 5 })).body.code).toBe("unknown_field");
  });

  test("by several at the same time: none is refused for not being the first", async () => {
    h.broker.raise(3);
    const { id } = (await h.post("/tasks", { type: "t", delay_ms: 1000 })).body;
    h.broker.outcome = () => {
      h.broker.now++;
      return undefined;
    };
    const delays = [2000, 3000, 4000, 5000, 6000];
    const answers = await Promise.all(
      delays.map((delay_ms) => h.post(`/tasks/${id}/reschedule`, { delay_ms })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(h.broker.commands.filter(({ type }) => type === "reschedule").length).toBeGreaterThan(5);
  });
});

describe("POST /tasks/batch", () => {
  test("each task has its result, in order; a refused one does not harm the others", async () => {
    const tasks = [{ type: "a" }, { type: "no spaces" }, { type: "b", payload: 1 }];
    const { status, body } = await h.post("/tasks/batch", { tasks });
    expect(status).toBe(201);
    expect(body.tasks[0]).toMatchObject({ type: "a", state: "pending" });
    expect(body.tasks[1]).toEqual({
      error: {
        code: "invalid_request",
        message: expect.stringContaining("tasks[1].type"),
        field: "tasks[1].type",
        retryable: false,
      },
    });
    expect(body.tasks[2]).toMatchObject({ type: "b", payload: 1 });
  });

  test("atomic: one that is not valid refuses all, and nothing is submitted", async () => {
    const tasks = [{ type: "a" }, { type: "b", priority: "urgent" }];
    const { status, body } = await h.post("/tasks/batch", { tasks, atomic: true });
    expect([status, body.field]).toEqual([400, "tasks[1].priority"]);
    expect(h.broker.commands).toEqual([]);
  });

  test("atomic: one command for all, and each has its task", async () => {
    h.broker.raise(3);
    const [parent, child] = [ID, ID.replace(/.$/, "9")];
    const tasks = [
      { id: parent, type: "a", group: "g" },
      { id: child, type: "b", depends_on: [parent], on_parent_failure: "cancel" },
    ];
    const { status, body } = await h.post("/tasks/batch", { tasks, atomic: true });
    expect(status).toBe(201);
    expect(body.tasks).toMatchObject([
      { id: parent, state: "pending", group: "g" },
      { id: child, state: "blocked", depends_on: [parent], on_parent_failure: "cancel" },
    ]);
    expect(body.tasks[1].waits_for).toBe(1);
    expect(h.broker.commands.map(({ type }) => type)).toEqual(["submitAll"]);
    expect((await h.post("/tasks/batch", { tasks, atomic: true })).status).toBe(200);
  });

  test("atomic: one that is refused refuses all, by its place; an unknown end tells the ids", async () => {
    h.broker.raise(3);
    const tasks = [{ type: "a" }, { type: "b", depends_on: [ID] }];
    const { status, body } = await h.post("/tasks/batch", { tasks, atomic: true });
    expect([status, body.code, body.field]).toEqual([404, "not_found", "tasks[1]"]);
    expect(h.broker.counts().pending).toBe(0);
    h.broker.outcome = () => ({ kind: "unknown", message: "no answer" });
    const unknown = await h.post("/tasks/batch", { tasks: [{ id: ID, type: "a" }], atomic: true });
    expect([unknown.status, unknown.body.tasks[0].id]).toEqual([504, ID]);
  });

  test("atomic: no more than one message between brokers holds", async () => {
    h.broker.raise(3);
    const payload = "x".repeat(60_000);
    const tasks = Array.from({ length: 75 }, () => ({ type: "a", payload }));
    const { status, body } = await h.post("/tasks/batch", { tasks, atomic: true });
    expect([status, body.code, body.field]).toEqual([413, "too_large", "tasks"]);
    expect(h.broker.commands).toEqual([]);
  });

  test("atomic: the tasks name so many parents in all", async () => {
    h.broker.raise(3);
    const depends_on = Array.from({ length: 910 }, (_, at) => `${ID.slice(0, -4)}${1000 + at}`);
    const tasks = Array.from({ length: 11 }, () => ({ type: "a", depends_on }));
    const { status, body } = await h.post("/tasks/batch", { tasks, atomic: true });
    expect([status, body.field]).toEqual([400, "tasks"]);
    expect(body.detail).toContain("they name 10010 parents in all");
    expect(h.broker.commands).toEqual([]);
  });

  test("parents that have completed are told with the task", async () => {
    h.broker.raise(3);
    const done = await h.completedTask();
    const { id: pending } = (await h.post("/tasks", { type: "other" })).body;
    const depends_on = [pending, done];
    const child = await h.post("/tasks", { type: "c", depends_on });
    expect(child.body).toMatchObject({ state: "blocked", waits_for: 1, depends_on });
    await h.post("/tasks/batch", { tasks: [{ type: "c", depends_on }] });
    const told = h.broker.commands.filter(({ type }) => type === "submit").slice(-2);
    expect(told).toMatchObject([{ ended: [1] }, { ended: [1] }]);
  });

  test("all known is 200; all refused is the refusal, with the results beside it", async () => {
    const tasks = [{ id: ID, type: "a" }];
    expect((await h.post("/tasks/batch", { tasks })).status).toBe(201);
    expect((await h.post("/tasks/batch", { tasks })).status).toBe(200);
    h.broker.outcome = () => ({ kind: "unknown", message: "no answer" });
    const unknown = await h.post("/tasks/batch", { tasks });
    expect(unknown.status).toBe(504);
    expect(unknown.body.tasks).toEqual([
      {
        id: ID,
        error: { code: "outcome_unknown", message: "no answer", retryable: true },
      },
    ]);
  });

  test.each([
    [{}, "tasks: a list of tasks is expected"],
    [{ tasks: [] }, "tasks: 0 tasks; allowed are 1 to 1000"],
    [{ tasks: Array(1001).fill({ type: "t" }) }, "tasks: 1001 tasks; allowed are 1 to 1000"],
    [
      { tasks: [{ type: "t" }], atomic: "yes" },
      'atomic: true or false is expected, not text ("yes")',
    ],
    [{ task: [] }, 'there is no field "task". Did you mean "tasks"?'],
    [[1], "body: a JSON object is expected, not a list"],
  ])("%j is refused", async (body, detail) => {
    const answer = await h.post("/tasks/batch", body);
    expect([answer.status, answer.body.detail]).toEqual([400, detail]);
    expect(h.broker.commands).toEqual([]);
  });
});

describe("GET /tasks/:id", () => {
  test("404 for one that is unknown, and for a text that is no id", async () => {
    const unknown = await h.get(`/tasks/${ID}`);
    expect([unknown.status, unknown.body.code]).toEqual([404, "not_found"]);
    const text = await h.get("/tasks/42");
    expect([text.status, text.body.detail]).toEqual([
      404,
      'there is no task "42": a task id is a UUID of version 7',
    ]);
  });

  test("a running task shows its lease, attempts and worker", async () => {
    const { id } = (await h.post("/tasks", { type: "mail" })).body;
    h.broker.now += 1000;
    const token = h.broker.lease("mail");
    const { body } = await h.get(`/tasks/${id}`);
    const started = new Date(START + 1000).toISOString();
    expect(body).toMatchObject({
      state: "running",
      attempt: 1,
      attempts: [{ number: 1, worker_id: "w1", token: String(token), started_at: started }],
      lease: {
        worker_id: "w1",
        token: String(token),
        deadline: new Date(START + 31_000).toISOString(),
      },
      started_at: started,
    });
  });

  test("reads are linearizable unless asked otherwise, and wait for an index", async () => {
    const id = await h.completedTask();
    h.broker.barriers.length = 0;
    await h.get(`/tasks/${id}`);
    await h.get(`/tasks/${id}?consistency=stale`, { "x-tq-applied-index": "4" });
    expect(h.broker.barriers).toEqual([
      { consistency: "linearizable", minIndex: undefined },
      { consistency: "stale", minIndex: 4 },
    ]);
  });

  test("without a leader: 503, and stale reads go on", async () => {
    const id = await h.completedTask();
    h.broker.hasLeader = false;
    const refused = await h.get(`/tasks/${id}`);
    expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "1"]);
    expect((await h.get(`/tasks/${id}?consistency=stale`)).status).toBe(200);
  });

  test.each([
    ["?consistency=strong", "consistency"],
    ["?wait=soon", "wait"],
    ["?wait=46s", "wait"],
    ["?wait=1s&wait=2s", "wait"],
    ["?verbose=1", "verbose"],
  ])("%s is refused", async (query, field) => {
    const { status, body } = await h.get(`/tasks/${ID}${query}`);
    expect([status, body.field]).toEqual([400, field]);
  });
});

describe("GET /tasks/:id?wait", () => {
  test("answers as soon as the task is finished", async () => {
    const { id } = (await h.post("/tasks", { type: "mail" })).body;
    const token = h.broker.lease("mail");
    const waiting = h.get(`/tasks/${id}?wait=30s`);
    await expect.poll(() => h.broker.waiting).toBe(1);
    h.broker.complete(parseTaskId(id)!, token, 42);
    expect((await waiting).body).toMatchObject({ state: "completed", result: 42 });
  });

  test("answers when the time is up, and at once when the task is finished", async () => {
    const { id } = (await h.post("/tasks", { type: "mail" })).body;
    expect((await h.get(`/tasks/${id}?wait=1ms`)).body.state).toBe("pending");
    const done = await h.completedTask("other");
    expect((await h.get(`/tasks/${done}?wait=45`)).body.state).toBe("completed");
    expect((await h.get(`/tasks/${ID}?wait=30s`)).status).toBe(404);
  });

  test("a broker that closes ends the wait with the task as it stands", async () => {
    const { id } = (await h.post("/tasks", { type: "mail" })).body;
    const waiting = h.get(`/tasks/${id}?wait=45s`);
    await expect.poll(() => h.broker.waiting).toBe(1);
    h.closing.abort();
    expect((await waiting).body.state).toBe("pending");
  });
});

describe("cancel and retry", () => {
  test.each([
    ["POST", "/cancel"],
    ["DELETE", ""],
  ] as const)("%s %s cancels, and again is the same", async (method, suffix) => {
    const { id } = (await h.post("/tasks", { type: "mail" })).body;
    for (let i = 0; i < 2; i++) {
      const { status, body } = await h.send(method, `/tasks/${id}${suffix}`);
      expect([status, body.id, body.state]).toEqual([200, id, "cancelled"]);
    }
  });

  test("a reason is taken, up to 1 KiB; other fields are not", async () => {
    const { id } = (await h.post("/tasks", { type: "mail" })).body;
    const long = await h.post(`/tasks/${id}/cancel`, { reason: "x".repeat(1025) });
    expect([long.status, long.body.field]).toEqual([400, "reason"]);
    const other = await h.post(`/tasks/${id}/cancel`, { reasons: "x" });
    expect([other.status, other.body.code]).toEqual([400, "unknown_field"]);
    expect((await h.post(`/tasks/${id}/cancel`, { reason: "not needed" })).status).toBe(200);
    const cancels = h.broker.commands.filter((command) => command.type === "cancel");
    expect(cancels).toMatchObject([{ reason: "not needed" }]);
  });

  test("a completed task can be neither cancelled nor retried: 409", async () => {
    const id = await h.completedTask();
    for (const verb of ["cancel", "retry"]) {
      const { status, body } = await h.post(`/tasks/${id}/${verb}`);
      expect([status, body.code, body.retryable]).toEqual([409, "state_conflict", false]);
    }
    expect((await h.post(`/tasks/${ID}/cancel`)).status).toBe(404);
  });

  test("a dead task is retried; with an idempotency key a resend is the same retry", async () => {
    const id = await h.deadTask();
    const headers = { "idempotency-key": "again-1" };
    for (let i = 0; i < 2; i++) {
      const { status, body } = await h.post(`/tasks/${id}/retry`, undefined, headers);
      expect([status, body.state, body.attempt]).toEqual([200, "pending", 1]);
    }
    expect((await h.post(`/tasks/${id}/retry`)).status).toBe(409);
  });
});
