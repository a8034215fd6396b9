import { describe, expect, test } from "vitest";
import { MembershipHistory } from "../src/membership.ts";

const of = (...voters: string[]) => ({ voters, learners: ["z"] });

describe("MembershipHistory", () => {
  test("the newest holds, and falls back when its entry is truncated", () => {
    const history = new MembershipHistory(of("a"));
    history.appended(5, of("a", "b"));
    history.appended(8, of("a", "b", "c"));
    history.committed(4);
    history.truncated(9);
    expect(history.current.voters).toEqual(["a", "b", "c"]);
    history.truncated(6);
    expect(history.current.voters).toEqual(["a", "b"]);
    history.truncated(5);
    expect(history.current.voters).toEqual(["a"]);
  });

  test("what is committed stays", () => {
    const history = new MembershipHistory(of("a"));
    history.appended(5, of("a", "b"));
    history.appended(8, of("a", "b", "c"));
    history.committed(7);
    history.truncated(1);
    expect(history.current.voters).toEqual(["a", "b"]);
  });

  test("learners are no voters", () => {
    const history = new MembershipHistory(of("a"));
    expect(["a", "z", "q"].map((id) => history.isVoter(id))).toEqual([true, false, false]);
  });
});
