/** The verbs that the worker protocol carries as JSON answer as REST does. */
import { CALL_VERBS, type CallVerb, formatTaskId, parseTaskId, TqError } from "task-queue-protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { ANYBODY } from "../../src/operations/access.ts";
import { answerCall } from "../../src/operations/calls.ts";
import { submitTask } from "../../src/operations/submit.ts";
import { SETTINGS } from "../rest/harness.ts";
import { FakeBroker } from "./fake-broker.ts";

const REQUEST_ID = "00112233445566778899aabbccddeeff";
const CONTEXT = {
  caller: ANYBODY,
  minIndex: 0,
  submit: SETTINGS,
  signal: new AbortController().signal,
};

let broker: FakeBroker;

beforeEach(() => {
  broker = new FakeBroker();
});

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there.
async function call(verb: CallVerb, params: object = {}): Promise<any> {
  return (await answerCall(broker, verb, params, CONTEXT)).value;
}

async function submit(type: string): Promise<string> {
  return (await submitTask(broker, { type }, SETTINGS)).value.task.id;
}

async function refusal(verb: string, params: unknown): Promise<string> {
  try {
    await answerCall(broker, verb, params, CONTEXT);
  } catch (error) {
    expect(error).toBeInstanceOf(TqError);
    return `${(error as TqError).code} ${(error as TqError).field}`;
  }
  throw new Error("it was accepted");
}

