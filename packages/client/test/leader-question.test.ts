/** Whether there is a leader: how often a broker is asked, and whose answer counts. */
import type { Message } from "task-queue-protocol";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Connection, Link, OnAnswer } from "../src/connection/index.ts";
import { ASK_MS, LeaderQuestion } from "../src/leader-question.ts";

const NONE = '{"leader_id":null}';
const SOME = '{"leader_id":"node2"}';

/** Of a connection: the questions that it has not answered yet. */
class Asked {
  readonly waiting: OnAnswer[] = [];
  count = 0;

  request(_: Message, onAnswer: OnAnswer): void {
    this.count += 1;
    this.waiting.push(onAnswer);
  }

  answer(body: string | undefined): void {
    const bytes = body === undefined ? undefined : new TextEncoder().encode(body);
    const message = bytes && ({ kind: "answer", body: bytes } as unknown as Message);
    for (const each of this.waiting.splice(0)) each(message);
  }
}

let broker: Asked;
let link: { connection: Connection | undefined };
let outcomes: string[];
let leader: LeaderQuestion;

function connectTo(asked: Asked | undefined): void {
  link.connection = asked as unknown as Connection | undefined;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  broker = new Asked();
  link = { connection: undefined };
  connectTo(broker);
  outcomes = [];
  leader = new LeaderQuestion(link as unknown as Link, (code) => outcomes.push(code));
  return () => vi.useRealTimers();
});

describe("whether there is a leader", () => {
  test("is one question, however many want to know, and again after a while", async () => {
    const both = [leader.isKnown(), leader.isKnown()];
    broker.answer(NONE);
    expect(await Promise.all(both)).toEqual([false, false]);
    expect(await leader.isKnown()).toBe(false);
    expect([broker.count, outcomes]).toEqual([1, ["no_leader"]]);
    // Timers of Node may be early by a millisecond.
    vi.advanceTimersByTime(ASK_MS - 1);
    const later = leader.isKnown();
    broker.answer(SOME);
    expect(await later).toBe(true);
    expect(broker.count).toBe(2);
  });

  test("the time runs from the question, however long the answer takes", async () => {
    const slow = leader.isKnown();
    vi.advanceTimersByTime(ASK_MS);
    broker.answer(NONE);
    expect(await slow).toBe(false);
    void leader.isKnown();
    expect(broker.count).toBe(2);
  });

  test("a yes is asked for again", async () => {
    const first = leader.isKnown();
    broker.answer(SOME);
    expect(await first).toBe(true);
    void leader.isKnown();
    expect(broker.count).toBe(2);
  });

  test("another broker is asked for itself, at once", async () => {
    const first = leader.isKnown();
    broker.answer(NONE);
    expect(await first).toBe(false);
    const other = new Asked();
    connectTo(other);
    const second = leader.isKnown();
    other.answer(SOME);
    expect(await second).toBe(true);
  });

  test("one that does not answer holds up nobody who has left it", async () => {
    const silent = leader.isKnown();
    const other = new Asked();
    connectTo(other);
    const second = leader.isKnown();
    broker.answer(undefined);
    expect(await silent).toBe(false);
    void leader.isKnown();
    expect(other.count).toBe(1);
    other.answer(SOME);
    expect(await second).toBe(true);
  });

  test("is unknown without a connection, and outcomes are none of its", async () => {
    connectTo(undefined);
    expect(await leader.isKnown()).toBe(false);
    expect([broker.count, outcomes]).toEqual([0, []]);
  });

  test("a broker that may not say is believed in", async () => {
    const refused = leader.isKnown();
    const refusal = { kind: "error", code: "permission_denied" } as unknown as Message;
    for (const each of broker.waiting.splice(0)) each(refusal);
    expect(await refused).toBe(true);
  });
});
