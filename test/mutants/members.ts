/** Mutants of membership changes. */
import { type Mutant, raftTranscript, suite } from "./mutant.ts";

const CHANGES = "packages/raft/src/changes.ts";
const CORE = "packages/raft/src/core.ts";
const MEMBERSHIP = "packages/raft/src/membership.ts";
const REPLICA_MEMBERSHIP = "packages/broker/src/replica/membership.ts";
const RULES = "packages/broker/src/replica/change-rules.ts";

export const MEMBERS: readonly Mutant[] = [
  {
    id: "change-before-own-entry",
    trap: 29,
    what: "A leader changes the members before an entry of its own term is committed.",
    edits: [
      {
        file: CHANGES,
        find: 'if (!hasCommittedInTerm(core)) return "notReady";',
        replace: 'if (!hasCommittedInTerm(core) && core.term < 0) return "notReady";',
      },
      {
        file: REPLICA_MEMBERSHIP,
        find: 'obstacle: this.#rosters.isChanging || !isTrue ? "pending" : undefined,',
        replace: 'obstacle: isTrue ? undefined : "pending",',
      },
    ],
    killers: [
      { kind: "simulation", profile: "lost-changes" },
      raftTranscript("membership-erratum-1.txt"),
    ],
  },
  {
    id: "changes-overlap",
    trap: 30,
    what: "Members change again while an earlier change is not committed.",
    edits: [
      {
        file: CHANGES,
        find: 'if (core.isChangingMembership) return "pending";',
        replace: "",
      },
      {
        file: REPLICA_MEMBERSHIP,
        find: 'obstacle: this.#rosters.isChanging || !isTrue ? "pending" : undefined,',
        replace: 'obstacle: isTrue ? undefined : "pending",',
      },
    ],
    killers: [suite("packages/raft/test/changes.test.ts", "while an earlier one is not committed")],
  },
  {
    id: "members-stay-when-cut",
    trap: 30,
    what: "Members of an entry that is cut off the log stay in force.",
    edits: [
      {
        file: CORE,
        find: "    this.memberships.truncated(from);",
        replace: "",
      },
    ],
    killers: [
      { kind: "simulation", profile: "lost-changes" },
      suite("packages/raft/test/paper-safety.test.ts", "when that entry is removed from the log"),
    ],
  },
  {
    id: "members-from-commit-on",
    trap: 30,
    what: "Members are in force only once their entry is committed.",
    edits: [
      {
        file: MEMBERSHIP,
        find: "    return this.#records.at(-1)!.membership;",
        replace: "    return this.#records[0]!.membership;",
      },
    ],
    killers: [
      { kind: "simulation", profile: "lost-changes" },
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "a server uses the newest membership in its log",
      ),
    ],
  },
  {
    id: "promoted-before-caught-up",
    trap: 32,
    what: "A learner becomes a voter before it has the log.",
    edits: [
      {
        file: RULES,
        find: "  if (!force && !isCaughtUp(id, standing)) {",
        replace: "  if (!force && !isCaughtUp(id, standing) && voters < 0) {",
      },
    ],
    killers: [suite("packages/broker/test/replica/change-rules.test.ts")],
  },
  {
    id: "removed-without-quorum",
    trap: 32,
    what: "A voter is removed though those that stay could commit nothing without it.",
    edits: [
      {
        file: RULES,
        find: "  if (!force && well < quorum) {",
        replace: "  if (!force && well < 0) {",
      },
    ],
    killers: [suite("packages/broker/test/replica/change-rules.test.ts")],
  },
  {
    id: "leaves-too-early",
    trap: 33,
    what: "A leader that removes itself steps down before that is committed.",
    edits: [
      {
        file: CHANGES,
        find: "  if (core.isVoter || core.isChangingMembership) return;",
        replace: "  if (core.isVoter) return;",
      },
    ],
    killers: [
      { kind: "simulation", profile: "lost-changes" },
      suite("packages/raft/test/changes.test.ts", "goes on until that is committed"),
    ],
  },
  {
    id: "never-leaves",
    trap: 33,
    what: "A leader that removed itself keeps its office.",
    edits: [
      {
        file: CHANGES,
        find: "  if (core.isVoter || core.isChangingMembership) return;",
        replace: "  if (core.isVoter || core.term > 0) return;",
      },
    ],
    killers: [suite("packages/raft/test/changes.test.ts", "of two leaves one")],
  },
  {
    id: "two-voters-at-once",
    trap: 30,
    what: "Two voters change in one step, so that old and new quorums need not overlap.",
    edits: [
      {
        file: CHANGES,
        find: "votersDifference(memberships.current, membership) > 1",
        replace: "votersDifference(memberships.current, membership) > 2",
      },
    ],
    killers: [suite("packages/raft/test/changes.test.ts", "if it is more than one voter away")],
  },
];
