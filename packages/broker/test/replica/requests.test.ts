import { describe, expect, test } from "vitest";
import { type Command, encodeReply, type Reply } from "../../src/queue/index.ts";
import {
  FORWARD_RESEND_MS,
  FORWARD_RETRY_MS,
  QUEUED_BYTES_MAX,
  REQUEST_DEADLINE_MS,
  REQUESTS_MAX,
} from "../../src/replica/limits.ts";
import { type Answer, Requests } from "../../src/replica/requests.ts";

const OK: Reply = { code: "ok", id: undefined, state: undefined, duplicate: false };
const id = new Uint8Array(16);

function release(token: number): Command {
  return { type: "release", id, token };
}

function setup() {
  const requests = new Requests<string>(1_000);
  const answers: Answer<string>[] = [];
  const add = (waiter: string, now = 0, command = release(1)) =>
    requests.add({ kind: "local", waiter, session: undefined }, command, now);
  const outcomes = () =>
    answers.map(({ request, outcome }) => {
      const who = request.origin.kind === "local" ? request.origin.waiter : request.origin.peer;
      return [who, outcome.kind];
    });
  return { requests, answers, add, outcomes };
}

describe("writes that wait", () => {
  test("are answered by their own entry, in its order", () => {
    const { requests, answers, add, outcomes } = setup();
    add("a");
    add("b");
    requests.markProposed(2, { term: 3, index: 10 });
    requests.applied({ term: 3, index: 10 }, [OK, OK, OK], answers);
    expect(outcomes()).toEqual([
      ["a", "applied"],
      ["b", "applied"],
    ]);
    expect(requests.queued).toEqual([]);
  });

  test("start again when another entry stands at their index", () => {
    const { requests, answers, add, outcomes } = setup();
    add("a");
    requests.markProposed(1, { term: 3, index: 10 });
    requests.applied({ term: 4, index: 10 }, [], answers);
    expect(outcomes()).toEqual([]);
    expect(requests.queued).toHaveLength(1);
  });

  test("are forwarded again to a new leader, under new ids", () => {
    const { requests, answers, add, outcomes } = setup();
    add("a");
    expect(requests.takeForwards(0).map((each) => each.requestId)).toEqual([1_000]);
    requests.leaderChanged();
    expect(requests.takeForwards(0).map((each) => each.requestId)).toEqual([1_001]);
    const outcome = { reply: encodeReply(OK), index: 5 };
    requests.forwardAnswered([{ requestId: 1_000, outcome }], 0, answers);
    expect(outcomes()).toEqual([]);
    requests.forwardAnswered([{ requestId: 1_001, outcome }], 0, answers);
    expect(outcomes()).toEqual([["a", "applied"]]);
  });

  test("go back into line when the node they were sent to does not lead", () => {
    const { requests, answers, add } = setup();
    add("a");
    const [forward] = requests.takeForwards(0);
    const requestId = forward?.requestId ?? 0;
    requests.forwardAnswered([{ requestId, outcome: undefined }], 0, answers);
    expect(requests.queued).toHaveLength(1);
  });

  test("of other nodes are dropped with the office: their own nodes send them again", () => {
    const { requests, answers } = setup();
    requests.add({ kind: "remote", peer: "b", requestId: 1 }, release(1), 0);
    requests.markProposed(1, { term: 3, index: 10 });
    requests.leaderChanged();
    expect(requests.queued).toEqual([]);
    requests.expire(REQUEST_DEADLINE_MS, answers);
    expect(answers).toEqual([]);
  });

  test("are certainly not done when nobody was ever sent them", () => {
    const { requests, answers, add } = setup();
    add("a");
    requests.expire(REQUEST_DEADLINE_MS - 1, answers);
    expect(answers).toEqual([]);
    requests.expire(REQUEST_DEADLINE_MS, answers);
    expect(answers[0]?.outcome).toMatchObject({ kind: "refused", code: "no_leader" });
    expect(requests.queued).toEqual([]);
  });

  test("have an unknown outcome once any leader may have seen them", () => {
    const { requests, answers, add, outcomes } = setup();
    add("a");
    requests.takeForwards(0);
    requests.leaderChanged();
    requests.expire(REQUEST_DEADLINE_MS, answers);
    expect(outcomes()).toEqual([["a", "unknown"]]);
  });

  test("are refused when too many bytes wait", () => {
    const { add, requests } = setup();
    const result = new Uint8Array(QUEUED_BYTES_MAX);
    add("big", 0, { type: "complete", id, token: 1, result, resultType: "binary" });
    expect(add("next")).toBeUndefined();
    requests.markProposed(1, { term: 1, index: 1 });
    expect(add("later")).toBeDefined();
  });
});

