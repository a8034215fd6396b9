/**
 * Reading submits: what JSON and the worker protocol have in common, and that nothing else happens.
 */
import fc from "fast-check";
import { formatTaskId, isTaskId, parseTaskId, type TaskJson, TqError } from "task-queue-protocol";
import { describe, expect, expectTypeOf, test } from "vitest";
import { checkSubmit, type ParsedSubmit } from "../../src/operations/check-submit.ts";
import { mintId } from "../../src/operations/ids.ts";
import { parseSubmit, READ_ONLY_FIELDS, SUBMIT_FIELDS } from "../../src/operations/parse-task.ts";
import { taskToJson } from "../../src/operations/task-to-json.ts";
import {
  NO_EXTRAS,
  PLAIN_BACKOFF,
  type TaskContent,
  versionNeededBy,
  withWish,
} from "../../src/queue/index.ts";
import { FakeBroker, START } from "./fake-broker.ts";

const name = fc.stringMatching(/^[A-Za-z0-9._:-]{1,20}$/);
const label = fc.stringMatching(/^[a-z]{1,9}=[A-Za-z ]{0,9}$/);
const SAID = fc.record(
  {
    type: name,
    queue: name,
    payload: fc.jsonValue(),
    priority: fc.constantFrom("low", "normal", "high", "critical"),
    delay_ms: fc.nat(1_000_000),
    timeout_ms: fc.nat(1_000_000),
    max_retries: fc.nat(1000),
    tags: fc.array(name, { maxLength: 3 }),
    metadata: fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }),
    expires_in_ms: fc.integer({ min: 1, max: 1_000_000 }),
    unique_key: name,
    group: name,
    required_labels: fc.uniqueArray(label, {
      maxLength: 3,
      selector: (text) => text.slice(0, text.indexOf("=")),
    }),
    on_parent_failure: fc.constantFrom("fail", "cancel", "continue"),
    retry: fc.oneof(
      fc.record({ delays_ms: fc.array(fc.nat(1e6), { minLength: 1, maxLength: 5 }) }),
      fc.record(
        {
          backoff: fc.constantFrom("exponential", "linear", "fixed"),
          initial_delay_ms: fc.nat(1e6),
          jitter: fc.constantFrom(0, 0.25, "none", "full", "equal"),
        },
        { requiredKeys: [] },
      ),
    ),
  },
  { requiredKeys: ["type"] },
);
const POLICY = {
  ...PLAIN_BACKOFF,
  maxRetries: 3,
  initialDelayMs: 1,
  multiplier: 2,
  maxDelayMs: 10,
  jitter: 0.1,
};
const LIMITS = { maxPayloadBytes: 1024, now: START };
const BASE: TaskContent = {
  type: "t",
  queue: "default",
  priority: "normal",
  payload: Buffer.from("1"),
  payloadType: "json",
  delayMs: 0,
  runAt: 0,
  timeoutMs: 0,
  retry: {},
  idempotencyKey: "",
  tags: [],
  metadata: "",
  traceparent: "",
  ...NO_EXTRAS,
};

function refusal(act: () => unknown): { code: string; field: string | undefined } {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(TqError);
    const { code, field } = error as TqError;
    return { code, field };
  }
  throw new Error("it was accepted");
}

/** Submits it at once; its id as text. */
function submitted(broker: FakeBroker, body: object): string {
  const { id, content } = parseSubmit(body, LIMITS);
  const retry = withWish(POLICY, content.retry);
  const reply = broker.apply({ type: "submit", id, content, retry, depthLimit: 0 });
  expect(reply).toMatchObject({ code: "ok", duplicate: false });
  return formatTaskId(id);
}

function check(change: Partial<TaskContent>): ParsedSubmit {
  return checkSubmit(mintId(START), { ...BASE, ...change }, LIMITS);
}

