/** What passes for members in a snapshot's header, and in which words the rest is refused. */
import { describe, expect, test } from "vitest";
import { checkMembers } from "../src/check-members.ts";
import { decodeRoster } from "../src/replica/index.ts";
import { bytesOf } from "./queue/harness.ts";
import { MEMBERSHIP } from "./snapshots/harness.ts";

const [one, two] = decodeRoster(MEMBERSHIP).members;
const text = (document: unknown) => bytesOf(JSON.stringify(document));
const roster = (...members: unknown[]) => text({ version: 1, revision: 1, members });

describe("members in a header", () => {
  test("are taken if they can be read and one of them votes", () => {
    expect(() => checkMembers(MEMBERSHIP)).not.toThrow();
    expect(() => checkMembers(roster(one, { ...two, voter: false }))).not.toThrow();
  });

  test.each<[string, Uint8Array, string]>([
    ["no JSON", bytesOf("x"), "JSON"],
    ["null", text(null), "null"],
    ["of a newer format", text({ version: 3, revision: 1, members: [one] }), "format 3"],
    ["of format 2 and no version", text({ version: 2, revision: 1, members: [one] }), "format 2"],
    ["without a revision", text({ version: 1, members: [one] }), "no revision"],
    ["that are no list", text({ version: 1, revision: 1, members: {} }), "no list of members"],
    ["of whom one is null", roster(one, null), "no list of members"],
    ["of whom one has no bus", roster(one, { ...two, bus: "" }), "no list of members"],
    ["of whom one may or may not vote", roster(one, { ...two, voter: 1 }), "no list of members"],
    ["of whom two are one", roster(one, one), "two members of the same id"],
    ["who never vote", roster({ ...one, voter: false }), "no voter"],
    ["that are none", roster(), "no voter"],
  ])("%s are refused", (_what, membership, words) => {
    expect(() => checkMembers(membership)).toThrow(words);
  });
});