describe("writes that other nodes forwarded", () => {
  test("stay in line when the deadline of another write passes", () => {
    const { requests, answers, add } = setup();
    add("old", 0);
    requests.add({ kind: "remote", peer: "b", requestId: 7 }, release(1), 10);
    requests.expire(REQUEST_DEADLINE_MS, answers);
    expect(requests.queued.map(({ origin }) => origin.kind)).toEqual(["remote"]);
  });
});

describe("forwarded writes", () => {
  test("are sent again when no answer comes, and answered once", () => {
    const { requests, answers, add, outcomes } = setup();
    add("a");
    requests.takeForwards(0);
    requests.expire(FORWARD_RESEND_MS - 1, answers);
    expect(requests.takeForwards(FORWARD_RESEND_MS - 1)).toEqual([]);
    expect(requests.nextDeadline()).toBe(FORWARD_RESEND_MS);
    requests.expire(FORWARD_RESEND_MS, answers);
    const again = requests.takeForwards(FORWARD_RESEND_MS);
    expect(again.map(({ requestId }) => requestId)).toEqual([1_001]);
    const outcome = { reply: encodeReply(OK), index: 5 };
    const replies = [1_000, 1_001].map((requestId) => ({ requestId, outcome }));
    requests.forwardAnswered(replies, FORWARD_RESEND_MS, answers);
    expect(outcomes()).toEqual([["a", "applied"]]);
  });

  test("that were sent again say so with their answer", () => {
    const { requests, answers, add } = setup();
    add("a");
    add("b");
    requests.markProposed(1, { term: 3, index: 10 });
    requests.leaderChanged();
    requests.markProposed(2, { term: 4, index: 11 });
    requests.applied({ term: 4, index: 11 }, [OK, OK], answers);
    const applied = { kind: "applied", reply: OK, index: 11 };
    const byWaiter = answers.map(({ request, outcome }) => [
      request.origin.kind === "local" && request.origin.waiter,
      outcome,
    ]);
    expect(Object.fromEntries(byWaiter)).toEqual({ a: { ...applied, resent: true }, b: applied });
  });

  test("that were not taken wait before they are sent again", () => {
    const { requests, answers, add } = setup();
    add("a");
    requests.takeForwards(0);
    requests.forwardAnswered([{ requestId: 1_000, outcome: undefined }], 0, answers);
    expect(requests.takeForwards(0)).toEqual([]);
    expect(requests.nextDeadline()).toBe(FORWARD_RETRY_MS);
    requests.expire(FORWARD_RETRY_MS, answers);
    expect(requests.takeForwards(FORWARD_RETRY_MS)).toHaveLength(1);
  });

  test("that were not taken go to a new leader at once", () => {
    const { requests, answers, add } = setup();
    add("a");
    requests.takeForwards(0);
    requests.forwardAnswered([{ requestId: 1_000, outcome: undefined }], 0, answers);
    requests.leaderChanged();
    expect(requests.takeForwards(0)).toHaveLength(1);
  });

  test("count against the bytes that may wait until they are answered", () => {
    const { requests, answers, add } = setup();
    const result = new Uint8Array(QUEUED_BYTES_MAX);
    add("big", 0, { type: "complete", id, token: 1, result, resultType: "binary" });
    requests.takeForwards(0);
    expect(add("next")).toBeUndefined();
    const outcome = { reply: encodeReply(OK), index: 5 };
    requests.forwardAnswered([{ requestId: 1_000, outcome }], 0, answers);
    expect(add("later")).toBeDefined();
  });

  test("by the hundred thousand survive a change of leader", () => {
    const { requests, add } = setup();
    for (let i = 0; i < REQUESTS_MAX; i++) add("many");
    expect(requests.takeForwards(0)).toHaveLength(REQUESTS_MAX);
    requests.leaderChanged();
    expect(requests.queued).toHaveLength(REQUESTS_MAX);
  });
});
