/** Mutants of snapshots: making them, sending them, and putting one in the place of a log. */
import { type Mutant, raftTranscript, SIMULATOR, suite } from "./mutant.ts";
import { patchIn } from "./patch.ts";

const raft = patchIn("packages/raft/src");
const broker = patchIn("packages/broker/src");
const queue = patchIn("packages/broker/src/queue");
const replica = patchIn("packages/broker/src/replica");
const snapshots = patchIn("packages/broker/src/snapshots");
const storage = patchIn("packages/broker/src/storage");
/** Crashes of a runtime on stores in memory. */
const RUNTIME = "packages/broker/test/snapshots/install.test.ts";
/** And of the stores on a real disk. */
const DISK = "packages/broker/test/storage/install.test.ts";
const TRANSFER = "packages/broker/test/snapshots/transfer.test.ts";

export const INSTALL: readonly Mutant[] = [
  {
    id: "install-throws-the-suffix-away",
    trap: 23,
    what: "Entries behind a snapshot go, though the log has the snapshot's last entry.",
    edits: [
      raft(
        "snapshots.ts",
        "const isHeld = core.log.holds(snapshot);",
        "const isHeld = core.log.holds(snapshot) && index < 0;",
      ),
    ],
    killers: [raftTranscript("snapshot-suffix-kept")],
  },
  {
    id: "install-keeps-a-conflict",
    trap: 23,
    what: "Entries behind a snapshot stay, though the log has another entry where that ends.",
    edits: [
      raft(
        "snapshots.ts",
        "const isHeld = core.log.holds(snapshot);",
        "const isHeld = core.log.lastIndex >= index;",
      ),
    ],
    killers: [raftTranscript("snapshot-conflict")],
  },
  {
    id: "start-keeps-a-conflict",
    trap: 23,
    what: "A start finds the log long enough for the installed state, and does not compare hashes.",
    edits: [
      storage(
        "redo-reset.ts",
        "(await log.chainAt(installed.index)) === installed.chain;",
        'installed.chain !== "";',
      ),
    ],
    killers: [suite(DISK, "a crash, with")],
  },
  {
    id: "start-throws-the-suffix-away",
    trap: 23,
    what: "A start resets the log behind an installed state, whatever the log holds.",
    edits: [
      storage(
        "redo-reset.ts",
        "  if (holds) {\n    return false;",
        "  if (holds && installed.index < 0) {\n    return false;",
      ),
    ],
    killers: [suite(DISK, "a crash, with")],
  },
  {
    id: "log-reset-before-the-pointer",
    trap: 24,
    what: "The log is dropped before the new state is the one that a start finds.",
    edits: [
      broker(
        "persister.ts",
        "    await states.install(staged, base);\n    await log.reset(base);",
        "    await log.reset(base);\n    await states.install(staged, base);",
      ),
    ],
    killers: [suite(RUNTIME, "of an installation leaves the old or the new")],
  },
  {
    id: "old-state-removed-first",
    trap: 24,
    what: "The old state is removed before the pointer names the new one.",
    edits: [
      storage(
        "state-directory.ts",
        "      await writeStatePointer(this.#dataDir, pointer);\n",
        "      await removeState(join(this.#dataDir, stateName(this.#pointer.number)));\n" +
          "      await writeStatePointer(this.#dataDir, pointer);\n",
      ),
    ],
    killers: [suite("packages/broker/test/storage/broken-install.test.ts", "kills while install")],
  },
  {
    id: "staged-rows-not-fsynced",
    trap: 24,
    what: "The rows of a received state are not fsynced before the pointer names it.",
    edits: [
      storage(
        "staged-state.ts",
        "      await batch.write({ sync: true });\n",
        "      await batch.write();\n",
      ),
    ],
    killers: [suite("packages/broker/test/storage/broken-install.test.ts", "fdatasync stops the")],
  },
  {
    id: "reset-not-finished-at-the-start",
    trap: 24,
    what: "A start after a crash between pointer and log leaves the old log before the new state.",
    edits: [
      storage(
        "redo-reset.ts",
        "  await log.reset(installed);\n",
        "  await log.chainAt(log.base.index);\n",
      ),
    ],
    killers: [suite(DISK, "a crash, with")],
  },
  {
    id: "log-dropped-beyond-the-flush",
    trap: 24,
    what: "The log is compacted up to what is applied, flushed or not.",
    edits: [
      replica(
        "compaction.ts",
        "Math.max(this.#flushed - this.#snapshotEntries, this.#indexOfKeptBytes());",
        "Math.max(this.#last.index - this.#snapshotEntries, this.#indexOfKeptBytes());",
      ),
    ],
    killers: [SIMULATOR, suite("packages/broker/test/replica/compaction.test.ts", "never cut")],
  },
  {
    id: "half-a-snapshot-is-enough",
    trap: 24,
    what: "A stream that ends before its trailer counts as a whole snapshot.",
    edits: [
      snapshots(
        "decoder.ts",
        "if (!this.#ended || this.#frames.left > 0)",
        "if (!this.#ended && this.#frames.left > 0)",
      ),
    ],
    killers: [suite("packages/broker/test/snapshots/format.test.ts", "is refused cut short")],
  },
  {
    id: "rest-of-another-snapshot",
    trap: 24,
    what: "A stream that broke goes on with the rows of a later snapshot.",
    edits: [
      snapshots(
        "receiver.ts",
        "return (header.id === this.#header?.id ? this.#reached : undefined) ?? first;",
        "return this.#reached ?? first;",
      ),
      snapshots(
        "receiver.ts",
        "        if (part.header.id !== this.#header?.id) {",
        "        if (this.#header === undefined) {",
      ),
    ],
    killers: [suite(TRANSFER, "begins anew when the source keeps it no longer")],
  },
  {
    id: "snapshot-offer-unanswered",
    trap: 25,
    what: "Who has as much as the offered snapshot says nothing, and is offered it for ever.",
    edits: [
      raft(
        "snapshots.ts",
        "  if (core.commit >= index) following.replyDue = true;\n  else following",
        "  if (core.commit < index) following",
      ),
    ],
    killers: [SIMULATOR, raftTranscript("snapshot-again")],
  },
  {
    id: "snapshot-without-members",
    trap: 26,
    what: "A node that installs a snapshot goes on with the roster that it had before.",
    edits: [
      replica(
        "replica.ts",
        "this.#membership.installed(id.index, decodeRoster(membership), this.#now);",
        "this.#membership.installed(id.index, this.#membership.roster, this.#now);",
      ),
    ],
    killers: [suite("packages/broker/test/replica/snapshot-members.test.ts")],
  },
  {
    id: "snapshot-without-token-base",
    trap: 26,
    what: "The next token is worked out from the leases that are live, not part of the state.",
    edits: [
      queue("load.ts", "    s.nextToken = meta.nextToken;\n", ""),
      queue(
        "load.ts",
        "    table.token[slot] = record.token;\n",
        "    table.token[slot] = record.token;\n" +
          "    s.nextToken = Math.max(s.nextToken, record.token + 1, record.endedToken + 1);\n",
      ),
    ],
    killers: [SIMULATOR],
  },
  {
    id: "snapshot-without-clock",
    trap: 26,
    what: "The cluster's time is no part of the state: a restored one begins at zero.",
    edits: [queue("load.ts", "    s.clock = meta.clock;\n", "")],
    killers: [SIMULATOR],
  },
  {
    id: "snapshot-without-tombstones",
    trap: 26,
    what: "A restored state does not know that there are tombstones, and takes late copies again.",
    edits: [queue("load.ts", "    s.tombstones = meta.tombstones;\n", "")],
    killers: [SIMULATOR],
  },
  {
    id: "snapshot-without-hash",
    trap: 26,
    what: "The effect hash starts anew with a restored state, so that it differs from the others.",
    edits: [
      queue(
        "load.ts",
        "s.hash = new EffectHash(meta.hashHigh, meta.hashLow);",
        "s.hash = new EffectHash(meta.hashHigh, 0);",
      ),
    ],
    killers: [SIMULATOR],
  },
  {
    id: "compacted-while-it-was-read",
    trap: 27,
    what: "A leader does not expect that entries were compacted away before it could read them.",
    edits: [
      raft(
        "leader.ts",
        "if (entries.length === 0 && prev.index >= from - 1) {",
        "if (entries.length === 0 && prev.index > 2 ** 50) {",
      ),
    ],
    killers: [raftTranscript("compaction-race")],
  },
  {
    id: "snapshot-of-another-cluster",
    trap: 35,
    what: "A snapshot is installed though its header names another cluster.",
    edits: [
      snapshots(
        "receiver.ts",
        "if (header.clusterId !== this.#options.clusterId) {",
        'if (header.clusterId === "") {',
      ),
    ],
    killers: [suite("packages/broker/test/snapshots/unwanted.test.ts", "another cluster")],
  },
  {
    id: "flush-of-the-former-state",
    trap: 48,
    what: "A flush that ends after a snapshot was installed counts for the new state.",
    edits: [
      broker(
        "runtime.ts",
        "if (state === this.#state) this.input((replica) => replica.flushed());",
        "this.input((replica) => replica.flushed());",
      ),
      broker(
        "replica/flusher.ts",
        "const index = this.#flushing;\n    if (index === undefined) return undefined;",
        "const index = this.#flushing ?? this.#applied.index;",
      ),
    ],
    killers: [suite(RUNTIME, "ends before its store is closed")],
  },
  {
    id: "view-of-a-replaced-state",
    trap: 48,
    what: "While a view of the state is opened, the state is replaced; the old one is sent.",
    edits: [
      snapshots(
        "source.ts",
        "!signal.aborted && this.#closedFor === undefined && live === states.live;",
        "!signal.aborted && states !== undefined;",
      ),
    ],
    killers: [suite("packages/broker/test/snapshots/source.test.ts", "a state that is replaced")],
  },
  {
    id: "unwanted-snapshot-installed",
    trap: 48,
    what: "A snapshot that was given up while its rows were loaded is installed all the same.",
    edits: [
      snapshots(
        "receiver.ts",
        "      if (this.#cancelled) return undefined;\n      this.#staged = undefined;",
        "      this.#staged = undefined;",
      ),
    ],
    killers: [suite("packages/broker/test/snapshots/unwanted.test.ts", "given up while")],
  },
];
