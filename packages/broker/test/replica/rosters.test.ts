import type { Entry, PersistBatch } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { REMOVED_REACHED_MS } from "../../src/replica/limits.ts";
import { encodeRoster, type Roster } from "../../src/replica/members.ts";
import { Rosters } from "../../src/replica/rosters.ts";
import { memberOf } from "./harness.ts";

const TIMEOUT = 1_000;

const rosterOf = (revision: number, names: string): Roster => {
  return { revision, members: names.split(" ").map(memberOf) };
};

function entryOf(index: number, roster: Roster): Entry {
  return { term: 1, index, kind: "membership", data: encodeRoster(roster) };
}

function batchOf(part: Partial<PersistBatch>): PersistBatch {
  return {
    seq: 1,
    hardState: undefined,
    truncateFrom: undefined,
    entries: [],
    restore: undefined,
    messages: [],
    ...part,
  };
}

function text(roster: Roster | undefined): string | undefined {
  return roster && `${roster.revision}: ${roster.members.map(({ id }) => id).join(" ")}`;
}

/** Founded by a and b, told to the bus. */
function founded(tail: readonly Entry[] = []): Rosters {
  const rosters = new Rosters(rosterOf(0, "a b"), 0, tail, TIMEOUT);
  rosters.takeChange();
  return rosters;
}

describe("the bus", () => {
  test("is told at first, and then only when something has changed", () => {
    const rosters = new Rosters(rosterOf(0, "a b"), 0, [], TIMEOUT);
    expect(text(rosters.takeChange())).toBe("0: a b");
    expect(rosters.takeChange()).toBeUndefined();
    rosters.apply(5, rosterOf(0, "a b"), 0);
    expect(rosters.takeChange()).toBeUndefined();
  });

  test("reaches a new member from when its entry is in the log", () => {
    const rosters = founded();
    rosters.persisted(batchOf({ entries: [entryOf(5, rosterOf(1, "a b c"))] }));
    expect(text(rosters.takeChange())).toBe("1: a b c");
    expect(text(rosters.applied)).toBe("0: a b");
    rosters.apply(5, rosterOf(1, "a b c"), 0);
    expect(rosters.isChanging).toBe(false);
    expect(rosters.takeChange()).toBeUndefined();
  });

  test("is told what the cluster works with, as the newest entry has it", () => {
    const rosters = founded();
    const raised = { ...rosterOf(1, "a b"), clusterVersion: 2 };
    rosters.persisted(batchOf({ entries: [entryOf(5, raised)] }));
    expect(rosters.takeChange()).toEqual(raised);
    rosters.persisted(batchOf({ truncateFrom: 5 }));
    expect(rosters.takeChange()).not.toHaveProperty("clusterVersion");
  });

  test("knows at the start what the log says behind the state", () => {
    const tail = [entryOf(4, rosterOf(0, "a b")), entryOf(5, rosterOf(1, "a b c"))];
    const rosters = new Rosters(rosterOf(0, "a b"), 4, tail, TIMEOUT);
    expect(text(rosters.takeChange())).toBe("1: a b c");
    expect(rosters.isChanging).toBe(true);
  });

  test("reaches a removed one for a while after that was applied", () => {
    const rosters = founded();
    rosters.persisted(batchOf({ entries: [entryOf(5, rosterOf(1, "a"))] }));
    expect(text(rosters.takeChange())).toBe("1: a b");
    rosters.apply(5, rosterOf(1, "a"), 100);
    expect(rosters.takeChange()).toBeUndefined();
    expect(rosters.nextDeadline()).toBe(100 + REMOVED_REACHED_MS);
    rosters.expire(100 + REMOVED_REACHED_MS);
    expect(text(rosters.takeChange())).toBe("1: a");
  });

  test("reaches a removed one for longer than the leader does, in a patient cluster", () => {
    const rosters = new Rosters(rosterOf(0, "a b"), 0, [], 20_000);
    rosters.apply(5, rosterOf(1, "a"), 100);
    expect(rosters.nextDeadline()).toBe(100 + 40_000);
  });

  test("goes by the newest word of who was removed and has come back", () => {
    const rosters = founded();
    rosters.apply(5, rosterOf(1, "a"), 0);
    const again = { ...memberOf("b"), incarnation: "b2" };
    rosters.apply(6, { revision: 2, members: [memberOf("a"), again] }, 1);
    const told = rosters.takeChange();
    expect(told?.members.at(-1)?.incarnation).toBe("b2");
  });

  test("falls back when the entry is cut off the log", () => {
    const rosters = founded();
    rosters.persisted(batchOf({ entries: [entryOf(5, rosterOf(1, "a b c"))] }));
    rosters.takeChange();
    rosters.persisted(batchOf({ truncateFrom: 5 }));
    expect(rosters.isChanging).toBe(false);
    expect(text(rosters.takeChange())).toBe("0: a b");
  });

  test("keeps what stands before the cut, and what comes behind it", () => {
    const rosters = founded([entryOf(5, rosterOf(1, "a b c"))]);
    const replaced = [entryOf(7, rosterOf(2, "a b c d"))];
    rosters.persisted(batchOf({ truncateFrom: 6, entries: replaced }));
    expect(text(rosters.newest)).toBe("2: a b c d");
    rosters.persisted(batchOf({ truncateFrom: 7 }));
    expect(text(rosters.newest)).toBe("1: a b c");
  });

  test("forgets with a snapshot what the log said before it", () => {
    const rosters = founded([entryOf(5, rosterOf(1, "a b c"))]);
    rosters.install(90, rosterOf(3, "a b d"), 0);
    const entries = [entryOf(91, rosterOf(4, "a b d e"))];
    rosters.persisted(batchOf({ restore: { term: 2, index: 90 }, entries }));
    expect(text(rosters.applied)).toBe("3: a b d");
    expect(text(rosters.takeChange())).toBe("4: a b d e");
  });
});
