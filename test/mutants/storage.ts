/** Mutants of storage: what is durable when it is said to be, and what happens when it fails. */
import { type Mutant, suite } from "./mutant.ts";
import { patchIn } from "./patch.ts";

const broker = patchIn("packages/broker/src");
const storage = patchIn("packages/broker/src/storage");
const TESTS = "packages/broker/test/storage";
const RUNTIME = "packages/broker/test/replica/runtime.test.ts";
/** Of a real process under strace. */
const CUT_SHORT = suite(`${TESTS}/broken-disk.test.ts`, "in the middle of a cut");

export const STORAGE: readonly Mutant[] = [
  {
    id: "identity-not-fsynced",
    trap: 1,
    what: "Term and vote are handed to the operating system, and never fsynced.",
    edits: [storage("identity-store.ts", "    await this.#file.datasync();\n", "")],
    killers: [suite(`${TESTS}/broken-disk.test.ts`, "EIO from the identity's fdatasync")],
  },
  {
    id: "one-slot-for-the-vote",
    trap: 1,
    what: "A new vote is written over the old one, instead of beside it.",
    edits: [
      storage(
        "identity-slots.ts",
        "return (sequence % 2) * SLOT_BYTES;",
        "return (sequence % 1) * SLOT_BYTES;",
      ),
    ],
    killers: [suite(`${TESTS}/identity-slots.test.ts`, "slots")],
  },
  {
    id: "vote-behind-the-log",
    trap: 1,
    what: "Entries of a term are written before the term itself.",
    edits: [
      broker(
        "persister.ts",
        "    if (hardState !== undefined) await identity.save({ hardState });\n",
        "",
      ),
      broker(
        "persister.ts",
        "    return sync;\n",
        "    if (hardState !== undefined) await identity.save({ hardState });\n    return sync;\n",
      ),
    ],
    killers: [suite(`${TESTS}/persister.test.ts`)],
  },
  {
    id: "tells-before-the-disk",
    trap: 2,
    what: "Entries count as written when the write begins, not when it has ended.",
    edits: [
      broker(
        "persister.ts",
        "      const synced = await this.#write(batches);",
        "      const synced = this.#options.walSyncIntervalMs === 0;\n" +
          "      const written = this.#write(batches);\n" +
          "      await Promise.race([written, Promise.resolve()]);",
      ),
    ],
    killers: [suite(`${TESTS}/persister.test.ts`)],
  },
  {
    id: "says-fsynced-when-handed-over",
    trap: 2,
    what: "With fsyncs at intervals, entries count as fsynced as soon as they are written.",
    edits: [
      broker(
        "persister.ts",
        "this.#options.onWritten(batches, synced);",
        "this.#options.onWritten(batches, true);",
      ),
    ],
    killers: [suite(`${TESTS}/persister.test.ts`)],
  },
  {
    id: "members-at-intervals",
    trap: 2,
    what: "With fsyncs at intervals, a change of members waits for the next one like any entry.",
    edits: [
      broker(
        "persister.ts",
        '        sync ||= step.entries.some((entry) => entry.kind === "membership");\n',
        "",
      ),
    ],
    killers: [suite(`${TESTS}/persister.test.ts`)],
  },
  {
    id: "log-not-fsynced",
    trap: 2,
    what: "An append that must be durable is not fsynced.",
    edits: [
      storage(
        "log-store.ts",
        "const sync = batches.some((batch) => batch.sync);",
        "const sync = batches.some((batch) => batch.sync && batch.entries.length === 0);",
      ),
    ],
    killers: [suite(`${TESTS}/broken-disk.test.ts`, "EIO from the log's fdatasync")],
  },
  {
    id: "fsync-of-the-first-in-a-group",
    trap: 2,
    what: "Of appends that share a write only the first one's wish for an fsync counts.",
    edits: [
      storage(
        "log-store.ts",
        "const sync = batches.some((batch) => batch.sync);",
        "const sync = batches[0]!.sync;",
      ),
    ],
    killers: [suite(`${TESTS}/power.test.ts`)],
  },
  {
    id: "fsync-of-the-newest-file",
    trap: 2,
    what: "An fsync leaves out the file that LevelDB has just stopped writing to.",
    edits: [
      storage(
        "wal-files.ts",
        "for (const name of await walFiles(directory)) {",
        "for (const name of (await walFiles(directory)).slice(-1)) {",
      ),
    ],
    killers: [suite(`${TESTS}/broken-disk.test.ts`, "a sync covers the write-ahead log")],
  },
  {
    id: "flush-not-fsynced",
    trap: 2,
    what: "A flush of the state is told as done before it is fsynced.",
    edits: [
      storage(
        "state-store.ts",
        "    await batch.write({ sync: true });\n    this.#newest = newest;",
        "    await batch.write();\n    this.#newest = newest;",
      ),
    ],
    killers: [suite(`${TESTS}/power.test.ts`)],
  },
  {
    id: "goes-on-after-a-failed-write",
    trap: 3,
    what: "A store takes further writes after one has failed, and LevelDB loses them all.",
    edits: [
      storage(
        "fail-stop.ts",
        "  check(): void {\n    if (this.#first !== undefined) {",
        "  check(): void {\n    if (this.#first !== undefined && this.#store === undefined) {",
      ),
    ],
    killers: [suite(`${TESTS}/log-store.test.ts`, "after a failed write")],
  },
  {
    id: "fault-of-the-disk-unheard",
    trap: 3,
    what: "A write that fails is noted nowhere, and the process goes on.",
    edits: [
      broker(
        "disk-work.ts",
        "(error) => this.#onFault(what, error)",
        "(error) => void [what, error, this.#onFault]",
      ),
    ],
    killers: [suite(RUNTIME, "of the log ends it at once")],
  },
  {
    id: "takes-in-writes-after-a-fault",
    trap: 3,
    what: "Between the fault of a disk and the end of the process writes are still taken in.",
    edits: [
      broker(
        "runtime.ts",
        "    this.#closed = true;\n    if (this.#failed) return;",
        "    if (this.#failed) return;",
      ),
    ],
    killers: [suite("packages/broker/test/replica/runtime-fault.test.ts")],
  },
  {
    id: "fsync-covers-what-came-later",
    trap: 5,
    what: "An fsync that ends vouches for what was written after it had begun.",
    edits: [
      broker("persister.ts", "      onSynced(seq);", "      onSynced(this.#lastWrittenSeq);"),
    ],
    killers: [suite(`${TESTS}/persister.test.ts`)],
  },
  {
    id: "cut-in-steps",
    trap: 6,
    what: "A suffix is removed record by record, front to back, before new entries are written.",
    edits: [
      storage(
        "log-writer.ts",
        "    let chain = await this.#chainBefore(from);\n    const batch = this.#level.batch();",
        "    let chain = await this.#chainBefore(from);\n" +
          "    for (let gone = from; gone <= this.#end.last.index; gone++) {\n" +
          "      await this.#level.del(entryKey(gone));\n" +
          "    }\n" +
          "    const batch = this.#level.batch();",
      ),
    ],
    killers: [CUT_SHORT],
  },
  {
    id: "cut-leaves-the-tail",
    trap: 6,
    what: "Old entries behind the new end of the log stay on the disk.",
    edits: [
      storage(
        "log-writer.ts",
        "for (let index = newLast + 1; index <= this.#end.last.index; index++) {",
        "for (let index = newLast + 1; index < newLast; index++) {",
      ),
    ],
    killers: [CUT_SHORT],
  },
  {
    id: "cut-lost-in-a-group",
    trap: 6,
    what: "Batches that wait for the disk are joined, and a cut between them is forgotten.",
    edits: [
      broker(
        "persister.ts",
        'if (open?.kind === "append" && truncateFrom === undefined) {',
        'if (open?.kind === "append") {',
      ),
    ],
    killers: [suite(`${TESTS}/persister.test.ts`)],
  },
  {
    id: "log-begins-before-it-is-durable",
    trap: 24,
    what: "Entries are removed before the record of where the log begins now is fsynced.",
    edits: [
      storage(
        "log-writer.ts",
        "    await this.#write(this.#level.batch().put(BASE_KEY, encodeBase(base)), true);\n" +
          "    await this.#sync();\n    this.#base = base;\n    this.terms.compact(upTo);",
        "    await this.#write(this.#level.batch().put(BASE_KEY, encodeBase(base)), false);\n" +
          "    this.#base = base;\n    this.terms.compact(upTo);",
      ),
      storage(
        "log-writer.ts",
        "    const batch = this.#level.batch().put(BASE_KEY, encodeBase(base));\n    for",
        "    const batch = this.#level.batch();\n    for",
      ),
    ],
    killers: [suite(`${TESTS}/power.test.ts`)],
  },
  {
    id: "read-below-the-base",
    trap: 27,
    what: "A read for a slow follower does not look whether its entries were compacted away.",
    edits: [
      storage(
        "log-reader.ts",
        "if (from <= base.index) {",
        "if (from <= base.index && from > last.index) {",
      ),
    ],
    killers: [suite(`${TESTS}/conformance.test.ts`, "LevelLogStore")],
  },
  {
    id: "keys-little-endian",
    trap: 28,
    what: "Keys of entries do not sort as their numbers do.",
    edits: [
      storage(
        "uint64.ts",
        "target.writeUInt32BE(value % HALF, offset + 4);",
        "target.writeUInt32LE(value % HALF, offset + 4);",
      ),
      storage("uint64.ts", "source.readUInt32BE(offset + 4)", "source.readUInt32LE(offset + 4)"),
    ],
    killers: [suite(`${TESTS}/log-compaction.test.ts`, "a crash while compacting")],
  },
  {
    id: "mark-apart-from-the-state",
    trap: 39,
    what: "The applied index goes to the disk in a write of its own, before the state.",
    edits: [
      storage(
        "state-store.ts",
        "    batch.put(flushKey(sequence), encodeFlush(newest));\n",
        "    const first = this.#level.batch().put(flushKey(sequence), encodeFlush(newest));\n" +
          "    await first.write({ sync: true });\n",
      ),
    ],
    killers: [suite(`${TESTS}/power.test.ts`)],
  },
  {
    id: "read-in-the-middle-of-a-cut",
    trap: 48,
    what: "A read does not wait for a cut that the disk has made and memory not yet heard of.",
    edits: [
      storage(
        "log-store.ts",
        "    while (this.#writer.cutting !== undefined) {\n" +
          "      await this.#writer.cutting;\n    }\n    const slice",
        "    const slice",
      ),
    ],
    killers: [suite(`${TESTS}/conformance.test.ts`, "LevelLogStore")],
  },
  {
    id: "indexes-of-32-bits-on-disk",
    trap: 49,
    what: "The upper half of an index is lost on its way to the disk.",
    edits: [
      storage(
        "uint64.ts",
        "target.writeUInt32BE(Math.floor(value / HALF), offset);",
        "target.writeUInt32BE(0, offset);",
      ),
    ],
    killers: [suite(`${TESTS}/uint64.test.ts`)],
  },
];
