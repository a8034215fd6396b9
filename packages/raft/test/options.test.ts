import { describe, expect, test } from "vitest";
import { checkOptions } from "../src/index.ts";
import { entriesOf, optionsOf } from "./fixture.ts";

const ok = optionsOf({});
const membership = (voters: string[], learners: string[] = []) => ({
  membership: { voters, learners },
});
const log = (prevIndex: number, ...tail: ReturnType<typeof entriesOf>) => ({
  log: { base: 0, prev: { term: 1, index: prevIndex }, tail },
  hardState: { term: 9, vote: undefined },
});

describe("checkOptions", () => {
  test("accepts the defaults, and a log that begins anywhere", () => {
    checkOptions(ok);
    checkOptions({ ...ok, ...log(4, ...entriesOf(5, 1, 2, 2)), applied: 6 });
    checkOptions({ ...ok, ...log(4), applied: 4 });
  });

  test.each([
    [{ id: "" }, "id must not be empty"],
    [{ now: Number.NaN }, "now must be a time in ms, not NaN"],
    [{ heartbeatIntervalMs: 0 }, "heartbeatIntervalMs must be above 0"],
    [{ heartbeatIntervalMs: Number.NaN }, "heartbeatIntervalMs must be above 0"],
    [
      { electionTimeoutMs: 299 },
      "electionTimeoutMs must be at least 3 heartbeat intervals (300 ms)",
    ],
    [{ electionTimeoutMs: Number.POSITIVE_INFINITY }, "electionTimeoutMs"],
    [{ commitDelayMs: -1 }, "commitDelayMs must be a whole number from 0, not -1"],
    [{ maxMessageBytes: 0 }, "maxMessageBytes must be a whole number from 1, not 0"],
    [{ maxInflight: 0.5 }, "maxInflight must be a whole number from 1, not 0.5"],
    [{ maxUncommittedBytes: -1 }, "maxUncommittedBytes must be a whole number from 0"],
    [{ maxTailBytes: Number.NaN }, "maxTailBytes must be a whole number from 0, not NaN"],
    [membership([]), "membership must name at least one voter"],
    [membership(["b", "a"]), "membership.voters must be sorted and without duplicates"],
    [membership(["a", "a"]), "membership.voters must be sorted and without duplicates"],
    [membership(["a"], ["c", "b"]), "membership.learners must be sorted"],
    [membership(["a", "b"], ["b"]), "membership names b both as voter and as learner"],
    [{ hardState: { term: -1, vote: undefined } }, "hardState.term must be a whole number from 0"],
    [{ applied: 1 }, "applied is 1, but the log ends at 0: entries were lost from it"],
    [
      { log: { base: 5, prev: { term: 1, index: 4 }, tail: [] } },
      "log.base is 5, but log.tail begins behind entry 4",
    ],
    [log(4), "applied is 0, but entries up to 4 are not in log.tail"],
    [{ ...log(4, ...entriesOf(6, 1)), applied: 4 }, "log.tail has a hole: entry 6 follows entry 4"],
    [
      { ...log(4, ...entriesOf(5, 0)), applied: 4 },
      "log.tail entry 5 has term 0, the one before 1",
    ],
    [
      { ...log(0, ...entriesOf(1, 3)), hardState: { term: 2, vote: undefined } },
      "hardState.term is 2, but the log has term 3: it was lost",
    ],
  ])("refuses %o", (change, message) => {
    expect(() => checkOptions({ ...ok, ...change })).toThrow(`raft options: ${message}`);
  });
});
