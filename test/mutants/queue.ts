/** Mutants of the queue machine: determinism, idempotence, leases, and what a flush holds. */
import { type Mutant, SIMULATOR, suite } from "./mutant.ts";
import { patchIn } from "./patch.ts";

const queue = patchIn("packages/broker/src/queue");
const TESTS = "packages/broker/test/queue";

function transcript(name: string) {
  return suite(`${TESTS}/transcripts.test.ts`, name);
}

export const QUEUE: readonly Mutant[] = [
  {
    id: "submit-forgets-the-finished",
    trap: 36,
    what: "A submit that is sent again after its task has finished makes a second task.",
    edits: [
      queue(
        "admission.ts",
        "  if (finished !== undefined) {\n    const same = sameBytes(finishedContent",
        "  if (finished !== undefined && finished.state < 0) {\n" +
          "    const same = sameBytes(finishedContent",
      ),
    ],
    killers: [SIMULATOR],
  },
  {
    id: "idempotency-key-forgotten",
    trap: 36,
    what: "An idempotency key is not looked up before a task is made.",
    edits: [
      queue(
        "admission.ts",
        'if (content.idempotencyKey !== "") {\n    const first',
        'if (content.idempotencyKey !== "" && time < 0) {\n    const first',
      ),
    ],
    killers: [SIMULATOR, transcript("idempotency")],
  },
  {
    id: "no-window-for-ids",
    trap: 36,
    what: "An id is taken however old it is, also when its task may have been forgotten.",
    edits: [
      queue(
        "admission.ts",
        "if (time < s.clock - DEDUP_WINDOW_MS || time",
        "if (time < s.clock - 9 * DEDUP_WINDOW_MS || time",
      ),
    ],
    killers: [suite(`${TESTS}/store.test.ts`, "a refused command changes nothing")],
  },
  {
    id: "retry-repeated",
    trap: 36,
    what: "A copy of a request to start a task again starts it once more.",
    edits: [
      queue(
        "commands/retry.ts",
        "return same ? repeatedIn(finished.state) :",
        "return same && finished.state < 0 ? repeatedIn(finished.state) :",
      ),
    ],
    killers: [SIMULATOR, transcript("retry-and-delete")],
  },
  {
    id: "report-counted-twice",
    trap: 36,
    what: "A copy of a report is refused, as if the first had never been taken.",
    edits: [
      queue(
        "answers.ts",
        "return same && token > 0 ? repeatedIn(finished.state) : STALE;",
        "return same && token < 0 ? repeatedIn(finished.state) : STALE;",
      ),
    ],
    killers: [SIMULATOR, transcript("life-of-a-task")],
  },
  {
    id: "retry-delay-by-dice",
    trap: 37,
    what: "Each replica throws dice of its own for the delay of a retry.",
    edits: [
      queue(
        "retry-delay.ts",
        "let hash = Math.imul(attempt + 1, 0x9e3779b1);",
        "let hash = Math.imul(attempt + 1, Math.floor(Math.random() * 0x9e3779b1));",
      ),
    ],
    killers: [SIMULATOR, suite(`${TESTS}/views.test.ts`, "the same each time")],
  },
  {
    id: "leases-in-the-order-of-the-disk",
    trap: 37,
    what: "After a restart the leases of a session are in another order than elsewhere.",
    edits: [
      queue(
        "load.ts",
        "    this.#runs.sort((a, b) => s.table.token[a.slot]! - s.table.token[b.slot]!);\n",
        "    this.#runs.sort((a, b) => a.slot - b.slot);\n",
      ),
    ],
    killers: [SIMULATOR],
  },
  {
    id: "apply-throws-on-nonsense",
    trap: 38,
    what: "Apply throws on a report about a task that never was, on every replica, at every start.",
    edits: [
      queue(
        "answers.ts",
        "  if (finished === undefined) return NO_TASK;\n  const same = finished.endedToken",
        '  if (finished === undefined) throw new Error("no such task");\n' +
          "  const same = finished.endedToken",
      ),
    ],
    killers: [suite(`${TESTS}/codec.test.ts`, "never throws on what the codec can read")],
  },
  {
    id: "flush-forgets-a-session",
    trap: 39,
    what: "A flush whose mark says that it has all of an entry leaves a changed session out.",
    edits: [
      queue(
        "flush.ts",
        "for (const { record } of s.dirtySessions) {",
        "for (const { record } of [...s.dirtySessions].slice(1)) {",
      ),
    ],
    killers: [SIMULATOR, transcript("restart")],
  },
  {
    id: "one-overlay",
    trap: 39,
    what: "A completed flush drops what changed while it was written, too.",
    edits: [
      queue(
        "overlay.ts",
        '"no flush is under way");\n    this.#flushing = undefined;',
        '"no flush is under way");\n    this.#flushing = undefined;\n    this.#dirty.clear();',
      ),
    ],
    killers: [SIMULATOR, suite(`${TESTS}/store.test.ts`, "what is being written stays readable")],
  },
  {
    id: "flush-hides-what-it-writes",
    trap: 39,
    what: "What a flush is writing cannot be read before it is on the disk.",
    edits: [
      queue(
        "overlay.ts",
        "return this.#dirty.get(text) ?? this.#flushing?.get(text);",
        "return this.#dirty.get(text);",
      ),
    ],
    killers: [SIMULATOR, suite(`${TESTS}/store.test.ts`, "what is being written stays readable")],
  },
  {
    id: "lapse-not-compared",
    trap: 41,
    what: "A lapse takes effect though the session was renewed after it was proposed.",
    edits: [
      queue(
        "commands/lapse.ts",
        "if (record.renewals !== renewals || record.deadline > s.clock) return RENEWED;",
        "if (record.renewals < renewals) return RENEWED;",
      ),
    ],
    killers: [SIMULATOR, transcript("lapse")],
  },
  {
    id: "any-token-will-do",
    trap: 41,
    what: "A report is taken for any run of the task that is under way, whatever its token.",
    edits: [
      queue(
        "answers.ts",
        "return slot !== NONE && token > 0 && s.table.token[slot] === token ? slot : NONE;",
        "return slot !== NONE && token > 0 && s.table.token[slot]! > 0 ? slot : NONE;",
      ),
    ],
    killers: [SIMULATOR, transcript("retries")],
  },
  {
    id: "office-extends-nothing",
    trap: 42,
    what: "A new leader gives the sessions no time for the heartbeats that were lost before it.",
    edits: [
      queue(
        "commands/take-office.ts",
        "s.sessions.setDeadline(session, Math.max(session.record.deadline, until));",
        "s.sessions.setDeadline(session, session.record.deadline);",
      ),
    ],
    killers: [SIMULATOR, transcript("take-office")],
  },
  {
    id: "numbers-of-32-bits-in-records",
    trap: 49,
    what: "Times and indexes lose their upper bits in entries and records.",
    edits: [
      queue(
        "codec/writer.ts",
        "        rest = Math.floor(rest / 128);",
        "        rest = (rest / 128) >>> 0;",
      ),
    ],
    killers: [suite(`${TESTS}/codec.test.ts`, "round")],
  },
  {
    id: "lease-in-seconds",
    trap: 50,
    what: "A lease given in milliseconds is cut to whole seconds, and used as milliseconds.",
    edits: [
      queue(
        "commands/register.ts",
        "    deadline: s.after(command.leaseMs),\n    renewals: 0,",
        "    deadline: s.after(Math.floor(command.leaseMs / 1000)),\n    renewals: 0,",
      ),
    ],
    killers: [SIMULATOR, transcript("lapse")],
  },
  {
    id: "clock-runs-back",
    trap: 51,
    what: "The cluster's time is what the newest entry says, even if that is earlier.",
    edits: [
      queue(
        "machine.ts",
        "s.clock = Math.max(s.clock, Math.min(batch.at, TIME_MAX));",
        "s.clock = Math.min(batch.at, TIME_MAX);",
      ),
    ],
    killers: [SIMULATOR, suite(`${TESTS}/views.test.ts`, "the clock never runs back")],
  },
];
