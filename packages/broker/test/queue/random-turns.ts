/** Random settings, groups and labels, for the model test. */
import { DEFAULT_SETTINGS } from "../../src/queue/queue-settings.ts";
import type { TaskContent } from "../../src/queue/task.ts";
import type { CommandMaker, ContentMaker } from "./random-later.ts";

const GROUPS = ["", "ada", "bob", "cy"];
/** Queues of the tasks, so that there are ways round, and one that nobody submits to. */
const DEAD_LETTERS = ["", "a", "b", "letters"];
export const LABELS = ["gpu=1", "zone=b"];

export const someConfigure: CommandMaker = ({ queues }, { a, b, c }) => ({
  type: "configureQueue",
  // Now and then one that no task is in.
  queue: a % 9 === 0 ? "empty" : queues[a % queues.length]!,
  ...(b % 7 < 2 ? { ifRevision: b % 5 } : {}),
  ...(c % 4 === 0 ? { paused: c % 3 === 0 } : {}),
  ...(c % 6 === 1 ? { draining: b % 2 === 0 } : {}),
  ...(c % 5 > 1
    ? {
        settings: {
          ...DEFAULT_SETTINGS,
          concurrency: b % 3 === 0 ? 0 : b % 4,
          deadLetterQueue: DEAD_LETTERS[(a + b) % DEAD_LETTERS.length]!,
          groupConcurrency: a % 3 === 0 ? 0 : a % 4,
          weight: 1 + (b % 3) * 3,
          groupWeights: [
            { group: "ada", weight: 1 + (c % 3) },
            { group: "bob", weight: 1 + (b % 5) },
          ],
        },
      }
    : {}),
});

/** Everything may run again. */
export const someReset: CommandMaker = ({ queues }, { a }) => ({
  type: "configureQueue",
  queue: queues[a % queues.length]!,
  paused: false,
  draining: false,
  settings: DEFAULT_SETTINGS,
});

export const someDeleteQueue: CommandMaker = ({ queues }, { a, b, c }) => ({
  type: "deleteQueue",
  queue: a % 2 === 0 ? "empty" : queues[a % queues.length]!,
  ...(b % 3 === 0 ? { ifRevision: c % 5 } : {}),
});

/** New tasks come mostly in groups, so that there are some to choose from. */
export const someGroup: ContentMaker = (_, dice): Partial<TaskContent> => ({
  group: GROUPS[dice % GROUPS.length]!,
  requires: dice % 7 === 0 ? LABELS.slice(dice % 2) : [],
});
