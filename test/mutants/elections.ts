/** Mutants of elections: terms, votes, timers and pre-votes. */
import { type Mutant, raftTranscript, SIMULATOR, suite } from "./mutant.ts";

const CANDIDATE = "packages/raft/src/candidate.ts";
const CORE = "packages/raft/src/core.ts";
const DISPATCH = "packages/raft/src/dispatch.ts";
const TIMER = "packages/raft/src/election-timer.ts";
const LEADER = "packages/raft/src/leader.ts";

export const ELECTIONS: readonly Mutant[] = [
  {
    id: "vote-before-disk",
    trap: 1,
    what: "A vote is answered before the term and the vote are on disk.",
    edits: [
      {
        file: CORE,
        find: 'const isFree = message.type === "preVote" || this.disk.hardStateSafe;',
        replace:
          "const isFree =\n" +
          '      message.type === "preVote" || message.type === "voteReply" || ' +
          "this.disk.hardStateSafe;",
      },
    ],
    killers: [
      SIMULATOR,
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "term and vote are on disk before the answer leaves",
      ),
    ],
  },
  {
    id: "vote-not-saved",
    trap: 1,
    what: "A vote given within a term that is known already is kept in memory only.",
    edits: [
      {
        file: CANDIDATE,
        find: "      core.vote = from;\n      core.disk.hardStateChanged();",
        replace: "      core.vote = from;",
      },
    ],
    killers: [
      SIMULATOR,
      suite(
        "packages/raft/test/raft.test.ts",
        "a vote in a term that is on disk already is written as well",
      ),
    ],
  },
  {
    id: "vote-by-index-first",
    trap: 13,
    what: "Of two logs the longer one counts as further, whatever its last term.",
    edits: [
      {
        file: CORE,
        find: "last.term > lastTerm || (last.term === lastTerm && last.index >= lastIndex)",
        replace: "last.index > lastIndex || (last.index === lastIndex && last.term >= lastTerm)",
      },
    ],
    killers: [
      { kind: "simulation", profile: "short-offices" },
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "a voter denies its vote to a log that is behind",
      ),
    ],
  },
  {
    id: "vote-by-vector",
    trap: 13,
    what: "A log counts as further only if both its last term and its last index are.",
    edits: [
      {
        file: CORE,
        find: "last.term > lastTerm || (last.term === lastTerm && last.index >= lastIndex)",
        replace: "last.term >= lastTerm && last.index >= lastIndex",
      },
    ],
    killers: [
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "a voter denies its vote to a log that is behind",
      ),
    ],
  },
  {
    id: "timeout-not-random",
    trap: 14,
    what: "All nodes wait equally long before they stand for election.",
    edits: [
      {
        file: TIMER,
        find: "this.#deadline = now + this.#electionTimeoutMs * (1 + this.#random());",
        replace: "this.#deadline = now + this.#electionTimeoutMs * (1.5 + 0 * this.#random());",
      },
    ],
    killers: [
      suite("packages/raft/test/paper.test.ts", "election timeouts are chosen randomly and anew"),
    ],
  },
  {
    id: "refused-vote-resets-timer",
    trap: 15,
    what: "A candidate whose vote is refused puts off the election of a better one.",
    edits: [
      {
        file: CANDIDATE,
        find: 'core.send({ type: "voteReply", from: core.id, to: from, term, granted });',
        replace:
          "core.timer.reset(core.now);\n" +
          '  core.send({ type: "voteReply", from: core.id, to: from, term, granted });',
      },
    ],
    killers: [
      suite("packages/raft/test/paper.test.ts", "only a vote that is given resets the timer"),
    ],
  },
  {
    id: "stale-term-feeds-timer",
    trap: 15,
    what: "Messages of a leader of an earlier term count as signs of life of the present one.",
    edits: [
      {
        file: DISPATCH,
        find: "    answerStale(core, message);",
        replace: "    core.timer.heard(core.now, true);\n    answerStale(core, message);",
      },
    ],
    killers: [suite("packages/raft/test/paper.test.ts", "a request with a stale term is rejected")],
  },
  {
    id: "pre-vote-takes-up-term",
    trap: 16,
    what: "A pre-vote raises the term of whoever is asked.",
    edits: [
      {
        file: CANDIDATE,
        find: "  const granted = term > core.term && core.isUpToDate(last);",
        replace:
          "  const granted = term > core.term && core.isUpToDate(last);\n" +
          "  if (granted) core.takeUpTerm(term);",
      },
    ],
    killers: [
      SIMULATOR,
      suite(
        "packages/raft/test/paper-safety.test.ts",
        "a pre-vote changes nothing at the one who answers it",
      ),
    ],
  },
  {
    id: "pre-vote-resets-timer",
    trap: 16,
    what: "A pre-vote given puts off the giver's own election.",
    edits: [
      {
        file: CANDIDATE,
        find: "  const granted = term > core.term && core.isUpToDate(last);",
        replace:
          "  const granted = term > core.term && core.isUpToDate(last);\n" +
          "  if (granted) core.timer.reset(core.now);",
      },
    ],
    killers: [suite("packages/raft/test/pre-vote-timer.test.ts")],
  },
  {
    id: "pre-vote-hides-term",
    trap: 17,
    what: "Who is refused a pre-vote does not learn the higher term that it was refused for.",
    edits: [
      {
        file: CANDIDATE,
        find: "    core.takeUpTerm(term);\n    return;",
        replace: "    return;",
      },
    ],
    killers: [
      suite("packages/raft/test/paper-safety.test.ts", "a supporter's term may be lower"),
      raftTranscript("stranded-term.txt"),
    ],
  },
  {
    id: "stale-leader-not-told",
    trap: 18,
    what: "A node whose term ran ahead keeps silent to the leader, which never learns the term.",
    edits: [
      {
        file: DISPATCH,
        find: 'message.type === "append" || message.type === "installSnapshot"',
        replace: 'message.type === "installSnapshot"',
      },
      {
        file: DISPATCH,
        find: '    core.send({ ...head, type: "heartbeatReply", round: message.round });',
        replace: "    return;",
      },
    ],
    killers: [
      suite("packages/raft/test/paper.test.ts", "a request with a stale term is rejected"),
      raftTranscript("stranded-term.txt"),
    ],
  },
  {
    id: "no-stickiness",
    trap: 34,
    what: "A member that hears its leader still gives its vote, so who was removed can depose it.",
    edits: [
      {
        file: DISPATCH,
        find: "core.trustsLeader && !message.transfer",
        replace: "core.trustsLeader && message.term < core.term",
      },
      {
        file: CANDIDATE,
        find: "  if (core.trustsLeader) return;",
        replace: "",
      },
    ],
    killers: [
      suite("packages/raft/test/paper-safety.test.ts", "whoever hears its leader ignores votes"),
    ],
  },
  {
    id: "seconds-cut-to-zero",
    trap: 50,
    what: "The timeout of the leader's quorum check is cut to whole seconds, which may be none.",
    edits: [
      {
        file: LEADER,
        find: "core.now - heardMs < core.options.electionTimeoutMs",
        replace: "core.now - heardMs < Math.trunc(core.options.electionTimeoutMs / 1000) * 1000",
      },
    ],
    killers: [SIMULATOR],
  },
  {
    id: "no-grace-after-stall",
    trap: 53,
    what: "A follower that was stalled campaigns before it reads the heartbeats that have come.",
    edits: [
      {
        file: TIMER,
        find: "if (lateMs <= this.#graceMs || this.#graceGiven) return true;",
        replace: "if (lateMs >= 0 || this.#graceGiven) return true;",
      },
    ],
    killers: [
      suite("packages/raft/test/raft.test.ts", "a late tick is turned into one short wait"),
    ],
  },
];
