/** What tasks may have since version 3: groups, expiry, unique keys, labels, parents. */
import {
  type NewTask,
  PARENT_FAILURES,
  type Submit,
  type TaskContent,
  type TaskId,
  UNIQUE_CONFLICTS,
} from "../../../packages/broker/src/queue/index.ts";
import type { Random } from "../random.ts";

export const LABELS = ["gpu=1", "zone=b"];
export const GROUPS = ["ada", "bob", "cy"];
export const UNIQUE_KEYS = ["only-1", "only-2", "only-3"];
const PARENTS_MAX = 3;

/** `parents`: tasks that it may wait for. */
export function extrasOf(
  random: Random,
  parents: readonly TaskId[],
  wallMs: number,
): Partial<TaskContent> {
  const kind = random.weighted({ group: 3, expiry: 2, unique: 2, labels: 1, parents: 4 });
  switch (kind) {
    case "group":
      return { group: random.pick(GROUPS) };
    case "expiry":
      return random.chance(0.3)
        ? { expiresAt: wallMs + random.whole(-500, 4000) }
        : { expiresInMs: random.whole(1, 4000) };
    case "unique":
      return { unique: someUnique(random), group: random.pick(["", ...GROUPS]) };
    case "labels":
      return { requires: [random.pick(LABELS)] };
    case "parents":
      return someParents(random, parents);
  }
}

/** A diamond: one task, two that wait for it, and one that waits for these. */
export function diamondOf(random: Random, four: readonly Submit[]): readonly NewTask[] {
  const tasks = four.map(({ type: _, ...task }) => task);
  const [top, left, right, bottom] = tasks.map(({ id }) => id);
  const parents = [[], [top!], [top!], [left!, right!]];
  return [top, left, right, bottom].map((_, at) => {
    const task = tasks[at]!;
    const onParentFailure = random.pick(PARENT_FAILURES);
    const ties = { dependsOn: parents[at]!, onParentFailure, idempotencyKey: "" };
    return { ...task, content: { ...task.content, ...ties, unique: undefined } };
  });
}

/**
 * What a task begins with its result: they may wait for it, or for each other, and one may want the
 * unique key that it has. They have no keys that would make them copies of something else.
 */
export function childrenOf(random: Random, parent: TaskId, tasks: readonly Submit[]): NewTask[] {
  return tasks.map(({ type: _, ...task }, at) => {
    const before = tasks.slice(0, at).map(({ id }) => id);
    const dependsOn = random.chance(0.5) ? [random.pick([parent, ...before])] : [];
    const { unique } = task.content;
    const content = {
      ...task.content,
      idempotencyKey: "",
      unique: unique === undefined ? undefined : ({ ...unique, onConflict: "reject" } as const),
      dependsOn,
    };
    return { ...task, content };
  });
}

function someUnique(random: Random): NonNullable<TaskContent["unique"]> {
  const key = random.pick(UNIQUE_KEYS);
  const forMs = random.chance(0.3) ? random.whole(1, 5000) : 0;
  return { key, forMs, onConflict: random.pick(UNIQUE_CONFLICTS) };
}

function someParents(random: Random, parents: readonly TaskId[]): Partial<TaskContent> {
  if (parents.length === 0) return {};
  const count = random.whole(1, PARENTS_MAX);
  const dependsOn = Array.from({ length: count }, () => random.pick(parents));
  return { dependsOn: [...new Set(dependsOn)], onParentFailure: random.pick(PARENT_FAILURES) };
}