describe("calls", () => {
  test("get, list, wait and cancel", async () => {
    const id = await submit("mail");
    expect(await call("get", { id })).toMatchObject({ id, state: "pending" });
    expect(await call("list", { status: "pending", limit: 5, payload: true })).toMatchObject({
      tasks: [{ id, payload: null }],
    });
    expect(await call("wait", { id, timeout_ms: 0 })).toMatchObject({ id, state: "pending" });
    expect(await call("cancel", { id, reason: "no" })).toMatchObject({ id, state: "cancelled" });
    expect(await call("wait", { id, timeout_ms: 45_000 })).toMatchObject({ state: "cancelled" });
  });

  test("reschedule moves what waits, and nothing else", async () => {
    broker.raise(3);
    const id = await submit("mail");
    const later = { id, delay_ms: 5000 };
    const due_at = new Date(broker.now + 5000).toISOString();
    expect(await call("reschedule", later)).toMatchObject({ id, state: "scheduled", due_at });
    expect(await call("reschedule", { id, run_at: "2000-01-01T00:00:00Z" })).toMatchObject({
      state: "pending",
    });
    expect(await refusal("reschedule", { id })).toBe("invalid_request run_at");
    const both = { ...later, run_at: "2030-01-01T00:00:00Z" };
    expect(await refusal("reschedule", both)).toBe("invalid_request run_at");
    expect(await refusal("reschedule", { id, delay_ms: -1 })).toBe("invalid_request delay_ms");
    const far = { id, run_at: "2099-01-01T00:00:00Z" };
    expect(await refusal("reschedule", far)).toBe("invalid_request run_at");
    await call("cancel", { id });
    expect(await refusal("reschedule", later)).toBe("state_conflict undefined");
  });

  test("queue, configure_queue and delete_queue", async () => {
    broker.machine.raise(3);
    const settings = { concurrency: 2 };
    const made = await call("configure_queue", { name: "q", settings, paused: true });
    expect(made).toMatchObject({ name: "q", paused: true, revision: 1, settings });
    expect(await call("configure_queue", { name: "q", paused: false })).toMatchObject({
      paused: false,
      revision: 2,
      settings,
    });
    expect(await call("queue", { name: "q" })).toMatchObject({ paused: false, revision: 2 });
    const late = { name: "q", draining: true, if_revision: 1 };
    expect(await refusal("configure_queue", late)).toBe("state_conflict undefined");
    for (let i = 0; i < 2; i++) expect(await call("delete_queue", { name: "q" })).toEqual({});
    expect(await refusal("queue", { name: "q" })).toBe("not_found undefined");
  });

  test("a command that comes again late does not undo what others have done since", async () => {
    broker.raise(3);
    const id = await submit("mail");
    for (const [first, then] of [
      [() => call("configure_queue", { name: "q", paused: true }), resume],
      [() => call("delete_queue", { name: "q" }), resume],
      [() => call("reschedule", { id, delay_ms: 9000 }), cancelDelay],
    ] as const) {
      await first();
      const copy = broker.commands.at(-1)!;
      expect(broker.apply(copy)).toMatchObject({ code: "ok", duplicate: true });
      broker.now += 1;
      await then();
      expect(broker.apply(copy).code, copy.type).toBe("state_conflict");
    }
    expect(broker.queue("q")?.paused).toBe(false);

    function resume() {
      return call("configure_queue", { name: "q", paused: false, settings: { weight: 2 } });
    }
    function cancelDelay() {
      return call("reschedule", { id, delay_ms: 0 });
    }
  });

  test("retry and delete are done once, however often they come", async () => {
    const id = await submit("mail");
    broker.fail(parseTaskId(id)!, broker.lease("mail"), "no");
    for (let i = 0; i < 2; i++) {
      const params = { id, request_id: REQUEST_ID };
      expect(await call("retry", params)).toMatchObject({ id, state: "pending" });
    }
    broker.fail(parseTaskId(id)!, broker.lease("mail"), "no again");
    for (let i = 0; i < 2; i++) {
      expect(await call("delete", { id, request_id: REQUEST_ID })).toEqual({});
    }
    expect(await refusal("get", { id })).toBe("not_found id".replace("id", "undefined"));
  });

  test("delete removes dead tasks only", async () => {
    const id = await submit("mail");
    broker.complete(parseTaskId(id)!, broker.lease("mail"), 1);
    const params = { id, request_id: REQUEST_ID };
    expect(await refusal("delete", params)).toBe("state_conflict undefined");
    expect(await call("get", { id })).toMatchObject({ state: "completed" });
  });

  test("overviews", async () => {
    await submit("mail");
    expect(await call("queues")).toMatchObject({ queues: [{ name: "default", depth: 1 }] });
    expect(await call("workers", { consistency: "stale" })).toEqual({ workers: [] });
    expect(await call("stats")).toMatchObject({ unfinished: 1 });
    expect(await call("cluster")).toMatchObject({ leader_id: "n1" });
    expect(await call("compact")).toEqual({ node_id: "n1", before_bytes: 9, after_bytes: 4 });
  });

  test("members and leadership: passed on, and answered with the cluster", async () => {
    const cluster = { cluster_id: "c0ffee", node_id: "n1", leader_id: "n1" };
    expect(await call("add_member", { peer: "n4@[::1]:6379/7000" })).toMatchObject(cluster);
    expect(await call("promote_member", { id: "n4" })).toMatchObject(cluster);
    expect(await call("remove_member", { id: "n4", force: true })).toMatchObject(cluster);
    expect(await call("transfer_leadership", { to: "n2" })).toMatchObject(cluster);
    expect(await call("transfer_leadership")).toMatchObject(cluster);
    expect(await call("raise_version", { to: 2 })).toMatchObject(cluster);
    expect(await call("raise_version")).toMatchObject(cluster);
    expect(broker.changes).toEqual([
      ["addMember", "n4@[::1]:6379/7000"],
      ["promoteMember", "n4", false],
      ["removeMember", "n4", true],
      ["transferLeadership", "n2"],
      ["transferLeadership", undefined],
      ["raiseVersion", 2],
      ["raiseVersion", undefined],
    ]);
    broker.change = async () => {
      throw new TqError("no_leader", "n2 leads, at 10.0.0.2:6379");
    };
    expect(await refusal("remove_member", { id: "n3" })).toBe("no_leader undefined");
  });

  test("a read waits for the index that came with it, and every answer tells its own", async () => {
    const id = await submit("mail");
    broker.barriers.length = 0;
    const context = { ...CONTEXT, minIndex: 7 };
    const reads = ["get", "wait", "list", "queues", "workers", "stats"] as const;
    for (const verb of reads) {
      const needed = verb === "get" ? { id } : verb === "wait" ? { id, timeout_ms: 0 } : {};
      const params = { ...needed, consistency: "stale" };
      expect(await answerCall(broker, verb, params, context)).toMatchObject({ index: 1 });
    }
    const asked = { consistency: "stale", minIndex: 7 };
    expect(broker.barriers).toEqual(reads.map(() => asked));
    expect(await answerCall(broker, "cancel", { id }, context)).toMatchObject({ index: 2 });
  });

  test.each([
    ["lst", {}, "invalid_request undefined"],
    ["get", {}, "not_found id"],
    ["get", { id: "x", verbose: 1 }, "unknown_field verbose"],
    ["get", [], "invalid_request params"],
    ["list", { limit: 0 }, "invalid_request limit"],
    ["list", { limit: "5x" }, "invalid_request limit"],
    ["list", { payload: 1 }, "invalid_request payload"],
    ["wait", { id: formatTaskId(Buffer.alloc(16)) }, "invalid_request timeout_ms"],
    ["wait", { id: "x", timeout_ms: 45_001 }, "invalid_request wait"],
    ["retry", { id: "x", request_id: "1" }, "invalid_request request_id"],
    ["cancel", { id: "x", reason: 5 }, "invalid_request reason"],
    ["queues", { consistency: "maybe" }, "invalid_request consistency"],
    ["cluster", { x: 1 }, "unknown_field x"],
    ["add_member", {}, "invalid_request peer"],
    ["add_member", { peer: "10.0.0.1:6379" }, "invalid_request peer"],
    ["add_member", { peer: "n4@10.0.0.1" }, "invalid_request peer"],
    ["add_member", { peer: `n4@${"h".repeat(500)}:1` }, "invalid_request peer"],
    ["add_member", { peer: 7 }, "invalid_request peer"],
    ["promote_member", { id: "" }, "invalid_request id"],
    ["promote_member", { id: "n4", force: "yes" }, "invalid_request force"],
    ["remove_member", { id: "n 4" }, "invalid_request id"],
    ["transfer_leadership", { to: "n4@x" }, "invalid_request to"],
    ["raise_version", { to: 0 }, "invalid_request to"],
    ["raise_version", { to: 1.5 }, "invalid_request to"],
    ["raise_version", { to: "2" }, "invalid_request to"],
    ["raise_version", { too: 2 }, "unknown_field too"],
    ["configure_queue", { name: "a b", paused: true }, "invalid_request name"],
    ["configure_queue", { name: "a" }, "invalid_request settings"],
    ["configure_queue", { name: "a", paused: 1 }, "invalid_request paused"],
    [
      "configure_queue",
      { name: "a", paused: true, if_revision: -1 },
      "invalid_request if_revision",
    ],
    ["configure_queue", { name: "a", settings: { wait: 1 } }, "unknown_field settings.wait"],
    ["configure_queue", { name: "a", settings: { weight: 0 } }, "invalid_request settings.weight"],
    ["delete_queue", {}, "invalid_request name"],
    ["queue", { name: "nope" }, "not_found undefined"],
  ])("%s %j is refused", async (verb, params, expected) => {
    expect(await refusal(verb, params)).toBe(expected);
    expect(broker.commands).toEqual([]);
    expect(broker.changes).toEqual([]);
  });

  test("every verb of the protocol refuses a parameter that it does not know", async () => {
    for (const verb of CALL_VERBS) {
      expect(await refusal(verb, { zzz: 1 })).toBe("unknown_field zzz");
    }
  });
});
