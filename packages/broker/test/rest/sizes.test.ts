/**
 * Every bound of a submit from both sides: what lies on it is taken, one step beyond is refused
 * with the field and the code, and then nothing has changed. And what the machine refuses because
 * of what is there already.
 */
import { describe, expect, test } from "vitest";
import { JobRunner } from "../../src/jobs/job-runner.ts";
import { SUBMIT_FIELDS } from "../../src/operations/parse-task.ts";
import { START } from "../operations/fake-broker.ts";
import { Harness, SETTINGS } from "./harness.ts";

const TEN_YEARS = 10 * 365 * 24 * 60 * 60 * 1000;
const UNKNOWN = "019d42b3-1400-7000-8000-00000000000f";

type Make = (n: number) => object;

function text(length: number): string {
  return "x".repeat(length);
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

function times<T>(count: number, of: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => of(n));
}

function at(ms: number): string {
  return new Date(ms).toISOString();
}

/** Field, least and most that is taken, the step beyond, and a submit that has so much of it. */
const RANGES: readonly (readonly [string, number, number, number, Make])[] = [
  ["type", 1, 200, 1, (n) => ({ type: text(n) })],
  ["queue", 1, 200, 1, (n) => ({ queue: text(n) })],
  ["delay_ms", 0, TEN_YEARS, 1, (n) => ({ delay_ms: n })],
  ["timeout_ms", 0, TEN_YEARS, 1, (n) => ({ timeout_ms: n })],
  ["expires_in_ms", 1, TEN_YEARS, 1, (n) => ({ expires_in_ms: n })],
  ["expires_at", START + 1, START + TEN_YEARS, 1, (n) => ({ expires_at: at(n) })],
  ["max_retries", 0, 1_000, 1, (n) => ({ max_retries: n })],
  ["idempotency_key", 1, 255, 1, (n) => ({ idempotency_key: text(n) })],
  ["unique_key", 1, 255, 1, (n) => ({ unique_key: text(n) })],
  ["unique_for_ms", 0, TEN_YEARS, 1, (n) => ({ unique_key: "k", unique_for_ms: n })],
  ["tags[0]", 1, 100, 1, (n) => ({ tags: [text(n)] })],
  ["retry.initial_delay_ms", 0, TEN_YEARS, 1, (n) => ({ retry: { initial_delay_ms: n } })],
  ["retry.max_delay_ms", 0, TEN_YEARS, 1, (n) => ({ retry: { max_delay_ms: n } })],
  ["retry.backoff_multiplier", 1, 100, 0.5, (n) => ({ retry: { backoff_multiplier: n } })],
  ["retry.jitter", 0, 1, 0.25, (n) => ({ retry: { jitter: n } })],
  ["retry.delays_ms", 1, 100, 1, (n) => ({ retry: { delays_ms: times(n, () => 1) } })],
  ["retry.delays_ms[0]", 0, TEN_YEARS, 1, (n) => ({ retry: { delays_ms: [n] } })],
];

/** The same where only more is too much. */
const MAXIMA: readonly (readonly [string, number, Make])[] = [
  ["run_at", START + TEN_YEARS, (n) => ({ run_at: at(n) })],
  ["group", 255, (n) => ({ group: text(n) })],
  ["required_labels", 20, (n) => ({ required_labels: times(n, (i) => `k${i}=v`) })],
  ["required_labels[0]", 100, (n) => ({ required_labels: [`${text(n)}=v`] })],
  ["required_labels[0]", 200, (n) => ({ required_labels: [`k=${text(n)}`] })],
  ["tags", 20, (n) => ({ tags: times(n, (i) => `t${i}`) })],
  ["metadata", 16 * 1024, (n) => ({ metadata: { a: text(n - '{"a":""}'.length) } })],
  ["metadata", 32, (n) => ({ metadata: { a: nested(n - 1) } })],
  ["payload", 32, (n) => ({ payload: nested(n) })],
  ["data", 32, (n) => ({ data: nested(n) })],
  ["payload", SETTINGS.maxPayloadBytes, (n) => ({ payload: text(n - 2) })],
  [
    "payload",
    SETTINGS.maxPayloadBytes,
    (n) => ({ payload_base64: Buffer.alloc(n).toString("base64") }),
  ],
];

/** What is no value of a field, whatever it says. */
const KINDS = { text: "\u0007", number: 1.5, flag: true, list: [[]], object: { a: {} } } as const;
/** Fields that take the kinds named. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  payload: Object.keys(KINDS),
  data: Object.keys(KINDS),
  metadata: ["object"],
};

function open(): Harness {
  const h = new Harness();
  h.broker.raise(3);
  return h;
}

/** All that a refusal must leave as it is. */
function stateOf({ broker }: Harness) {
  const { machine } = broker;
  return [machine.applied, machine.effectHash, machine.counts(), broker.commands.length];
}

async function isTaken(task: object): Promise<void> {
  const { status, body } = await open().post("/tasks", { type: "t", ...task });
  expect([status, body.detail]).toEqual([201, undefined]);
}

async function isRefused(field: string, task: object): Promise<void> {
  const h = open();
  await h.post("/tasks", { type: "before" });
  const before = stateOf(h);
  const { status, body } = await h.post("/tasks", { type: "t", ...task });
  const isLarge = body.code === "too_large";
  expect([status, body.code]).toEqual(isLarge ? [413, "too_large"] : [400, "invalid_request"]);
  expect(body).toMatchObject({ field, detail: expect.stringContaining(field) });
  expect(stateOf(h)).toEqual(before);
}

