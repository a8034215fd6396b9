/**
 * Whoever answers a pre-vote gives nothing away, not even time: its own election comes when it would
 * have come. Otherwise a node that cannot win could keep all others from standing.
 */
import { expect, test } from "vitest";
import { newRaft, settle } from "./fixture.ts";

for (const [what, index] of [
  ["granted", 2],
  ["refused", 1],
] as const) {
  test(`a pre-vote that is ${what} leaves the timer as it was`, () => {
    const raft = newRaft({ terms: [1, 2] });
    const due = raft.nextDeadline();
    raft.tick(due - 1);
    raft.step({ type: "preVote", from: "b", to: "a", term: 9, last: { term: 2, index } });
    expect(settle(raft).messages).toMatchObject([{ granted: what === "granted" }]);
    expect(raft.nextDeadline()).toBe(due);
    raft.tick(due);
    expect(settle(raft).messages).toMatchObject([{ type: "preVote" }, { type: "preVote" }]);
  });
}
