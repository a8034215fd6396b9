/** Each call with one answer, and what goes through it unharmed. */
import { randomBytes } from "node:crypto";
import { parseTaskId } from "task-queue-protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { parseSettings } from "../../src/operations/queue-settings.ts";
import { Fields } from "../../src/operations/read-fields.ts";
import { START } from "../operations/fake-broker.ts";
import { Harness, json } from "./harness.ts";

const AT = { seconds: `${START / 1000}`, nanos: 0 };

let h: Harness;

beforeEach(async () => {
  h = await Harness.open();
});

describe("SubmitTask", () => {
  test("makes a task of a type alone", async () => {
    const { value, code, trailers } = await h.call("SubmitTask", { task: { type: "mail" } });
    expect(code).toBe("OK");
    expect(value).toMatchObject({
      duplicate: false,
      task: {
        type: "mail",
        queue: "default",
        state: "TASK_STATE_PENDING",
        priority: "PRIORITY_NORMAL",
        max_retries: 3,
        payload: null,
        created_at: AT,
      },
    });
    expect(trailers).toMatchObject({
      "x-tq-node": "n1",
      "x-tq-applied-index": "3",
      "x-tq-durability": "single-fsync",
    });
  });

  test("everything that can be said of a task comes back as it was said", async () => {
    const parent = await h.submit();
    const said = {
      type: "report.build",
      queue: "reports",
      priority: "PRIORITY_CRITICAL",
      delay: { seconds: "90", nanos: 500_000_000 },
      expires_in: { seconds: "3600", nanos: 0 },
      timeout: { seconds: "60", nanos: 0 },
      max_retries: 0,
      retry: {
        backoff: "BACKOFF_LINEAR",
        initial_delay: { seconds: "1", nanos: 0 },
        backoff_multiplier: 1.5,
        max_delay: { seconds: "10", nanos: 0 },
        jitter_share: 0.25,
      },
      idempotency_key: "k",
      unique_key: "u",
      unique_for: { seconds: "5", nanos: 0 },
      unique_conflict: "UNIQUE_CONFLICT_REJECT",
      group: "g",
      required_labels: ["zone=a"],
      depends_on: [parent.id],
      on_parent_failure: "PARENT_FAILURE_CONTINUE",
      tags: ["a", "b"],
      metadata: '{"a":[1,null]}',
      traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    };
    const task = await h.submit(said);
    expect(task).toMatchObject(said);
    expect(task).toMatchObject({ state: "TASK_STATE_BLOCKED", waits_for: 1 });
  });

  test("instants, a list of delays, and the other jitter", async () => {
    const runAt = { seconds: `${START / 1000 + 60}`, nanos: 250_000_000 };
    const expiresAt = { seconds: `${START / 1000 + 120}`, nanos: 0 };
    const delays = [
      { seconds: "1", nanos: 0 },
      { seconds: "0", nanos: 500_000_000 },
    ];
    const retry = { delays, jitter_kind: "JITTER_KIND_EQUAL" };
    const task = await h.submit({ type: "t", run_at: runAt, expires_at: expiresAt, retry });
    expect(task).toMatchObject({
      state: "TASK_STATE_SCHEDULED",
      run_at: runAt,
      due_at: runAt,
      expires_at: expiresAt,
      retry: { ...retry, backoff: "BACKOFF_LIST" },
    });
  });

  test("the same id again is a duplicate", async () => {
    const { id } = await h.submit();
    const again = await h.call("SubmitTask", { task: { id, type: "mail" } });
    expect(again.value).toMatchObject({ duplicate: true, task: { id } });
  });
});

describe("payloads and results", () => {
  const passed = async (payload: object | undefined) => {
    const { id } = await h.submit({ type: "t", payload });
    return (await h.call("GetTask", { id })).value.payload;
  };

  test("JSON passes byte for byte, numbers that no double holds included", async () => {
    const data = Buffer.from('{ "n": 12345678901234567890, "x":1.0 }');
    const got = { content_type: "application/json", data };
    expect(await passed({ data })).toEqual(got);
    expect(await passed(got)).toEqual(got);
  });

  test("bytes are bytes", async () => {
    const got = { content_type: "application/octet-stream", data: randomBytes(1000) };
    expect(await passed(got)).toEqual(got);
  });

  test("nothing at all is null", async () => {
    const nothing = { content_type: "application/json", data: Buffer.from("null") };
    expect(await passed(undefined)).toEqual(nothing);
    expect(await passed({})).toEqual(nothing);
  });

  test("results; what is no JSON is shown as bytes", async () => {
    const run = async (result: unknown) => {
      const { id } = await h.submit();
      h.broker.complete(parseTaskId(id)!, h.broker.lease("mail"), result);
      return (await h.call("GetTask", { id })).value.result;
    };
    const text = Buffer.from('{"total": 9007199254740993}');
    expect(await run(text)).toEqual({ content_type: "application/json", data: text });
    const broken = Buffer.from('{"total"');
    expect(await run(broken)).toEqual({ content_type: "application/octet-stream", data: broken });
  });
});

