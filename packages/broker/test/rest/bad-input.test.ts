/**
 * Every field of a submit with what it does not take: the whole problem document, and no effect.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { SUBMIT_FIELDS } from "../../src/operations/parse-task.ts";
import { START } from "../operations/fake-broker.ts";
import { BAD_EXTRAS, LARGEST_EXTRAS } from "./bad-extras.ts";
import { Harness, SETTINGS } from "./harness.ts";

const NAME = "allowed are 1 to 200 of A-Z a-z 0-9 . _ : -";
const DURATION = "allowed is a whole number from 0 to 315360000000";
const DATE = "an RFC 3339 date-time with a zone is expected, such as 2026-03-31T08:00:00Z";

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

/** field, value (merged into `{type: "t"}` or, as a function, the whole body), detail */
const CASES: readonly (readonly [string, unknown, string])[] = [
  ["type", { type: undefined }, "type: a task needs a type"],
  ["type", { type: null }, "type: a task needs a type"],
  ["type", { type: 5 }, "type: text is expected, not a number (5)"],
  ["type", { type: "" }, `type: "" is not a name; ${NAME}`],
  ["type", { type: "a b" }, `type: "a b" is not a name; ${NAME}`],
  ["type", { type: "x".repeat(201) }, `type: "${"x".repeat(60)}…" is not a name; ${NAME}`],
  ["queue", { queue: "ü" }, `queue: "ü" is not a name; ${NAME}`],
  ["queue", { queue: ["a"] }, "queue: text is expected, not a list"],
  ["id", { id: "42" }, 'id: "42" is not a UUID of version 7'],
  [
    "id",
    { id: "0b9f2d3e-8f4c-4b8e-9a55-0d7e1c0f2a11" },
    'id: "0b9f2d3e-8f4c-4b8e-9a55-0d7e1c0f2a11" is not a UUID of version 7',
  ],
  ["data", { payload: 1, data: 2 }, "data: either payload or data, not both"],
  [
    "payload_base64",
    { payload: 1, payload_base64: "AA==" },
    "payload_base64: either payload or payload_base64, not both",
  ],
  [
    "payload_base64",
    { payload_base64: "AA=" },
    "payload_base64: not base64 (RFC 4648 section 4, with padding)",
  ],
  [
    "payload_base64",
    { payload_base64: "A-_=" },
    "payload_base64: not base64 (RFC 4648 section 4, with padding)",
  ],
  ["payload_base64", { payload_base64: {} }, "payload_base64: text is expected, not an object"],
  [
    "payload",
    { payload: nested(33) },
    "payload: objects and lists lie more than 32 deep inside each other",
  ],
  [
    "priority",
    { priority: "hihg" },
    'priority: "hihg" is none of low, normal, high, critical. Did you mean "high"?',
  ],
  ["priority", { priority: 1 }, "priority: text is expected, not a number (1)"],
  ["delay_ms", { delay_ms: -1 }, `delay_ms: -1 is out of range; ${DURATION}`],
  ["delay_ms", { delay_ms: 1.5 }, "delay_ms: a whole number is expected, not a number (1.5)"],
  ["delay_ms", { delay_ms: "5s" }, 'delay_ms: a whole number is expected, not text ("5s")'],
  ["delay_ms", { delay_ms: 4e11 }, `delay_ms: 400000000000 is out of range; ${DURATION}`],
  ["timeout_ms", { timeout_ms: -5 }, `timeout_ms: -5 is out of range; ${DURATION}`],
  ["timeout_ms", { timeout_ms: true }, "timeout_ms: a whole number is expected, not true or false"],
  ["run_at", { run_at: "tomorrow" }, `run_at: "tomorrow" is not readable; ${DATE}`],
  [
    "run_at",
    { run_at: "2026-03-31T08:00:00" },
    `run_at: "2026-03-31T08:00:00" is not readable; ${DATE}`,
  ],
  [
    "run_at",
    { run_at: "2026-02-30T08:00:00Z" },
    `run_at: "2026-02-30T08:00:00Z" is not readable; ${DATE}`,
  ],
  ["run_at", { run_at: START }, `run_at: text is expected, not a number (${START})`],
  ["run_at", { run_at: "2036-04-30T00:00:00Z" }, "run_at: more than ten years ahead"],
  [
    "run_at",
    { run_at: "2026-04-01T00:00:00Z", delay_ms: 5 },
    "run_at: either run_at or delay_ms, not both",
  ],
  [
    "max_retries",
    { max_retries: 1001 },
    "max_retries: 1001 is out of range; allowed is a whole number from 0 to 1000",
  ],
  ["retry", { retry: 3 }, "retry: a JSON object is expected, not a number"],
  [
    "retry.initial_delay",
    { retry: { initial_delay: 5 } },
    'there is no field "initial_delay". Did you mean "initial_delay_ms"?',
  ],
  [
    "retry.initial_delay_ms",
    { retry: { initial_delay_ms: -1 } },
    `retry.initial_delay_ms: -1 is out of range; ${DURATION}`,
  ],
  [
    "retry.max_delay_ms",
    { retry: { max_delay_ms: "1h" } },
    'retry.max_delay_ms: a whole number is expected, not text ("1h")',
  ],
  [
    "retry.backoff_multiplier",
    { retry: { backoff_multiplier: 0.5 } },
    "retry.backoff_multiplier: 0.5 is out of range; allowed is 1 to 100",
  ],
  [
    "retry.jitter",
    { retry: { jitter: 10 } },
    "retry.jitter: 10 is out of range; allowed is 0 to 1",
  ],
  [
    "idempotency_key",
    { idempotency_key: "é".repeat(128) },
    "idempotency_key: 256 bytes; at most 255 are allowed",
  ],
  [
    "idempotency_key",
    { idempotency_key: "" },
    "idempotency_key: an empty key is none; leave it out",
  ],
  [
    "idempotency_key",
    { idempotency_key: "a\nb" },
    "idempotency_key: control characters are not allowed",
  ],
  ["tags", { tags: "a" }, 'tags: a list of texts is expected, not text ("a")'],
  ["tags[1]", { tags: ["a", 2] }, "tags[1]: text is expected, not a number (2)"],
  ["tags", { tags: Array(21).fill("a") }, "tags: 21 tags; at most 20 are allowed"],
  [
    "tags[0]",
    { tags: [""] },
    'tags[0]: "" is not a tag; allowed are 1 to 100 printable characters',
  ],
  ["metadata", { metadata: [] }, "metadata: a JSON object is expected, not a list"],
  [
    "metadata",
    { metadata: { a: "x".repeat(16 * 1024) } },
    "metadata: larger than 16384 bytes as JSON",
  ],
  [
    "metadata",
    { metadata: { a: nested(32) } },
    "metadata: objects and lists lie more than 32 deep inside each other",
  ],
  [
    "traceparent",
    { traceparent: "abc" },
    "traceparent: a W3C trace context is expected: 00-<32 hex>-<16 hex>-<2 hex>",
  ],
  ...BAD_EXTRAS,
  ["prority", { prority: "high" }, 'there is no field "prority". Did you mean "priority"?'],
  ["zzz", { zzz: 1 }, 'there is no field "zzz".'],
  ["constructor", { constructor: 1 }, 'there is no field "constructor".'],
];

