/**
 * When the cluster may begin to work with a later version: only when every member can. One that
 * cannot would stop at the first entry of the new kind, at each start again (RabbitMQ #17504).
 */
import { expect, test } from "vitest";
import { judge, type Standing } from "../../src/replica/change-rules.ts";
import type { ClusterMember } from "../../src/replica/members.ts";
import { memberOf } from "./harness.ts";

const NEW = { min: 1, max: 2 };
const OLD = { min: 1, max: 1 };

function standing(members: readonly ClusterMember[], more: Partial<Standing> = {}): Standing {
  return {
    self: "a",
    members,
    progress: new Map(),
    lastIndex: 10,
    now: 0,
    electionTimeoutMs: 1_000,
    clusterVersion: 1,
    supports: NEW,
    ...more,
  };
}

const raised = (to: number, at: Standing) => judge({ kind: "raise", to }, at);
const knowing = (versions: ClusterMember["versions"], ...ids: string[]) => {
  return ids.map((id): ClusterMember => {
    const { versions: _, ...silent }: ClusterMember = memberOf(id);
    return versions === undefined ? silent : { ...silent, versions };
  });
};

test("the version is raised when all members know it, those that are down included", () => {
  const members = knowing(NEW, "a", "b", "c");
  expect(raised(2, standing(members))).toEqual({ kind: "propose", members, clusterVersion: 2 });
});

test.each([
  ["one that knows only the old one", knowing(OLD, "c")],
  ["one that has never said what it knows", knowing(undefined, "c")],
  ["a learner that knows only the old one", [{ ...knowing(OLD, "c")[0]!, voter: false }]],
])("it is not with %s", (_, others) => {
  const verdict = raised(2, standing([...knowing(NEW, "a", "b"), ...others]));
  expect(verdict).toMatchObject({ kind: "refused", code: "state_conflict" });
  expect(verdict).toMatchObject({ message: expect.stringContaining("c ") });
});

test("to what it is already there is nothing to do, and below that there is no way", () => {
  const members = knowing(NEW, "a");
  expect(raised(2, standing(members, { clusterVersion: 2 }))).toEqual({ kind: "done" });
  expect(raised(1, standing(members, { clusterVersion: 2 }))).toMatchObject({ kind: "refused" });
});

test("a leader raises no version that it does not know itself", () => {
  const members = knowing({ min: 1, max: 9 }, "a", "b");
  expect(raised(3, standing(members))).toMatchObject({ kind: "refused" });
});