describe("SubmitTasks", () => {
  test("a result for each, also for those that cannot even be read", async () => {
    const { value } = await h.call("SubmitTasks", {
      tasks: [
        { type: "a" },
        { type: "b", run_at: { seconds: "-99999999999", nanos: 0 } },
        { type: "no good" },
        { type: "d", payload: { content_type: "text/html" } },
      ],
    });
    expect(value.results[0].accepted.task).toMatchObject({ type: "a" });
    const refusals = value.results.slice(1).map(({ refused }: { refused: object }) => refused);
    expect(refusals).toMatchObject([
      { code: "invalid_request", field: "tasks[1].run_at", retryable: false },
      { code: "invalid_request", field: "tasks[2].type" },
      { code: "invalid_request", field: "tasks[3].payload.content_type" },
    ]);
  });

  test("atomic: all or none", async () => {
    const tasks = [{ type: "a" }, { type: "b" }];
    const { value } = await h.call("SubmitTasks", { tasks, atomic: true });
    expect(value.results).toHaveLength(2);
    const before = h.broker.machine.applied;
    const { code, details } = await h.call("SubmitTasks", {
      tasks: [{ type: "a" }, { type: "" }],
      atomic: true,
    });
    expect(code).toBe("INVALID_ARGUMENT");
    expect(details["BadRequest"].field_violations[0].field).toBe("tasks[1].type");
    expect(h.broker.machine.applied).toBe(before);
  });
});

describe("GetTask", () => {
  test("waits for the end", async () => {
    const { id } = await h.submit();
    const waiting = h.call("GetTask", { id, wait: { seconds: 40 } });
    await expect.poll(() => h.broker.waiting).toBe(1);
    h.broker.complete(parseTaskId(id)!, h.broker.lease("mail"), { ok: 1 });
    expect((await waiting).value).toMatchObject({
      state: "TASK_STATE_COMPLETED",
      attempt: 1,
      attempts: [{ number: 1, worker_id: "w1", token: "1", outcome: "completed" }],
    });
  });

  test("a lease, progress and an error", async () => {
    const { id } = await h.submit({ type: "mail", max_retries: 0 });
    const token = h.broker.lease("mail");
    const run = { id: parseTaskId(id)!, token, progress: '{"done":3}', lines: [] };
    h.broker.apply({ type: "report", session: "w1", runs: [run] });
    expect((await h.call("GetTask", { id })).value).toMatchObject({
      lease: { worker_id: "w1", token: String(token), deadline: { nanos: 0 } },
      progress: { value: '{"done":3}', at: AT },
    });
    h.broker.fail(parseTaskId(id)!, token, "no such mailbox");
    expect((await h.call("GetTask", { id })).value).toMatchObject({
      state: "TASK_STATE_DEAD",
      lease: null,
      error: { message: "no such mailbox" },
      attempts: [{ outcome: "failed", error: { message: "no such mailbox" } }],
    });
  });

  test("how fresh: as it says, and at least as new as an earlier answer", async () => {
    const { id } = await h.submit();
    h.broker.barriers.length = 0;
    await h.call("GetTask", { id });
    await h.call(
      "GetTask",
      { id, consistency: "CONSISTENCY_STALE" },
      { "x-tq-applied-index": "2" },
    );
    expect(h.broker.barriers).toEqual([
      { consistency: "linearizable", minIndex: undefined },
      { consistency: "stale", minIndex: 2 },
    ]);
    const { code, message } = await h.call("GetTask", { id }, { "x-tq-applied-index": "two" });
    expect([code, message]).toEqual(["INVALID_ARGUMENT", expect.stringContaining('"two"')]);
  });
});