let h: Harness;

beforeEach(() => {
  h = new Harness();
});

describe("a submit with a bad value is refused and does nothing", () => {
  test.each(CASES)("%s %j", async (field, value, detail) => {
    const answer = await h.post("/api/v1/tasks", { type: "t", ...(value as object) });
    const unknown = detail.startsWith("there is no field");
    expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
    expect(answer.body).toEqual({
      type: `/errors/${unknown ? "unknown_field" : "invalid_request"}`,
      title: unknown ? "The request has a field that does not exist" : "The request is not valid",
      status: 400,
      detail,
      code: unknown ? "unknown_field" : "invalid_request",
      retryable: false,
      field,
      instance: "/api/v1/tasks",
      request_id: answer.headers["x-request-id"],
    });
    expect(answer.status).toBe(400);
    expect(h.broker.commands).toEqual([]);
  });

  test("no field is without a case", () => {
    const covered = new Set(CASES.map(([field]) => field.split(/[.[]/)[0]));
    expect(SUBMIT_FIELDS.filter((field) => !covered.has(field))).toEqual([]);
  });

  test.each([
    [undefined, "body: a JSON object is expected, not nothing"],
    ["null", "body: a JSON object is expected, not null"],
    ['"text"', "body: a JSON object is expected, not text"],
    ["[]", "body: a JSON object is expected, not a list"],
  ])("a body of %s", async (body, detail) => {
    const answer = await h.post("/tasks", body);
    expect([answer.status, answer.body.detail]).toEqual([400, detail]);
    expect(h.broker.commands).toEqual([]);
  });
});

describe("at the edge of what is allowed", () => {
  test.each<object>([
    { type: "x".repeat(200) },
    { queue: "A-Za-z0-9._:-" },
    { payload: nested(32) },
    { delay_ms: 315_360_000_000 },
    { max_retries: 1000 },
    { max_retries: 0 },
    { idempotency_key: `${"é".repeat(127)}a` },
    { tags: Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(100, "x")) },
    { metadata: { a: "x".repeat(16 * 1024 - 8) } },
    { retry: { backoff_multiplier: 1, jitter: 1, initial_delay_ms: 0, max_delay_ms: 0 } },
    { payload: "x".repeat(SETTINGS.maxPayloadBytes - 2) },
    ...LARGEST_EXTRAS,
  ])("%j is taken", async (value) => {
    h.broker.raise(3);
    expect((await h.post("/tasks", { type: "t", ...value })).status).toBe(201);
  });

  test("a payload one byte too large is 413, as JSON and as bytes", async () => {
    const text = await h.post("/tasks", {
      type: "t",
      payload: "x".repeat(SETTINGS.maxPayloadBytes - 1),
    });
    const bytes = Buffer.alloc(SETTINGS.maxPayloadBytes + 1).toString("base64");
    const binary = await h.post("/tasks", { type: "t", payload_base64: bytes });
    for (const answer of [text, binary]) {
      expect(answer.body).toMatchObject({
        status: 413,
        code: "too_large",
        field: "payload",
        detail: "payload: 65537 bytes; at most 65536 are allowed (broker.max_payload_bytes)",
      });
    }
    expect(h.broker.commands).toEqual([]);
  });
});
