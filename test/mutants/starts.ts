/** Mutants of a start: what a node believes of the data directory that it finds. */
import { type Mutant, suite } from "./mutant.ts";
import { patchIn } from "./patch.ts";

const storage = patchIn("packages/broker/src/storage");
const TESTS = "packages/broker/test/storage";

export const STARTS: readonly Mutant[] = [
  {
    id: "hole-in-the-log-believed",
    trap: 6,
    what: "A start checks neither that indexes are consecutive nor that hashes are chained.",
    edits: [
      storage("log-scan.ts", "if (index !== last.index + 1) {", "if (index <= last.index) {"),
      storage(
        "log-scan.ts",
        "if (record.previous !== this.#chain || record.entry.term < last.term) {",
        "if (record.entry.term < last.term) {",
      ),
    ],
    killers: [suite(`${TESTS}/log-store.test.ts`, "boot check")],
  },
  {
    id: "lost-tail-is-clean",
    trap: 35,
    what: "A node whose disk has lost acknowledged entries starts, and votes as if it had them.",
    edits: [
      storage(
        "boot-verdict.ts",
        "if (covered || present || log.dropped(logDurable)) {",
        "if (covered || present || log.dropped(logDurable) || applied >= 0) {",
      ),
    ],
    killers: [suite(`${TESTS}/boot-verdict.test.ts`)],
  },
  {
    id: "copy-taken-for-the-original",
    trap: 35,
    what: "A copied data directory starts as the member that it was copied from.",
    edits: [
      storage(
        "identity-store.ts",
        "version.inode !== UNKNOWN_INODE && version.inode !== inode;",
        'version.inode !== UNKNOWN_INODE && inode === "";',
      ),
    ],
    killers: [suite(`${TESTS}/identity-slots.test.ts`, "knows that it is a copy")],
  },
  {
    id: "creates-what-is-missing",
    trap: 54,
    what: "A database that has lost its CURRENT file is opened as a new, empty one.",
    edits: [
      storage("level.ts", 'createIfMissing: mode === "create",', "createIfMissing: true,"),
      storage(
        "level.ts",
        "  await requireFiles(store, directory, mode);\n",
        '  if (mode === "create") await requireFiles(store, directory, mode);\n',
      ),
    ],
    killers: [suite(`${TESTS}/damage.test.ts`, "CURRENT deleted is refused")],
  },
  {
    id: "founded-at-every-start",
    trap: 54,
    what: "A start may make what is missing, though the node was founded long ago.",
    edits: [
      storage(
        "data-dir.ts",
        'return identity.founded ? "existing" : "create";',
        'return identity.boots < 0 ? "existing" : "create";',
      ),
    ],
    killers: [suite(`${TESTS}/damage.test.ts`, "removed is refused, twice")],
  },
  {
    id: "lost-identity-drawn-anew",
    trap: 54,
    what: "A directory whose identity is gone gets a new one, and keeps its log and state.",
    edits: [
      storage(
        "data-dir.ts",
        "if (found.length > 0 && !(await readdir(path)).includes(file)) {",
        "if (found.length > 99 && !(await readdir(path)).includes(file)) {",
      ),
    ],
    killers: [suite(`${TESTS}/data-dir.test.ts`, "stores have lost their identity")],
  },
];
