/**
 * A name can come back, a disk cannot: a node that lost its disk and was added again under its old
 * name is another node. It must not answer for the old one, whose votes and log it has forgotten.
 */
import { describe, expect, test } from "vitest";
import { decodeMembership, encodeRoster } from "../../src/replica/index.ts";
import { Cluster } from "./cluster.ts";
import { memberOf } from "./harness.ts";

const AGAIN = "drawn again";

describe("a node whose name another one had before", () => {
  const data = encodeRoster({ revision: 3, members: ["a", "b", "c"].map((id) => memberOf(id)) });

  test("is no voter by a roster that lists the other one", () => {
    expect(decodeMembership(data, { id: "a", incarnation: AGAIN })).toEqual({
      voters: ["a#a", "b", "c"],
      learners: [],
    });
  });

  test("is one by a roster that lists it", () => {
    expect(decodeMembership(data, memberOf("a")).voters).toEqual(["a", "b", "c"]);
  });
});

describe("what one member sends another", () => {
  const head = { from: "a", to: "b", term: 1 } as const;
  const last = { term: 1, index: 1 };

  test.each([
    { ...head, type: "preVote", last },
    { ...head, type: "vote", last, transfer: false },
    { ...head, type: "append", prev: last, entries: [], commit: 0 },
    { ...head, type: "heartbeat", commit: 0, round: 1 },
    { ...head, type: "installSnapshot", index: 1, sources: ["a"] },
    { ...head, type: "timeoutNow" },
    { ...head, type: "lostEntries", index: 1 },
  ] as const)("a $type is meant for the very node that the roster lists", (message) => {
    const { replica } = new Cluster(2).node("a");
    expect(replica.envelope(message).incarnation).toBe("b");
    // Nobody has an empty one.
    expect(replica.envelope({ ...message, to: "z" }).incarnation).toBe("");
  });

  test.each([
    { ...head, type: "preVoteReply", granted: true },
    { ...head, type: "voteReply", granted: true },
    { ...head, type: "appendReply", match: 0, durable: 0 },
    { ...head, type: "heartbeatReply", round: 1 },
    { ...head, type: "readIndex", id: 1 },
    { ...head, type: "readIndexReply", id: 1, index: 1 },
  ] as const)("a $type goes to whoever is there", (message) => {
    const { replica } = new Cluster(2).node("a");
    expect(replica.envelope(message).incarnation).toBeUndefined();
  });
});