describe("checkSubmit, for fields that are typed already", () => {
  test("hands on what it was given, without a copy", () => {
    const id = mintId(START);
    const checked = checkSubmit(id, BASE, LIMITS);
    expect(checked.content).toBe(BASE);
    expect(checked.id).toBe(id);
  });

  test("no bytes of JSON are null; no bytes of the caller's own stay none", () => {
    const none = new Uint8Array();
    expect(Buffer.from(check({ payload: none }).content.payload).toString()).toBe("null");
    expect(check({ payload: none, payloadType: "binary" }).content.payload.length).toBe(0);
  });

  test.each([
    ["payload that is no JSON", { payload: Buffer.from("{a}") }, "payload"],
    ["payload that is no UTF-8", { payload: Buffer.from([0x22, 0xff, 0x22]) }, "payload"],
    ["deep payload", { payload: Buffer.from("[".repeat(33) + "]".repeat(33)) }, "payload"],
    ["metadata that is no JSON", { metadata: "{" }, "metadata"],
    ["metadata that is a list", { metadata: "[]" }, "metadata"],
    ["type", { type: "" }, "type"],
    ["queue", { queue: "a b" }, "queue"],
    ["delay", { delayMs: -1 }, "delay_ms"],
    ["delay that is no number", { delayMs: Number.NaN }, "delay_ms"],
    ["timeout", { timeoutMs: 1.5 }, "timeout_ms"],
    ["run at", { runAt: Number.POSITIVE_INFINITY }, "run_at"],
    ["both times", { runAt: START, delayMs: 1 }, "run_at"],
    ["retries", { retry: { maxRetries: 1001 } }, "max_retries"],
    ["multiplier", { retry: { multiplier: Number.NaN } }, "retry.backoff_multiplier"],
    ["jitter", { retry: { jitter: -0.1 } }, "retry.jitter"],
    ["key", { idempotencyKey: "x".repeat(256) }, "idempotency_key"],
    ["half a character in a key", { idempotencyKey: "\ud800" }, "idempotency_key"],
    ["tag", { tags: ["ok", ""] }, "tags[1]"],
    ["expiry in the past", { expiresAt: START }, "expires_at"],
    ["expiry that is no number", { expiresInMs: Number.NaN }, "expires_in_ms"],
    ["both expiries", { expiresAt: START + 1, expiresInMs: 1 }, "expires_at"],
    ["unique key", { unique: { key: "\u0007", forMs: 0, onConflict: "keep" } }, "unique_key"],
    ["window", { unique: { key: "k", forMs: -1, onConflict: "keep" } }, "unique_for_ms"],
    ["group", { group: "\ud800" }, "group"],
    ["label", { requires: ["a"] }, "required_labels[0]"],
    ["parent", { dependsOn: [new Uint8Array(16)] }, "depends_on[0]"],
    ["list of delays", { retry: { backoff: "list" } }, "retry.delays_ms"],
    ["trace", { traceparent: "x" }, "traceparent"],
  ] as const)("refuses a bad %s", (_name, change, field) => {
    expect(refusal(() => check(change))).toEqual({ code: "invalid_request", field });
  });

  test("refuses a payload that is too large, and an id of another kind", () => {
    const payload = Buffer.alloc(1025);
    expect(refusal(() => check({ payload, payloadType: "binary" }))).toEqual({
      code: "too_large",
      field: "payload",
    });
    const other = Uint8Array.from(mintId(START));
    other[6] = 0x40;
    expect(refusal(() => checkSubmit(other, BASE, LIMITS, "tasks[2]."))).toEqual({
      code: "invalid_request",
      field: "tasks[2].id",
    });
  });
});

