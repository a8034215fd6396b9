/** Mutants of an office that is handed over, given up, or should be: transfers and hung disks. */
import { type Mutant, raftTranscript, SIMULATOR, suite } from "./mutant.ts";

const DISK_WATCH = "packages/broker/src/replica/disk-watch.ts";
const DISPATCH = "packages/raft/src/dispatch.ts";
const LEADER = "packages/raft/src/leader.ts";
const TRANSFER = "packages/raft/src/transfer.ts";
const WATCH = suite("packages/broker/test/replica/disk-watch.test.ts");

export const OFFICES: readonly Mutant[] = [
  {
    id: "index-used-again",
    trap: 4,
    what: "A leader takes back what its disk is late with, and gives its indexes to other entries.",
    edits: [
      {
        file: LEADER,
        find: "  beginRound(core, office);\n}\n\nfunction hasQuorum",
        replace:
          "  const from = Math.max(core.commit, core.disk.written, office.firstIndex) + 1;\n" +
          "  if (from <= core.log.lastIndex) core.truncateFrom(from);\n" +
          "  beginRound(core, office);\n}\n\nfunction hasQuorum",
      },
    ],
    killers: [SIMULATOR],
  },
  {
    id: "hung-disk-unnoticed",
    trap: 20,
    what: "A leader whose disk hangs stays in office, for heartbeats need no disk.",
    edits: [
      {
        file: DISK_WATCH,
        find: "    } else if (this.#stalledSince === undefined) {",
        replace: "    } else if (this.#stalledSince === undefined && overdueMs < 0) {",
      },
    ],
    killers: [WATCH],
  },
  {
    id: "hung-disk-waits-for-heir",
    trap: 20,
    what: "A leader whose disk hangs keeps its office as long as nobody is seen to be fit for it.",
    edits: [
      {
        file: DISK_WATCH,
        find: "const isWanted = acknowledgesNothing || this.#handover.hasSuccessor(now);",
        replace: "const isWanted = acknowledgesNothing && this.#handover.hasSuccessor(now);",
      },
    ],
    killers: [WATCH],
  },
  {
    id: "stickiness-blocks-transfer",
    trap: 19,
    what: "Members that hear their leader refuse their vote to the one it hands its office to.",
    edits: [
      {
        file: DISPATCH,
        find: "core.trustsLeader && !message.transfer",
        replace: "core.trustsLeader",
      },
    ],
    killers: [
      suite("packages/raft/test/transfer.test.ts", "is given although the leader is heard"),
      raftTranscript("transfer-beats-stickiness.txt"),
    ],
  },
  {
    id: "transfer-to-laggard",
    trap: 19,
    what: "A successor is asked to campaign before it has all entries.",
    edits: [
      {
        file: TRANSFER,
        find: "progress === undefined || progress.match < core.log.lastIndex",
        replace: "progress === undefined",
      },
    ],
    killers: [
      suite("packages/raft/test/transfer.test.ts", "brings a target that lags up to date first"),
    ],
  },
  {
    id: "transfer-without-end",
    trap: 19,
    what: "A transfer that does not succeed is never given up, and writes are held for good.",
    edits: [
      {
        file: TRANSFER,
        find: "Math.min(core.options.electionTimeoutMs, TRANSFER_MS_MAX);",
        replace: "Math.max(1e12, TRANSFER_MS_MAX);",
      },
    ],
    killers: [suite("packages/raft/test/transfer.test.ts", "gives up after an election timeout")],
  },
  {
    id: "writes-during-transfer",
    trap: 19,
    what: "The leader goes on taking proposals while it hands over its office.",
    edits: [
      {
        file: "packages/raft/src/raft.ts",
        find: 'if (core.office.transfer !== undefined) return "transferring";',
        replace: "",
      },
      {
        file: "packages/broker/src/replica/proposer.ts",
        find: "    return transferee === undefined && lastIndex",
        replace: "    return transferee !== null && lastIndex",
      },
    ],
    killers: [suite("packages/raft/test/transfer.test.ts", "takes no proposals")],
  },
  {
    id: "timeout-now-of-anybody",
    trap: 19,
    what: "A request to campaign is obeyed whoever sends it, in whatever role.",
    edits: [
      {
        file: TRANSFER,
        find: 'if (core.role !== "follower" || core.leader !== from) return;',
        replace: 'if (core.role === "leader" || from === core.id) return;',
      },
    ],
    killers: [suite("packages/raft/test/transfer.test.ts", "does not when it is no voter")],
  },
];
