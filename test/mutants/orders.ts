/** Mutants of the whole task model: unique keys, limits, dead letters, children, jobs. */
import { type Mutant, type SimulationKiller, suite } from "./mutant.ts";
import { patchIn } from "./patch.ts";

const queue = patchIn("packages/broker/src/queue");
const TESTS = "packages/broker/test/queue";
/** Where all of this happens often. */
const MANY_ORDERS: SimulationKiller = { kind: "simulation", profile: "orders" };

function transcript(name: string) {
  return suite(`${TESTS}/transcripts.test.ts`, name);
}

export const ORDERS: readonly Mutant[] = [
  {
    id: "unique-key-by-time-alone",
    trap: 56,
    what: "A unique key is free when its time is over, though the task that has it is not.",
    edits: [
      queue(
        "unique.ts",
        "if (!isHeld && until <= s.clock) return undefined;\n  if (slot",
        "if (until <= s.clock) return undefined;\n  if (slot",
      ),
    ],
    killers: [MANY_ORDERS, transcript("unique")],
  },
  {
    id: "unique-key-lost-by-a-restart-by-hand",
    trap: 56,
    what: "A task that is started again takes its key from whoever has it by now.",
    edits: [
      queue(
        "unique.ts",
        "if (findHolder(s, queue, unique.key, NONE) !== undefined) return UNIQUE_TAKEN;",
        "if (s.clock < 0) return UNIQUE_TAKEN;",
      ),
    ],
    killers: [MANY_ORDERS],
  },
  {
    id: "runs-forgotten-at-a-start",
    trap: 57,
    what: "After a restart the runs under way do not count towards the limits.",
    edits: [
      queue(
        "load.ts",
        "      s.lanes.countRun(slot, 1);\n",
        "      if (slot < 0) s.lanes.countRun(slot, 1);\n",
      ),
    ],
    killers: [MANY_ORDERS],
  },
  {
    id: "group-limit-one-too-many",
    trap: 57,
    what: "Of a group one task more runs than its limit says.",
    edits: [
      queue(
        "group.ts",
        "return Math.max(0, groupConcurrency - this.running);",
        "return Math.max(0, groupConcurrency + 1 - this.running);",
      ),
    ],
    killers: [MANY_ORDERS],
  },
  {
    id: "drained-queue-fills",
    trap: 57,
    what: "A queue that drains goes on taking in tasks.",
    edits: [queue("admission.ts", "    return DRAINING;\n", "    void DRAINING;\n")],
    killers: [MANY_ORDERS],
  },
  {
    id: "dead-letters-go-round",
    trap: 58,
    what: "Where dead letter queues lead back to the first, a task goes round for ever.",
    edits: [
      queue(
        "dead-letters.ts",
        "if (name === from.name || seen.length === DEAD_LETTER_HOPS_MAX) return true;",
        "if (seen.length === DEAD_LETTER_HOPS_MAX) return true;",
      ),
    ],
    killers: [MANY_ORDERS, transcript("dead-letters")],
  },
  {
    id: "dead-letter-without-retries",
    trap: 58,
    what: "A dead letter goes on with its retries used up, and is dead after one run.",
    edits: [
      queue(
        "dead-letters.ts",
        "  table.failures[slot] = 0;\n  table.deliveries[slot] = 0;\n",
        "  table.deliveries[slot] = 0;\n",
      ),
    ],
    killers: [MANY_ORDERS, transcript("dead-letters")],
  },
  {
    id: "result-without-its-children",
    trap: 59,
    what: "A result whose children are refused is kept all the same: the children are lost.",
    edits: [
      queue(
        "commands/complete.ts",
        '  if ("code" in verdicts) return verdicts;\n  finish(s, slot, {\n',
        '  if ("code" in verdicts) {\n' +
          '    const run = { final: endRun(s, slot, "completed"), error: undefined };\n' +
          "    finish(s, slot, { ...run, state: COMPLETED, at: s.clock, result: undefined });\n" +
          "    return verdicts;\n  }\n  finish(s, slot, {\n",
      ),
    ],
    killers: [MANY_ORDERS, suite(`${TESTS}/submission.test.ts`)],
  },
  {
    id: "children-lost-in-a-full-queue",
    trap: 59,
    what: "The place of the task that ends with its children is not counted in.",
    edits: [
      queue(
        "plan.ts",
        "this.#depths.set(s.lanes.laneOf(ending).queue.name, -1);",
        "this.#depths.set(s.lanes.laneOf(ending).queue.name, 0);",
      ),
    ],
    killers: [MANY_ORDERS],
  },
  {
    id: "step-of-a-job-twice",
    trap: 60,
    what: "A step that a deposed leader had proposed is taken again after the next leader's.",
    edits: [
      queue(
        "commands/step-job.ts",
        "  if (step < job.steps) return DONE_BEFORE;\n",
        "  if (step < 0) return DONE_BEFORE;\n",
      ),
    ],
    killers: [MANY_ORDERS],
  },
  {
    id: "retention-without-a-second-look",
    trap: 60,
    what: "Retention takes what it had found, though the task was started again and ended anew.",
    edits: [
      queue(
        "commands/expunge.ts",
        "if (record === undefined || record.at !== finishedAt) continue;",
        "if (record === undefined || finishedAt < 0) continue;",
      ),
    ],
    killers: [MANY_ORDERS],
  },
];
