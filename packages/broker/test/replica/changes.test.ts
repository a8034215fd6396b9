import type { Entry, EntryId, MembershipRefusal } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { type Chair, Changes } from "../../src/replica/changes.ts";
import { REQUEST_DEADLINE_MS } from "../../src/replica/limits.ts";
import type { MemberChange } from "../../src/replica/output.ts";

const REMOVE: MemberChange = { kind: "remove", id: "b", force: false };
const entryOf = (id: EntryId): Entry => ({ ...id, kind: "membership", data: new Uint8Array() });

/** What the chair answers to each proposal, in turn. */
function setup(...answers: (EntryId | MembershipRefusal)[]) {
  const changes = new Changes<string>();
  const chair: Chair = {
    judge: () => ({ kind: "propose", members: [] }),
    propose: () => answers.shift() ?? "pending",
    index: 3,
    obstacle: undefined,
  };
  const ended = () => changes.take().map(({ waiter, outcome }) => [waiter, outcome.kind]);
  return { changes, chair, ended };
}

describe("a change in the log", () => {
  test("is done when its own entry is applied", () => {
    const { changes, chair, ended } = setup({ term: 2, index: 9 });
    changes.add(REMOVE, "w", 0);
    changes.run(chair);
    changes.applied(entryOf({ term: 2, index: 8 }));
    expect(ended()).toEqual([]);
    changes.applied(entryOf({ term: 2, index: 9 }));
    expect(ended()).toEqual([["w", "done"]]);
  });

  test("may or may not be part of a snapshot that covers it", () => {
    const { changes, chair, ended } = setup({ term: 2, index: 9 });
    changes.add(REMOVE, "w", 0);
    changes.run(chair);
    changes.installed(8);
    expect(ended()).toEqual([]);
    changes.installed(9);
    expect(ended()).toEqual([["w", "unknown"]]);
    changes.expire(REQUEST_DEADLINE_MS);
    expect(ended()).toEqual([]);
  });
});

describe("a change that cannot begin", () => {
  test.each([
    ["notReady", "this node has only just begun to lead; try again"],
    ["pending", "an earlier change of members is not committed yet; try again"],
    ["transferring", "the office is being handed over to another node; try again"],
    ["overloaded", "too much waits to be committed; try again"],
  ] as const)("%s is tried again, and refused at its deadline", (refusal, message) => {
    const { changes, chair } = setup(refusal, refusal);
    changes.add(REMOVE, "w", 0);
    changes.run(chair);
    changes.run(chair);
    changes.expire(REQUEST_DEADLINE_MS - 1);
    expect(changes.take()).toEqual([]);
    expect(changes.nextDeadline()).toBe(REQUEST_DEADLINE_MS);
    changes.expire(REQUEST_DEADLINE_MS);
    const outcome = { kind: "refused", code: "state_conflict", message };
    expect(changes.take()).toEqual([{ waiter: "w", outcome }]);
  });

  test("begins as soon as it can", () => {
    const { changes, chair, ended } = setup("notReady", { term: 2, index: 9 });
    changes.add(REMOVE, "w", 0);
    changes.run(chair);
    changes.run(chair);
    changes.applied(entryOf({ term: 2, index: 9 }));
    expect(ended()).toEqual([["w", "done"]]);
  });
});