describe("ListTasks", () => {
  test("pages, with and without payloads", async () => {
    for (const n of [1, 2, 3]) await h.submit({ type: "t", payload: json(n) });
    const first = (await h.call("ListTasks", { limit: 2 })).value;
    expect(first.tasks).toHaveLength(2);
    expect(first.tasks[0].payload).toBeNull();
    const rest = { cursor: first.next_cursor, limit: 2, payload: true };
    const second = (await h.call("ListTasks", rest)).value;
    expect(second.tasks.map((task: { payload: object }) => task.payload)).toEqual([json(3)]);
    expect(second.next_cursor).toBe("");
  });

  test("filters", async () => {
    await h.submit({ type: "a", queue: "one", tags: ["x"], group: "g" });
    await h.submit({ type: "b", queue: "two", delay: { seconds: 9 } });
    const found = async (filter: object) => {
      const { tasks } = (await h.call("ListTasks", filter)).value;
      return tasks.map((task: { type: string }) => task.type).join();
    };
    expect(await found({ queue: "one" })).toBe("a");
    expect(await found({ type: "b" })).toBe("b");
    expect(await found({ tag: "x" })).toBe("a");
    expect(await found({ group: "g" })).toBe("a");
    expect(await found({ state: "TASK_STATE_SCHEDULED" })).toBe("b");
    const later = { seconds: START / 1000 + 1, nanos: 0 };
    expect(await found({ created_from: later })).toBe("");
    expect(await found({ created_to: later })).toMatch(/^a,b$|^b,a$/);
    expect((await h.call("ListTasks", { limit: 1001 })).code).toBe("INVALID_ARGUMENT");
    expect((await h.call("ListTasks", { cursor: "x" })).code).toBe("INVALID_ARGUMENT");
  });
});

test("CancelTask and RetryTask", async () => {
  const { id } = await h.submit();
  const cancelled = await h.call("CancelTask", { id, reason: "not wanted" });
  expect(cancelled.value.state).toBe("TASK_STATE_CANCELLED");
  expect(cancelled.trailers["x-tq-durability"]).toBe("single-fsync");
  const again = { id, request_id: "0123456789abcdef0123456789ABCDEF" };
  expect((await h.call("RetryTask", again)).value.state).toBe("TASK_STATE_PENDING");
  expect((await h.call("RetryTask", again)).value.state).toBe("TASK_STATE_PENDING");
  expect((await h.call("RetryTask", { id })).code).toBe("FAILED_PRECONDITION");
  expect((await h.call("RetryTask", { id, request_id: "1" })).code).toBe("INVALID_ARGUMENT");
});

test("ListQueues", async () => {
  const said = { default_ttl_ms: 1500, group_weights: { g: 2 }, retry: { max_retries: 7 } };
  const settings = parseSettings("q", new Fields(said));
  h.broker.apply({ type: "configureQueue", queue: "q", ifRevision: 0, settings });
  await h.submit({ type: "t", queue: "q" });
  h.broker.now += 1500;
  const { value, trailers } = await h.call("ListQueues");
  expect(value.queues).toMatchObject([
    {
      name: "q",
      depth: "1",
      counts: { pending: "1", dead: "0" },
      oldest_pending_at: AT,
      oldest_pending_age: { seconds: "1", nanos: 500_000_000 },
      paused: false,
      revision: "1",
      settings: {
        weight: 1,
        default_ttl: { seconds: "1", nanos: 500_000_000 },
        group_weights: [{ group: "g", weight: 2 }],
        max_retries: 7,
        retention: { age: { seconds: "0" } },
      },
    },
  ]);
  expect(trailers).not.toHaveProperty("x-tq-durability");
});

test("ListWorkers", async () => {
  await h.submit();
  h.broker.lease("mail");
  const { value } = await h.call("ListWorkers");
  expect(value.workers).toEqual([
    {
      id: "w1",
      name: "worker one",
      state: "busy",
      queues: [],
      types: ["mail"],
      labels: ["zone=a"],
      concurrency: 4,
      running: 1,
      last_heartbeat_at: AT,
      version: "0.1.0",
    },
  ]);
});

test("ClusterStatus, also without a leader", async () => {
  h.broker.hasLeader = false;
  h.broker.state = { leader: undefined, ready: false, reason: "no leader is known" };
  const { value } = await h.call("ClusterStatus");
  expect(value).toMatchObject({
    cluster_id: "c0ffee",
    leader_id: "",
    node_id: "n1",
    ready: false,
    reason: "no leader is known",
    durability: "single-fsync",
    members: [
      { id: "n1", match_index: "2", lag: "0", healthy: true, supports: { min: 1, max: 2 } },
    ],
  });
});
