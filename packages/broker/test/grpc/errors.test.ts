/** Each code of the catalogue as a status, with its details; and what no catalogue foresees. */
import { status } from "@grpc/grpc-js";
import { ERRORS, type ErrorCode, TqError } from "task-queue-protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { DEFINITIONS } from "../../src/grpc/service.ts";
import { toEnum } from "../../src/grpc/values.ts";
import {
  BACKOFFS,
  FEED_KINDS,
  PARENT_FAILURES,
  PRIORITIES,
  TASK_STATES,
  UNIQUE_CONFLICTS,
} from "../../src/queue/index.ts";
import { SETTINGS } from "../rest/harness.ts";
import { type Any, Harness } from "./harness.ts";

let h: Harness;

beforeEach(async () => {
  h = await Harness.open();
});

describe.each(Object.keys(ERRORS) as ErrorCode[])("%s", (code) => {
  test("has its status, and says why, and when to come again", async () => {
    h.broker.readBarrier = async () => {
      throw new TqError(code, "so it is", { field: "delay_ms" });
    };
    const ended = await h.call("ListQueues");
    expect(ended).toMatchObject({
      code: ERRORS[code].grpc,
      message: "so it is",
      trailers: { "x-tq-node": "n1", "x-tq-applied-index": "2" },
      details: {
        ErrorInfo: { reason: code, domain: "task-queue", metadata: {} },
        BadRequest: { field_violations: [{ field: "delay", description: "so it is" }] },
      },
    });
    const seconds = { 429: "2", 503: "1" }[ERRORS[code].http as number];
    const delay = seconds === undefined ? undefined : { seconds, nanos: 0 };
    expect(ended.details["RetryInfo"]?.retry_delay).toEqual(delay);
  });

  test("is a status that there is", () => {
    expect(status).toHaveProperty(ERRORS[code].grpc);
  });
});

test("a submit of which it is not known has the id under which it can be sent again", async () => {
  h.broker.outcome = () => ({ kind: "unknown", message: "no answer came" });
  const ended = await h.call("SubmitTask", { task: { type: "mail" } });
  expect(ended).toMatchObject({
    code: "UNKNOWN",
    details: { ErrorInfo: { reason: "outcome_unknown" } },
  });
  const { task_id: id } = ended.details["ErrorInfo"].metadata;
  h.broker.outcome = undefined;
  expect((await h.submit({ id, type: "mail" })).id).toBe(id);
});

test("a failure is logged, and shown without its details", async () => {
  h.broker.readBarrier = async () => {
    throw new Error("secret");
  };
  const { code, message } = await h.call("ListQueues");
  expect([code, message]).toEqual(["INTERNAL", "the broker failed to answer; its log says why"]);
  expect(h.logged).toEqual(["a gRPC call failed"]);
});

describe("texts that no header can carry as they are", () => {
  const half = "\ud83d";

  test.each([
    ["half a character", half],
    ["a long one", "ü".repeat(100_000)],
    ["line breaks", "a\r\nx-evil: 1"],
  ])("%s", async (_name, text) => {
    h.broker.readBarrier = async () => {
      throw new TqError("invalid_request", text, { field: text.slice(0, 100) });
    };
    const { code, message, trailers } = await h.call("ListQueues");
    expect(code).toBe("INVALID_ARGUMENT");
    expect(Buffer.byteLength(message)).toBeLessThan(1030);
    expect(trailers).not.toHaveProperty("x-evil");
    expect((await h.call("ClusterStatus")).code).toBe("OK");
  });
});

describe("input that is no task", () => {
  const BINARY = { content_type: "application/octet-stream" };
  const TOO_MUCH = Buffer.alloc(SETTINGS.maxPayloadBytes + 1);
  const refused = async (task: object | undefined) => {
    const { code, details } = await h.call("SubmitTask", { task });
    return `${code} ${details["BadRequest"]?.field_violations[0].field}`;
  };

  test.each([
    [undefined, "INVALID_ARGUMENT task"],
    [{}, "INVALID_ARGUMENT type"],
    [{ type: "t", id: "x" }, "INVALID_ARGUMENT id"],
    [{ type: "t", priority: 77 }, "INVALID_ARGUMENT priority"],
    [{ type: "t", delay: { seconds: -1 } }, "INVALID_ARGUMENT delay"],
    [{ type: "t", delay: { seconds: "9223372036854775807" } }, "INVALID_ARGUMENT delay"],
    [{ type: "t", run_at: { seconds: 0, nanos: -1 } }, "INVALID_ARGUMENT run_at"],
    [{ type: "t", run_at: { seconds: "9223372036854775807" } }, "INVALID_ARGUMENT run_at"],
    [{ type: "t", max_retries: 4_000_000_000 }, "INVALID_ARGUMENT max_retries"],
    [{ type: "t", retry: { delays: [{ seconds: -1 }] } }, "INVALID_ARGUMENT retry.delays[0]"],
    [{ type: "t", metadata: "{" }, "INVALID_ARGUMENT metadata"],
    [{ type: "t", metadata: "[]" }, "INVALID_ARGUMENT metadata"],
    [{ type: "t", payload: { data: Buffer.from("{") } }, "INVALID_ARGUMENT payload"],
    [{ type: "t", payload: { data: Buffer.from([0x22, 0xff, 0x22]) } }, "INVALID_ARGUMENT payload"],
    [{ type: "t", payload: { ...BINARY, data: TOO_MUCH } }, "RESOURCE_EXHAUSTED payload"],
    [{ type: "t", depends_on: ["x"] }, "INVALID_ARGUMENT depends_on[0]"],
    [{ type: "t", unique_for: { seconds: 1 } }, "INVALID_ARGUMENT unique_for"],
  ])("%#", async (task, answer) => {
    expect(await refused(task)).toBe(answer);
    expect(h.broker.commands).toEqual([]);
  });
});

describe("every word has its name in the proto", () => {
  const words: readonly [string, string, readonly string[]][] = [
    ["TaskState", "TASK_STATE", TASK_STATES],
    ["Priority", "PRIORITY", PRIORITIES],
    ["Backoff", "BACKOFF", BACKOFFS],
    ["UniqueConflict", "UNIQUE_CONFLICT", UNIQUE_CONFLICTS],
    ["ParentFailure", "PARENT_FAILURE", PARENT_FAILURES],
    ["EventKind", "EVENT_KIND", FEED_KINDS],
    ["JitterKind", "JITTER_KIND", ["full", "equal"]],
    ["Consistency", "CONSISTENCY", ["linearizable", "stale"]],
  ];

  test.each(words)("%s", (name, prefix, known) => {
    const { value } = (DEFINITIONS[`taskqueue.v1.${name}`] as Any).type;
    const names = value.map((each: { name: string }) => each.name);
    const wanted = ["unspecified", ...known].map((word) => toEnum(prefix, word));
    expect(new Set(names)).toEqual(new Set(wanted));
  });
});
