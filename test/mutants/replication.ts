/** Mutants of replication: what followers take, what they vouch for, and what is committed. */
import { type Mutant, raftTranscript, SIMULATOR, suite } from "./mutant.ts";

const CORE = "packages/raft/src/core.ts";
const FOLLOWER = "packages/raft/src/follower.ts";
const LEADER = "packages/raft/src/leader.ts";
const OFFICE = "packages/raft/src/office.ts";
const PERSISTENCE = "packages/raft/src/persistence.ts";
const PROGRESS = "packages/raft/src/progress.ts";
const QUORUM = "packages/raft/src/quorum.ts";

export const REPLICATION: readonly Mutant[] = [
  {
    id: "leader-counts-unsynced",
    trap: 2,
    what: "A leader counts its own entries before its disk has them.",
    edits: [
      {
        file: CORE,
        find: 'return this.options.commitBy === "durable" ? this.disk.durable : this.disk.written;',
        replace: "return this.log.lastIndex;",
      },
    ],
    killers: [SIMULATOR],
  },
  {
    id: "follower-vouches-unsynced",
    trap: 2,
    what: "A follower vouches for entries that its disk has, but has not synced.",
    edits: [
      {
        file: FOLLOWER,
        find: "durable: Math.min(verified, core.disk.durable),",
        replace: "durable: Math.min(verified, core.disk.written),",
      },
    ],
    killers: [SIMULATOR],
  },
  {
    id: "lost-entries-not-told",
    trap: 35,
    what: "A follower that lacks what it had vouched for is not told, and counts as having it.",
    edits: [
      {
        file: LEADER,
        find: '  core.send({ type: "lostEntries", from: core.id, to: message.from, term: core.term, index });\n',
        replace: "  if (index < 0) core.now = index;\n",
      },
    ],
    killers: [suite("packages/raft/test/lost-entries.test.ts", "tells it")],
  },
  {
    id: "lost-entries-believed",
    trap: 35,
    what: "A follower believes that it has lost an entry that it has.",
    edits: [
      {
        file: FOLLOWER,
        find: "if (core.log.lastIndex < index) core.lost = index;",
        replace: "core.lost = index;",
      },
    ],
    killers: [
      suite("packages/raft/test/lost-entries.test.ts", "does not believe it of what it has"),
    ],
  },
  {
    id: "old-write-vouches",
    trap: 5,
    what: "A write confirmed late vouches for entries that have since taken its entries' place.",
    edits: [
      {
        file: PERSISTENCE,
        find: "for (const batch of this.#outstanding) batch.last = Math.min(batch.last, last);",
        replace: "",
      },
    ],
    killers: [
      { kind: "simulation", profile: "short-offices" },
      suite("packages/raft/test/persistence.test.ts"),
    ],
  },
  {
    id: "short-append-cuts",
    trap: 7,
    what: "A follower cuts its log behind any append, though it agrees with all of it.",
    edits: [
      {
        file: FOLLOWER,
        find: "  const end = prev.index + entries.length;",
        replace:
          "  const end = prev.index + entries.length;\n" +
          "  if (end < core.log.lastIndex) core.truncateFrom(end + 1);",
      },
    ],
    killers: [
      SIMULATOR,
      suite("packages/raft/test/paper.test.ts", "entries that agree are never cut off"),
    ],
  },
  {
    id: "cut-below-commit",
    trap: 8,
    what: "A follower may be made to replace entries that are committed.",
    edits: [
      {
        file: CORE,
        find: "    if (from <= this.commit) {\n      fail(",
        replace: "    if (from <= 0) {\n      fail(",
      },
      {
        file: FOLLOWER,
        find: "  if (prev.index < core.commit) {",
        replace: "  if (prev.index < 0) {",
      },
    ],
    killers: [suite("packages/raft/test/paper.test.ts", "a committed entry is never replaced")],
  },
  {
    id: "commit-unverified",
    trap: 9,
    what: "A follower believes the leader's commit index for entries that it has not compared.",
    edits: [
      {
        file: FOLLOWER,
        find: "core.commitTo(Math.min(index, core.following.verified))",
        replace: "core.commitTo(Math.min(index, core.log.lastIndex))",
      },
    ],
    killers: [
      { kind: "simulation", profile: "short-offices" },
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "a follower's commit stops at the last entry verified",
      ),
    ],
  },
  {
    id: "verified-in-another-term",
    trap: 9,
    what: "What an earlier leader has compared counts as compared by the present one.",
    edits: [
      {
        file: CORE,
        find: "      verified: this.commit,",
        replace: "      verified: this.following?.verified ?? this.commit,",
      },
    ],
    killers: [
      { kind: "simulation", profile: "short-offices" },
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "a follower's commit stops at the last entry verified",
      ),
    ],
  },
  {
    id: "commit-older-terms",
    trap: 10,
    what: "A leader commits entries of earlier terms by counting who has them (Figure 8).",
    edits: [
      {
        file: LEADER,
        find: "if (index >= office.firstIndex) core.commitTo(index);",
        replace: "core.commitTo(index);",
      },
    ],
    killers: [
      { kind: "simulation", profile: "short-offices" },
      raftTranscript("figure-8.txt"),
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "entries of previous terms are never committed",
      ),
    ],
  },
  {
    id: "quorum-sorts-as-text",
    trap: 11,
    what: "Acknowledged indexes are sorted as texts, in which 10 comes before 9.",
    edits: [
      {
        file: QUORUM,
        find: "while (at > 0 && values[at - 1]! > value) {",
        replace: "while (at > 0 && String(values[at - 1]) > String(value)) {",
      },
    ],
    killers: [SIMULATOR, suite("packages/raft/test/quorum.test.ts")],
  },
  {
    id: "quorum-rounds-down",
    trap: 11,
    what: "Half of an even number of voters counts as a quorum.",
    edits: [
      {
        file: QUORUM,
        find: "return Math.floor(voters / 2) + 1;",
        replace: "return Math.ceil(voters / 2);",
      },
    ],
    killers: [SIMULATOR, suite("packages/raft/test/quorum.test.ts")],
  },
  {
    id: "quorum-with-learners",
    trap: 11,
    what: "Learners are counted when entries are committed.",
    edits: [
      {
        file: LEADER,
        find: "  return core.memberships.current.voters;",
        replace:
          "  const { voters, learners } = core.memberships.current;\n" +
          "  return [...voters, ...learners];",
      },
    ],
    killers: [
      { kind: "simulation", profile: "lost-changes" },
      suite("packages/raft/test/paper-safety.test.ts", "a non-voting member receives the log"),
    ],
  },
  {
    id: "quorum-with-stranger-leader",
    trap: 11,
    what: "A leader that does not vote counts itself.",
    edits: [
      {
        file: OFFICE,
        find: "    values.length = 0;",
        replace: "    values.length = 0;\n    if (!voters.includes(this.#id)) values.push(self);",
      },
    ],
    killers: [
      suite(
        "packages/raft/test/changes.test.ts",
        "goes on until that is committed, without counting itself",
      ),
    ],
  },
  {
    id: "earlier-stay-acknowledges",
    trap: 22,
    what: "What a member acknowledged before it was removed counts after it was added again.",
    edits: [
      {
        file: OFFICE,
        find: "if (known !== undefined && !known.isLeaving) continue;",
        replace:
          "if (known !== undefined) {\n        known.leavingAt = undefined;\n        continue;\n      }",
      },
    ],
    killers: [
      { kind: "simulation", profile: "lost-changes" },
      suite("packages/raft/test/changes.test.ts", "begins with nothing"),
    ],
  },
  {
    id: "acknowledges-the-unsent",
    trap: 22,
    what: "A leader believes acknowledgements of entries that it has never sent to that member.",
    edits: [
      {
        file: PROGRESS,
        find: "const known = Math.min(match, this.#sentMax);",
        replace: "const known = match;",
      },
      {
        file: PROGRESS,
        find: "const knownDurable = Math.min(durable, this.#sentMax);",
        replace: "const knownDurable = durable;",
      },
    ],
    killers: [suite("packages/raft/test/progress.test.ts", "takes an answer to its first stay")],
  },
  {
    id: "uncommitted-without-bound",
    trap: 47,
    what: "A leader without a quorum takes proposals without end.",
    edits: [
      {
        file: LEADER,
        find: "return uncommittedBytes(core, office) > core.options.maxUncommittedBytes;",
        replace: "return uncommittedBytes(core, office) < 0;",
      },
    ],
    killers: [suite("packages/raft/test/changes.test.ts", "when too much waits to be committed")],
  },
  {
    id: "inflight-without-bound",
    trap: 47,
    what: "A leader sends ever more to a follower that does not answer.",
    edits: [
      {
        file: PROGRESS,
        find: "this.#asked : this.#inflightCount >= this.#maxInflight;",
        replace: "this.#asked : this.#inflightCount < 0;",
      },
    ],
    killers: [suite("packages/raft/test/progress.test.ts", "fills the window")],
  },
  {
    id: "index-of-32-bits",
    trap: 49,
    what: "Quorum arithmetic runs on integers of 32 bits.",
    edits: [
      {
        file: QUORUM,
        find: "    const value = values[i]!;",
        replace: "    const value = values[i]! | 0;",
      },
    ],
    killers: [suite("packages/raft/test/quorum.test.ts")],
  },
];
