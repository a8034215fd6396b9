/**
 * A follower that starts again knows no more which of its entries are committed: it believes an
 * append only. In a cluster at rest there is none to come, so the leader has to ask.
 */
import { expect, test } from "vitest";
import type { Raft } from "../src/index.ts";
import { acknowledge, newLeader, settle, tell, types } from "./fixture.ts";

function leaderAtRest(): Raft {
  const raft = newLeader();
  for (const id of ["b", "c"]) acknowledge(raft, id, 1);
  settle(raft);
  for (const id of ["b", "c"]) acknowledge(raft, id, 1);
  settle(raft);
  return raft;
}

function answerHeartbeat(raft: Raft, from: string, round: number): readonly string[] {
  return types(tell(raft, { type: "heartbeatReply", from, term: 1, round }));
}

test("a follower whose stream is a new one is asked where it stands, until it answers", () => {
  const raft = leaderAtRest();
  for (const round of [1, 2]) expect(answerHeartbeat(raft, "b", round)).toEqual([]);
  raft.peerConnected("b");
  for (const round of [3, 4]) expect(answerHeartbeat(raft, "b", round)).toEqual(["append b"]);
  expect(answerHeartbeat(raft, "c", 4)).toEqual([]);
  acknowledge(raft, "b", 1);
  settle(raft);
  expect(answerHeartbeat(raft, "b", 5)).toEqual([]);
});
