/** Mutants of reads, of what callers are told, and of what a lost office leaves behind. */
import { type Mutant, SIMULATOR, suite } from "./mutant.ts";

const CORE = "packages/raft/src/core.ts";
const LEADER = "packages/raft/src/leader.ts";
const RAFT_READS = "packages/raft/src/reads.ts";
const READS_FILE = "packages/broker/src/replica/reads.ts";
const REPLICA_FILE = "packages/broker/src/replica/replica.ts";
const REQUESTS = "packages/broker/src/replica/requests.ts";

export const READS: readonly Mutant[] = [
  {
    id: "read-before-own-entry",
    trap: 12,
    what: "A new leader serves reads before an entry of its own term is committed.",
    edits: [
      {
        file: LEADER,
        find: "  if (hasCommittedInTerm(core)) office.reads.roundBegins(office.round, core.commit);",
        replace: "  office.reads.roundBegins(office.round, core.commit);",
      },
      {
        file: LEADER,
        find: "  if (office.reads.wantRound && hasCommittedInTerm(core)) beginRound(core, office);",
        replace: "  if (office.reads.wantRound) beginRound(core, office);",
      },
    ],
    killers: [
      SIMULATOR,
      suite("packages/raft/test/paper-safety.test.ts", "a leader marks an entry of its own term"),
    ],
  },
  {
    id: "read-unconfirmed",
    trap: 21,
    what: "A leader answers reads without asking anybody whether it still leads.",
    edits: [
      {
        file: LEADER,
        find: "const round = office.quorum(voters(core), answeredRoundOf, office.round);",
        replace:
          "const round = Math.max(\n" +
          "    office.round,\n" +
          "    office.quorum(voters(core), answeredRoundOf, office.round),\n" +
          "  );",
      },
    ],
    killers: [
      { kind: "simulation", profile: "old-leaders" },
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "the leader confirms with a round of heartbeats",
      ),
    ],
  },
  {
    id: "read-joins-open-round",
    trap: 21,
    what: "A read is confirmed by heartbeats that were sent before it came.",
    edits: [
      {
        file: RAFT_READS,
        find: "    this.#waiting.push(reader);\n    return true;",
        replace:
          "    const open = this.#open.at(-1);\n" +
          "    if (open === undefined) this.#waiting.push(reader);\n" +
          "    else (open.readers as Reader[]).push(reader);\n" +
          "    return true;",
      },
    ],
    killers: [
      { kind: "simulation", profile: "old-leaders" },
      suite("packages/raft/test/reads.test.ts", "belong to the round that begins after them"),
    ],
  },
  {
    id: "read-ids-start-anew",
    trap: 21,
    what: "A restarted node uses the ids of its former reads again, and takes late answers for new.",
    edits: [
      {
        file: CORE,
        find: "Math.floor(options.random() * READ_ID_BASES) * READ_ID_SPAN;",
        replace: "Math.floor(options.random() * READ_ID_BASES) * READ_ID_SPAN * 0;",
      },
    ],
    killers: [suite("packages/raft/test/reads.test.ts", "never reuse an id")],
  },
  {
    id: "read-id-of-a-retry",
    trap: 21,
    what: "A read that is asked for again keeps its id, and takes the answer to its first try.",
    edits: [
      {
        file: RAFT_READS,
        find: "    this.#asked.set(id, { ids: this.#waiting, deadline });",
        replace:
          "    for (const key of [...this.#asked.keys()].slice(-1)) {\n" +
          "      const ids = [...this.#asked.get(key)!.ids, ...this.#waiting];\n" +
          "      this.#asked.set(key, { ids, deadline });\n" +
          "      this.#waiting = [];\n" +
          "      return key;\n" +
          "    }\n" +
          "    this.#asked.set(id, { ids: this.#waiting, deadline });",
      },
    ],
    killers: [{ kind: "simulation", profile: "old-leaders" }],
  },
  {
    id: "read-before-applied",
    trap: 21,
    what: "A read is served before this node has applied what the leader had committed.",
    edits: [
      {
        file: READS_FILE,
        find: "    if (this.#lowest <= applied) {",
        replace: "    if (this.#lowest <= applied || this.#confirmed.length > 0) {",
      },
      {
        file: READS_FILE,
        find: "if (index > applied) this.#confirm(read, index);",
        replace: "if (index > applied + 10) this.#confirm(read, index);",
      },
    ],
    killers: [
      SIMULATOR,
      suite("packages/broker/test/replica/reads.test.ts", "wait until apply has reached"),
    ],
  },
  {
    id: "lapse-without-comparison",
    trap: 41,
    what: "A lapse proposed by a leader that was deposed takes effect after a renewal.",
    edits: [
      {
        file: "packages/broker/src/queue/commands/lapse.ts",
        find: "if (record.renewals !== renewals || record.deadline > s.clock) return RENEWED;",
        replace: "if (record.renewals < renewals) return RENEWED;",
      },
    ],
    killers: [SIMULATOR, suite("packages/broker/test/queue/transcripts.test.ts", "lapse.txt")],
  },
  {
    id: "writes-forgotten-with-office",
    trap: 43,
    what: "Writes that wait when the leader changes are neither sent again nor answered in time.",
    edits: [
      {
        file: REQUESTS,
        find: "    for (const request of proposed) this.#again(request);\n    for (const request of queued)",
        replace: "    for (const request of queued)",
      },
      {
        file: REQUESTS,
        find: "      if (request.deadline > now) break;\n      expired = true;",
        replace: "      if (request.deadline > now || request.sent) break;\n      expired = true;",
      },
      {
        file: REQUESTS,
        find: "    const proposed = [...this.#proposed.values()].flatMap(({ requests }) => requests);\n",
        replace: "",
      },
    ],
    killers: [suite("packages/broker/test/replica/requests.test.ts")],
  },
  {
    id: "sent-called-not-done",
    trap: 43,
    what: "A write that a leader may have taken is called certainly not done.",
    edits: [
      {
        file: REQUESTS,
        find: "    for (const request of requests) request.sent = true;",
        replace: "",
      },
      {
        file: REQUESTS,
        find: "      request.sent = true;\n      this.#waitingBytes",
        replace: "      this.#waitingBytes",
      },
    ],
    killers: [
      SIMULATOR,
      suite("packages/broker/test/replica/requests.test.ts", "have an unknown outcome"),
    ],
  },
  {
    id: "answered-by-index-alone",
    trap: 43,
    what: "A write is called done when its index is applied, though another term's entry is there.",
    edits: [
      {
        file: REQUESTS,
        find: "    if (proposed.term !== id.term) {",
        replace: "    if (proposed.term < 0) {",
      },
      {
        file: REPLICA_FILE,
        find: "    this.#out.leadership = leadership;\n    this.#writes.leaderChanged();",
        replace:
          "    this.#out.leadership = leadership;\n" +
          '    if (leadership.role === "leader") this.#writes.leaderChanged();',
      },
    ],
    killers: [
      SIMULATOR,
      suite("packages/broker/test/replica/requests.test.ts", "start again when another entry"),
    ],
  },
  {
    id: "forwards-go-in-circles",
    trap: 44,
    what: "A node that does not lead takes forwarded writes, and forwards them on.",
    edits: [
      {
        file: "packages/broker/src/replica/writes.ts",
        find: 'const takes = this.#raft.role === "leader" && !this.#isFull;',
        replace: "const takes = !this.#isFull;",
      },
    ],
    killers: [suite("packages/broker/test/replica/forwards.test.ts")],
  },
  {
    id: "old-leader-remembered",
    trap: 44,
    what: "Who led the term before is still taken for the leader of the new one.",
    edits: [
      {
        file: CORE,
        find: "    this.leader = leader;",
        replace: "    this.leader = leader ?? (this.leader === this.id ? undefined : this.leader);",
      },
    ],
    killers: [
      SIMULATOR,
      suite("packages/raft/test/paper.test.ts", "a committed entry is never replaced"),
    ],
  },
  {
    id: "session-reads-anything",
    trap: 55,
    what: "A read of a session is served by a node that lacks what the session has seen.",
    edits: [
      {
        file: READS_FILE,
        find: "    else this.#confirm(read, minIndex);",
        replace: "    else this.#confirm(read, 0);",
      },
    ],
    killers: [
      SIMULATOR,
      suite("packages/broker/test/replica/reads.test.ts", "wait for what their caller has seen"),
    ],
  },
];