describe("parseSubmit", () => {
  test("mints ids from the cluster's time, each its own", () => {
    const ids = Array.from({ length: 100 }, () => parseSubmit({ type: "t" }, LIMITS).id);
    expect(ids.every(isTaskId)).toBe(true);
    expect(new Set(ids.map((id) => Buffer.from(id).toString("hex"))).size).toBe(100);
    expect(Buffer.from(ids[0]!).readUIntBE(0, 6)).toBe(START);
  });

  test.each([...READ_ONLY_FIELDS])("%s marks an exported task, whose id is ignored", (field) => {
    const id = "019d42b3-1400-7000-8000-000000000001";
    const parsed = parseSubmit({ type: "t", id, idempotency_key: "k", [field]: null }, LIMITS);
    expect(Buffer.from(parsed.id).toString("hex")).not.toBe(id.replaceAll("-", ""));
    expect(parsed.content.idempotencyKey).toBe("");
  });

  test("every field that a task is shown with may be posted back", () => {
    type Known = (typeof SUBMIT_FIELDS)[number] | (typeof READ_ONLY_FIELDS)[number];
    expectTypeOf<Exclude<keyof TaskJson, Known>>().toEqualTypeOf<never>();
  });

  test("a copy waits for parents only as long as the original does", () => {
    const parent = "019d42b3-1400-7000-8000-000000000001";
    const task = { type: "t", depends_on: [parent], on_parent_failure: "cancel" };
    const waiting = parseSubmit({ ...task, state: "blocked", waits_for: 1 }, LIMITS).content;
    expect([waiting.dependsOn.length, waiting.onParentFailure]).toEqual([1, "cancel"]);
    const ended = parseSubmit({ ...task, state: "completed" }, LIMITS).content;
    expect([ended.dependsOn.length, ended.onParentFailure]).toEqual([0, "fail"]);
    expect(parseSubmit(task, LIMITS).content.dependsOn).toHaveLength(1);
    expect(parseSubmit({ ...task, state: "blocked" }, LIMITS).content.dependsOn).toHaveLength(1);
  });

  test.each(READ_ONLY_FIELDS.filter((field) => field !== "state"))(
    "%s alone does not say that a task waits for its parents no more",
    (field) => {
      const parent = "019d42b3-1400-7000-8000-000000000001";
      const value = field === "original_queue" ? "q" : 1;
      for (const said of [{ [field]: value }, { [field]: value, state: null }]) {
        const task = { type: "t", depends_on: [parent], on_parent_failure: "cancel", ...said };
        const { content } = parseSubmit(task, LIMITS);
        expect([content.dependsOn.length, content.onParentFailure]).toEqual([1, "cancel"]);
      }
    },
  );

  test("whatever comes, it is a submit or a refusal, and objects stay as they were", () => {
    const names = [...SUBMIT_FIELDS, ...READ_ONLY_FIELDS, "__proto__", "constructor"];
    const field = fc.tuple(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 }));
    const input = fc.oneof(
      fc.jsonValue(),
      fc.array(field, { maxLength: 6 }).map((fields) => {
        const texts = fields.map(([name, value]) => `,"${name}":${JSON.stringify(value)}`);
        return JSON.parse(`{"type":"t"${texts.join("")}}`);
      }),
    );
    fc.assert(
      fc.property(input, (value) => {
        try {
          const { id, content } = parseSubmit(value, LIMITS);
          expect(isTaskId(id)).toBe(true);
          checkSubmit(id, content, LIMITS);
        } catch (error) {
          if (!(error instanceof TqError)) throw error;
        }
        expect(Object.getPrototypeOf({})).toBe(Object.prototype);
      }),
    );
  });

  test("what a broker shows of a task makes the same task again", () => {
    fc.assert(
      fc.property(SAID, fc.nat(3), (body, parents) => {
        const broker = new FakeBroker();
        broker.raise(3);
        const depends_on = Array.from({ length: parents }, () => submitted(broker, { type: "p" }));
        const id = parseTaskId(submitted(broker, { ...body, depends_on }))!;
        const first = broker.machine.task(id)!;
        const shown = taskToJson(first, { payload: true });
        const again = parseSubmit(JSON.parse(JSON.stringify(shown)), LIMITS);
        // The copy states the whole policy that the original got.
        const { retry, ...content } = again.content;
        expect(withWish(POLICY, retry)).toEqual(first.retry);
        const payload = Uint8Array.from(content.payload);
        expect({ ...content, payload, retry: first.content.retry }).toEqual(first.content);
      }),
      { numRuns: 100 },
    );
  });

  test("what is said in two ways is the same content", () => {
    const parse = (body: object) => parseSubmit({ type: "t", ...body }, LIMITS).content;
    expect(parse({ required_labels: ["b=1", "a=2"] })).toEqual(
      parse({ required_labels: ["a=2", "b=1"] }),
    );
    expect(parse({ on_parent_failure: "cancel", depends_on: [] })).toEqual(parse({}));
    expect(parse({ retry: { delays_ms: [5] } })).toEqual(
      parse({ retry: { delays_ms: [5], backoff: "list" } }),
    );
    expect(parse({ retry: { jitter: "none" } })).toEqual(parse({ retry: { jitter: 0 } }));
  });

  test("what says nothing new needs no new version of the cluster", () => {
    const parsed = parseSubmit({ type: "t", retry: { jitter: 0.5, max_delay_ms: 5 } }, LIMITS);
    expect(versionNeededBy({ type: "submit", ...parsed, retry: POLICY, depthLimit: 0 })).toBe(1);
  });

  test("a copy of a task whose expiry is over has none, one that goes on keeps it", () => {
    const expires_at = new Date(START - 1).toISOString();
    const copy = { type: "t", state: "expired", expires_at };
    expect(parseSubmit(copy, LIMITS).content.expiresAt).toBe(0);
    const later = { ...copy, expires_at: new Date(START + 1).toISOString() };
    expect(parseSubmit(later, LIMITS).content.expiresAt).toBe(START + 1);
    const both = { ...later, expires_in_ms: 5 };
    expect(parseSubmit(both, LIMITS).content).toMatchObject({ expiresAt: 0, expiresInMs: 5 });
  });

  test("a copy of a task in a dead letter queue goes to where that was submitted", () => {
    const copy = { type: "t", state: "pending", queue: "dlq", original_queue: "mail" };
    expect(parseSubmit(copy, LIMITS).content.queue).toBe("mail");
  });
});
