/** Mutants of what joins consensus and queue: waiters, sessions, clock, flushes, bounds. */
import { type Mutant, SIMULATOR, suite } from "./mutant.ts";
import { patchIn } from "./patch.ts";

const broker = patchIn("packages/broker/src");
const replica = patchIn("packages/broker/src/replica");
const TESTS = "packages/broker/test/replica";

export const REPLICA: readonly Mutant[] = [
  {
    id: "hung-disk-keeps-the-office",
    trap: 20,
    what: "A leader whose disk answers no more stays in office, for heartbeats need no disk.",
    edits: [
      replica(
        "disk-watch.ts",
        "this.#stalledSince !== undefined && !this.#isAlone;",
        "this.#stalledSince !== undefined && this.#isAlone;",
      ),
    ],
    killers: [suite(`${TESTS}/disk-watch.test.ts`)],
  },
  {
    id: "late-answer-of-a-former-life",
    trap: 22,
    what: "A node that has restarted numbers what it forwards as it did before.",
    edits: [
      broker(
        "boot.ts",
        "(identity.boots % STARTS_KEPT_APART) * FORWARD_ID_RANGE,",
        "(identity.boots % STARTS_KEPT_APART) * (FORWARD_ID_RANGE % 2),",
      ),
    ],
    killers: [suite(`${TESTS}/boot.test.ts`)],
  },
  {
    id: "request-for-whoever-has-the-name",
    trap: 22,
    what: "A request does not say which incarnation of the member it is meant for.",
    edits: [
      replica(
        "replica.ts",
        "return { message, beacon, incarnation: this.#membership.incarnationOf(message.to) };",
        "return { message, beacon };",
      ),
    ],
    killers: [suite(`${TESTS}/incarnations.test.ts`)],
  },
  {
    id: "new-node-votes-as-the-old",
    trap: 35,
    what: "A node with an empty disk takes the vote of the one whose name it has.",
    edits: [
      replica(
        "members.ts",
        "id === self.id && incarnation !== self.incarnation ?",
        'id === self.id && incarnation === "" ?',
      ),
    ],
    killers: [suite(`${TESTS}/incarnations.test.ts`)],
  },
  {
    id: "resume-forgets-a-delivery",
    trap: 36,
    what: "A lease whose delivery was lost is not delivered again when its worker comes back.",
    edits: [
      replica(
        "attach.ts",
        "of unknownLeases(leases, held)) {",
        "of unknownLeases(leases, held).slice(1)) {",
      ),
    ],
    killers: [SIMULATOR, suite(`${TESTS}/attach.test.ts`)],
  },
  {
    id: "resume-hides-what-is-lost",
    trap: 36,
    what: "A worker that comes back is not told which of its leases have ended meanwhile.",
    edits: [
      replica(
        "attach.ts",
        "held.filter((token) => !live.has(token))",
        "held.filter((token) => !live.has(token) && token < 0)",
      ),
    ],
    killers: [suite(`${TESTS}/attach.test.ts`)],
  },
  {
    id: "raised-before-all-can",
    trap: 38,
    what: "The version of the cluster is raised though a member has not said that it knows it.",
    edits: [
      replica(
        "change-rules.ts",
        "const unfit = members.filter((member) => !includes(versionsOf(member), to));",
        "const unfit = members.filter((each) => !includes(each.versions ?? supports, to));",
      ),
    ],
    killers: [suite(`${TESTS}/raise.test.ts`)],
  },
  {
    id: "flush-ahead-of-the-log",
    trap: 40,
    what: "State is flushed though the log up to there is not durable on this node.",
    edits: [
      replica(
        "flusher.ts",
        "this.#flushing === undefined && durable >= this.#applied.index;",
        "this.#flushing === undefined && durable >= 0;",
      ),
    ],
    killers: [SIMULATOR, suite(`${TESTS}/flusher.test.ts`)],
  },
  {
    id: "no-office-is-taken",
    trap: 42,
    what: "A new leader lets sessions lapse at once, whose heartbeats went to the old one.",
    edits: [
      replica("office.ts", "    this.#takeOfficeDue = true;\n", "    this.#settled = true;\n"),
    ],
    killers: [suite(`${TESTS}/transcripts.test.ts`, "deposed-leader-lapse")],
  },
  {
    id: "heartbeat-behind-the-lapse",
    trap: 42,
    what: "A heartbeat that came in time stands behind the lapse of its session in the entry.",
    edits: [
      replica(
        "office.ts",
        '[{ type: "renew", sessions: [...this.#beats] }, ...due]',
        '[...due, { type: "renew", sessions: [...this.#beats] }]',
      ),
    ],
    killers: [suite(`${TESTS}/replica.test.ts`, "a heartbeat that comes before the lease is over")],
  },
  {
    id: "waiters-by-index-alone",
    trap: 43,
    what: "A write is answered by whatever entry stands at its index, of whichever term.",
    edits: [
      replica("requests.ts", "if (proposed.term !== id.term) {", "if (proposed.term > id.term) {"),
    ],
    killers: [suite(`${TESTS}/requests.test.ts`, "another entry stands at their index")],
  },
  {
    id: "waiters-lost-with-the-office",
    trap: 43,
    what: "Writes that a deposed leader has proposed are neither sent again nor answered.",
    edits: [
      replica(
        "requests.ts",
        "    for (const request of proposed) this.#again(request);\n",
        "    for (const request of proposed) this.#open.delete(request);\n",
      ),
    ],
    killers: [suite(`${TESTS}/lost-office.test.ts`)],
  },
  {
    id: "not-done-though-nobody-knows",
    trap: 43,
    what: "A write that a lost leader had in its log is called certainly not done.",
    edits: [
      replica(
        "requests.ts",
        "    for (const request of requests) request.sent = true;\n",
        "    for (const request of requests) request.sent = request.deadline < 0;\n",
      ),
    ],
    killers: [suite(`${TESTS}/lost-office.test.ts`)],
  },
  {
    id: "forwarded-to-and-fro",
    trap: 44,
    what: "A write that the other node does not take is sent there again at once.",
    edits: [
      replica(
        "requests.ts",
        "this.#pausedUntil = now + FORWARD_RETRY_MS;",
        "this.#pausedUntil = now + 0 * FORWARD_RETRY_MS;",
      ),
    ],
    killers: [suite(`${TESTS}/requests.test.ts`, "wait before they are sent again")],
  },
  {
    id: "entry-without-a-bound",
    trap: 45,
    what: "All that waits goes into one entry, however large that makes it.",
    edits: [
      replica(
        "entry-size.ts",
        "total > ENTRY_BYTES_MAX || commands.length",
        "bytes > 2 ** 20 * ENTRY_BYTES_MAX || commands.length",
      ),
    ],
    killers: [suite(`${TESTS}/entry-size.test.ts`)],
  },
  {
    id: "uncommitted-without-a-bound",
    trap: 47,
    what: "A leader without a quorum goes on adding entries to its log.",
    edits: [
      replica(
        "proposer.ts",
        "lastIndex - commit < ENTRIES_UNCOMMITTED_MAX;",
        "lastIndex - commit < 2 ** 30 * ENTRIES_UNCOMMITTED_MAX;",
      ),
    ],
    killers: [suite(`${TESTS}/replica.test.ts`, "keeps writes out of the log")],
  },
  {
    id: "waiting-without-a-bound",
    trap: 47,
    what: "Writes pile up in memory for as long as there is no leader.",
    edits: [
      replica(
        "requests.ts",
        "if (this.#waitingBytes > QUEUED_BYTES_MAX) return undefined;",
        "if (this.#waitingBytes > 2 ** 20 * QUEUED_BYTES_MAX) return undefined;",
      ),
    ],
    killers: [suite(`${TESTS}/requests.test.ts`, "when too many bytes wait")],
  },
  {
    id: "content-for-an-ended-lease",
    trap: 48,
    what: "A payload that was read is looked for though its lease has ended meanwhile.",
    edits: [
      replica(
        "sessions.ts",
        "    if (!this.#queue.holds(session, id, token)) return;\n",
        "    if (!this.#queue.holds(session, id, token) && token < 0) return;\n",
      ),
    ],
    killers: [suite(`${TESTS}/content-load.test.ts`)],
  },
  {
    id: "content-for-a-former-connection",
    trap: 48,
    what: "A payload that was read for a connection is delivered on the one that came after it.",
    edits: [
      replica(
        "sessions.ts",
        "if (this.#dispatcher.attachmentOf(session) !== attachment) return;",
        "if ((this.#dispatcher.attachmentOf(session) ?? -1) < 0 * attachment) return;",
      ),
    ],
    killers: [suite(`${TESTS}/replica.test.ts`, "loaded for the connection before as well")],
  },
  {
    id: "applied-beside-a-snapshot",
    trap: 48,
    what: "Entries that waited to be applied are applied again after a snapshot with them.",
    edits: [
      replica(
        "applier.ts",
        "this.#committed.filter((entry) => entry.index > index);",
        "this.#committed.filter((entry) => entry.index > 0 * index);",
      ),
    ],
    killers: [suite(`${TESTS}/install.test.ts`, "committed entries that were held back")],
  },
  {
    id: "believes-its-own-clock",
    trap: 51,
    what: "A leader stamps entries with its own wall clock, not with the median of all.",
    edits: [
      replica(
        "clock.ts",
        "if (this.#peerOffsets.size === 0) return this.#ownOffset;",
        "if (this.#peerOffsets.size >= 0) return this.#ownOffset;",
      ),
    ],
    killers: [suite(`${TESTS}/clock.test.ts`)],
  },
  {
    id: "clock-that-jumps",
    trap: 51,
    what: "Within an office the cluster's time jumps along with the wall clocks.",
    edits: [
      replica(
        "clock.ts",
        "this.#at += Math.min(Math.max(behind, elapsed * SLOWEST), elapsed * FASTEST);",
        "this.#at += Math.max(behind, SLOWEST * elapsed);",
      ),
    ],
    killers: [suite(`${TESTS}/clock.test.ts`)],
  },
  {
    id: "elections-by-the-wall-clock",
    trap: 51,
    what: "Election timeouts and heartbeats go by a clock that an operator can set.",
    edits: [
      broker(
        "runtime.ts",
        "    if (this.#closed) return;\n    this.replica.advance(this.#clock.now(), this.#clock.wallMs());",
        "    if (this.#closed) return;\n    this.replica.advance(Date.now(), Date.now());",
      ),
    ],
    killers: [suite(`${TESTS}/runtime-clock.test.ts`)],
  },
  {
    id: "timer-beyond-the-longest",
    trap: 51,
    what: "A timer for longer than 24.8 days is set as such, and so fires at once.",
    edits: [
      broker(
        "clock.ts",
        "Math.min(Math.max(delayMs, 0), TIMER_MS_MAX)",
        "Math.min(Math.max(delayMs, 0), 2 * TIMER_MS_MAX)",
      ),
    ],
    killers: [suite(`${TESTS}/runtime-clock.test.ts`)],
  },
];
