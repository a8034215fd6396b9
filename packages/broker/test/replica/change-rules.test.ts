import type { MemberStatus } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { judge, type Standing } from "../../src/replica/change-rules.ts";
import { LEARNERS_MAX, QUORUM_LAG_ENTRIES, VOTERS_MAX } from "../../src/replica/limits.ts";
import type { ClusterMember } from "../../src/replica/members.ts";
import type { MemberChange } from "../../src/replica/output.ts";
import { SUPPORTED } from "../../src/replica/versions.ts";
import { memberOf } from "./harness.ts";

const NOW = 50_000;
const LAST = 9_000;

const voters = (...ids: string[]) => ids.map(memberOf);
const learners = (...ids: string[]) => ids.map((id) => ({ ...memberOf(id), voter: false }));

/** All are up and caught up, but for what `progress` says. */
function standing(
  members: readonly ClusterMember[],
  progress: Readonly<Record<string, Partial<MemberStatus> | "unheard">> = {},
): Standing {
  const statuses = members.map(({ id }): MemberStatus => {
    const given = progress[id] ?? {};
    const usual = { id, match: LAST, durable: LAST, snapshotIndex: undefined };
    const isUnheard = given === "unheard";
    return { ...usual, lastContactMs: isUnheard ? 0 : NOW, ...(isUnheard ? {} : given) };
  });
  return {
    self: "a",
    members,
    progress: new Map(statuses.map((each) => [each.id, each])),
    lastIndex: LAST,
    now: NOW,
    electionTimeoutMs: 1_000,
    clusterVersion: 1,
    supports: SUPPORTED,
  };
}

const add = (member: Partial<ClusterMember> & { id: string }): MemberChange => {
  const { voter: _, ...rest } = { ...memberOf(member.id), ...member };
  return { kind: "add", member: rest };
};
const promote = (id: string, force = false): MemberChange => ({ kind: "promote", id, force });
const remove = (id: string, force = false): MemberChange => ({ kind: "remove", id, force });

/** `a b (c)`: c is a learner. */
function judged(change: MemberChange, at: Standing): string {
  const verdict = judge(change, at);
  if (verdict.kind === "done") return "done";
  if (verdict.kind === "refused") return `${verdict.code}: ${verdict.message}`;
  return verdict.members.map(({ id, voter }) => (voter ? id : `(${id})`)).join(" ");
}

describe("adding", () => {
  test("makes a learner", () => {
    expect(judged(add({ id: "b" }), standing(voters("a")))).toBe("a (b)");
  });

  test("is done when it is a member already, the very same node", () => {
    expect(judged(add({ id: "b" }), standing(voters("a", "b")))).toBe("done");
  });

  test("is refused when another node of that name is a member", () => {
    const change = add({ id: "b", incarnation: "other" });
    expect(judged(change, standing(voters("a", "b")))).toMatch(
      /^state_conflict: b is a member already, with another data directory; .*remove b first/,
    );
  });

  test.each([
    ["bus", { bus: "b:1" }],
    ["address", { address: "b:2" }],
  ])("is refused when its %s is that of another member", (_, taken) => {
    const [[, where]] = Object.entries(taken) as [[string, string]];
    expect(judged(add({ id: "d", ...taken }), standing(voters("a", "b")))).toBe(
      `state_conflict: b is reached at ${where} already; give d an address of its own, ` +
        "or remove b first",
    );
  });

  test("is refused when there are as many learners as there may be", () => {
    const ids = Array.from({ length: LEARNERS_MAX }, (_, at) => `l${at}`);
    expect(judged(add({ id: "b" }), standing([...voters("a"), ...learners(...ids)]))).toMatch(
      /^state_conflict: there are 8 learners already; promote or remove one first/,
    );
  });
});

describe("promoting", () => {
  const members = [...voters("a"), ...learners("b")];

  test("makes a voter of a learner that is caught up", () => {
    const nearly = { b: { match: LAST - QUORUM_LAG_ENTRIES } };
    expect(judged(promote("b"), standing(members, nearly))).toBe("a b");
  });

  test("is done when it votes already", () => {
    expect(judged(promote("b"), standing(voters("a", "b")))).toBe("done");
  });

  test("is refused for who is no member, and says who is", () => {
    expect(judged(promote("x"), standing(members))).toBe(
      "not_found: x is no member; those are a, b",
    );
  });

  test.each([
    ["far behind", { match: LAST - 2_000 }, "is not caught up: it lacks 2000 entries"],
    ["just behind", { match: LAST - QUORUM_LAG_ENTRIES - 1 }, "is not caught up"],
    ["without any entry", { match: 0 }, "is not caught up"],
    ["not heard of late", "unheard" as const, "cannot be reached"],
    ["waiting for a snapshot", { snapshotIndex: 3 }, "still receives a snapshot"],
  ])("is refused while it is %s, but for force", (_, progress, why) => {
    const at = standing(members, { b: progress });
    expect(judged(promote("b"), at)).toContain(`state_conflict: b ${why}`);
    expect(judged(promote("b"), at)).toMatch(/wait until it is, or use force$/);
    expect(judged(promote("b", true), at)).toBe("a b");
  });

  test("is refused beyond the most voters, with force or without", () => {
    const ids = Array.from({ length: VOTERS_MAX }, (_, at) => `v${at}`);
    const at = standing([...voters(...ids), ...learners("x")]);
    expect(judged(promote("x", true), at)).toMatch(/^state_conflict: there are 7 voters already/);
  });
});

describe("removing", () => {
  test("leaves the others", () => {
    expect(judged(remove("b"), standing(voters("a", "b", "c")))).toBe("a c");
    expect(judged(remove("a"), standing(voters("a", "b", "c")))).toBe("b c");
  });

  test("of a learner is always allowed", () => {
    const at = standing([...voters("a", "b"), ...learners("l")], { b: "unheard", l: "unheard" });
    expect(judged(remove("l"), at)).toBe("a b");
  });

  test("of a member that is down is allowed when the rest can do without it", () => {
    expect(judged(remove("b"), standing(voters("a", "b"), { b: "unheard" }))).toBe("a");
    expect(judged(remove("c"), standing(voters("a", "b", "c"), { c: "unheard" }))).toBe("a b");
  });

  test("is refused for who is no member", () => {
    expect(judged(remove("x"), standing(voters("a")))).toMatch(/^not_found: x is no member/);
  });

  test("of the last voter is refused, with force or without", () => {
    const at = standing([...voters("a"), ...learners("b")]);
    expect(judged(remove("a", true), at)).toBe(
      "state_conflict: a is the last voter; promote another member first",
    );
  });

  test.each([
    ["down", "unheard" as const],
    ["far behind", { match: 5 }],
    ["waiting for a snapshot", { snapshotIndex: 5 }],
  ])("is refused when of those that stay too many are %s, but for force", (_, progress) => {
    const at = standing(voters("a", "b", "c"), { c: progress });
    expect(judged(remove("b"), at)).toBe(
      "state_conflict: without b the cluster would need 2 of 2 voters, and only 1 of those can " +
        "be reached and are caught up; bring the others back first, or use force",
    );
    expect(judged(remove("b", true), at)).toBe("a c");
  });
});