describe("the bounds of each field", () => {
  test.each(RANGES)("%s from %d to %d", async (field, least, most, step, make) => {
    for (const n of [least, least + step, most - step, most]) await isTaken(make(n));
    for (const n of [most + step, least - step]) await isRefused(field, make(n));
  });

  test.each(MAXIMA)("%s up to %d", async (field, most, make) => {
    for (const n of [most - 1, most]) await isTaken(make(n));
    await isRefused(field, make(most + 1));
  });

  test("a thousand parents, and no more", async () => {
    const h = open();
    const tasks = times(1_000, (n) => ({ type: "parent", queue: `q${n % 10}` }));
    const { body } = await h.post("/tasks/batch", { tasks });
    const depends_on: string[] = body.tasks.map(({ id }: { id: string }) => id);
    const child = await h.post("/tasks", { type: "t", depends_on });
    expect(child.body).toMatchObject({ state: "blocked", waits_for: 1_000 });
    await isRefused("depends_on", { depends_on: [...depends_on, UNKNOWN] });
    const before = stateOf(h);
    const many = times(10_000, (n) => `${UNKNOWN.slice(0, -5)}${`${n}`.padStart(5, "0")}`);
    const large = await h.post("/tasks", { type: "t", depends_on: many });
    expect([large.status, large.body.code, stateOf(h)]).toEqual([413, "too_large", before]);
  });
});

describe("a value of another kind", () => {
  const cases = SUBMIT_FIELDS.flatMap((field) => {
    return Object.entries(KINDS)
      .filter(([kind]) => TAKES[field]?.includes(kind) !== true)
      .map(([kind, value]) => [field, kind, value] as const);
  });

  test.each(cases)("%s: %s", async (field, _kind, value) => {
    const h = open();
    const before = stateOf(h);
    const { status, body } = await h.post("/tasks", { type: "t", [field]: value });
    expect(status).toBe(400);
    expect(["invalid_request", "unknown_field"]).toContain(body.code);
    expect(body.field).toMatch(new RegExp(`^${field}\\b`));
    expect(stateOf(h)).toEqual(before);
  });
});

describe("what is there already is against it", () => {
  async function dead(h: Harness): Promise<string> {
    return h.deadTask("parent");
  }

  test.each<[string, string, number, string]>([
    ["/queues/nope", "GET", 404, "not_found"],
    ["/queues/nope/purge", "POST", 404, "not_found"],
    [`/tasks/${UNKNOWN}`, "GET", 404, "not_found"],
    [`/tasks/${UNKNOWN}/cancel`, "POST", 404, "not_found"],
    [`/tasks/${UNKNOWN}/retry`, "POST", 404, "not_found"],
    [`/tasks/${UNKNOWN}/graph`, "GET", 404, "not_found"],
    [`/tasks/${UNKNOWN}/logs`, "GET", 404, "not_found"],
    [`/dlq/failed-tasks/${UNKNOWN}`, "DELETE", 404, "not_found"],
    ["/tasks/7", "GET", 404, "not_found"],
  ])("%s %s is %i %s", async (path, method, status, code) => {
    const h = open();
    const answer = await h.send(method as "GET", path);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(h.broker.machine.counts()).toEqual(open().broker.machine.counts());
    expect(h.broker.machine.queues()).toEqual([]);
  });

  test("a parent that nobody knows", async () => {
    const h = open();
    const { status, body } = await h.post("/tasks", { type: "t", depends_on: [UNKNOWN] });
    expect([status, body.code]).toEqual([404, "not_found"]);
    expect(body.detail).toContain(UNKNOWN);
    expect(h.broker.machine.counts()).toMatchObject({ blocked: 0, pending: 0 });
  });

  test("a task that waits for itself", async () => {
    const h = open();
    const id = "019d42b3-1400-7000-8000-000000000001";
    const { status, body } = await h.post("/tasks", { id, type: "t", depends_on: [id] });
    expect([status, body.code]).toEqual([400, "invalid_request"]);
    expect((await h.get(`/tasks/${id}`)).status).toBe(404);
  });

  test.each([
    ["fail", "dead"],
    ["cancel", "cancelled"],
    ["continue", "pending"],
  ])("a parent that is dead already, for a child that would %s", async (policy, state) => {
    const h = open();
    const parent = await dead(h);
    const child = { type: "t", depends_on: [parent], on_parent_failure: policy };
    const { status, body } = await h.post("/tasks", child);
    expect(status).toBe(201);
    h.broker.apply({ type: "wake", max: 100 });
    expect((await h.get(`/tasks/${body.id}`)).body.state).toBe(state);
  });

  test("a job whose filter lets nothing through is done, and has changed nothing", async () => {
    const h = open();
    await dead(h);
    const before = h.broker.machine.counts();
    const runner = new JobRunner(h.broker, () => 0);
    for (const kind of ["retry", "delete", "cancel"]) {
      const { status, body } = await h.post("/jobs", { kind, filter: { queue: "nope" } });
      expect(status).toBe(202);
      while (await runner.round());
      const job = (await h.get(`/jobs/${body.id}`)).body;
      expect(job).toMatchObject({ state: "done", matched: 0, changed: 0, skipped: 0 });
    }
    expect(h.broker.machine.counts()).toEqual(before);
  });
});
