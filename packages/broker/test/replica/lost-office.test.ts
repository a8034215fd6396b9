/**
 * Writes in the log of a leader that loses its office: whether they will be committed nobody knows,
 * so they are neither forgotten nor called undone (etcd and others answer "leadership lost").
 */
import { expect, test } from "vitest";
import type { Command } from "../../src/queue/index.ts";
import { REQUEST_DEADLINE_MS } from "../../src/replica/limits.ts";
import { type Answer, Requests } from "../../src/replica/requests.ts";

const RELEASE: Command = { type: "release", id: new Uint8Array(16), token: 1 };

function setup() {
  const requests = new Requests<string>(1);
  const answers: Answer<string>[] = [];
  const add = (waiter: string) => {
    requests.add({ kind: "local", waiter, session: undefined }, RELEASE, 0);
  };
  const answered = () => {
    return answers.splice(0).map(({ request: { origin }, outcome }) => {
      return [origin.kind === "local" ? origin.waiter : origin.peer, outcome.kind];
    });
  };
  return { requests, answers, add, answered };
}

test("go to the next leader, before those that have waited meanwhile", () => {
  const { requests, add } = setup();
  add("in the log");
  requests.markProposed(1, { term: 3, index: 10 });
  add("waiting");
  requests.leaderChanged();
  const waiters = requests.queued.map(({ origin }) => origin.kind === "local" && origin.waiter);
  expect(waiters).toEqual(["in the log", "waiting"]);
});

test("have an unknown outcome when no other leader comes in time", () => {
  const { requests, answers, add, answered } = setup();
  add("in the log");
  requests.markProposed(1, { term: 3, index: 10 });
  add("never sent");
  requests.leaderChanged();
  requests.expire(REQUEST_DEADLINE_MS, answers);
  expect(answered()).toEqual([
    ["in the log", "unknown"],
    ["never sent", "refused"],
  ]);
});

test("are answered once, though their old entry turns out to be committed as well", () => {
  const { requests, answers, add, answered } = setup();
  add("in the log");
  requests.markProposed(1, { term: 3, index: 10 });
  requests.leaderChanged();
  const ok = { code: "ok", id: undefined, state: undefined, duplicate: false } as const;
  requests.applied({ term: 3, index: 10 }, [ok], answers);
  expect(answered()).toEqual([]);
  requests.markProposed(1, { term: 5, index: 12 });
  requests.applied({ term: 5, index: 12 }, [{ ...ok, duplicate: true }], answers);
  expect(answered()).toEqual([["in the log", "applied"]]);
});
