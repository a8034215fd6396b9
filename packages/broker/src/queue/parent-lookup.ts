/**
 * Finding the parents of tasks that are about to be made. A parent is there before its child, so
 * there are no cycles: it is live, has ended, or comes earlier in the same batch.
 *
 * One lookup serves a whole command, whose reads it bounds: each ended parent is read once.
 */
import { refuse } from "./answers.ts";
import type { NewTask } from "./command.ts";
import { keyText } from "./keys.ts";
import { CHILDREN_MAX, LINKS_MAX, LINKS_PER_COMMAND_MAX, PARENT_READS_MAX } from "./limits.ts";
import { NONE } from "./live-table.ts";
import { findFinished, sameBytes } from "./lookup.ts";
import type { Refused } from "./reply.ts";
import type { QueueState } from "./state.ts";
import { COMPLETED } from "./state-number.ts";
import type { TaskContent, TaskId } from "./task.ts";
import { uuidText } from "./uuid-text.ts";

const ITSELF = refuse("invalid_request", "A task cannot wait for itself.");
const TOO_MANY_NAMED = refuse(
  "invalid_request",
  `Tasks that are made together may name ${LINKS_PER_COMMAND_MAX} parents in all; send fewer.`,
);
const TOO_MANY_READS = refuse(
  "overloaded",
  `More than ${PARENT_READS_MAX} parents have ended since this was sent; send it again.`,
);
const TOO_MANY_CHILDREN = refuse(
  "overloaded",
  `${CHILDREN_MAX} tasks wait for one of the parents already; try again when it has ended.`,
);
const TOO_MANY_LINKS = refuse(
  "overloaded",
  `Blocked tasks wait for ${LINKS_MAX} parents in all already; try again later.`,
);

export class ParentLookup {
  /** Tasks that the command makes before the one that is looked at. */
  readonly #made = new Set<string>();
  /** Parents found to have ended, and how. */
  readonly #ended = new Map<string, number>();
  /** Children that the command adds to live tasks, by their slots. */
  readonly #children = new Map<number, number>();
  #named = 0;
  #links = 0;
  #reads = 0;

  /** The command will make this task: later ones may depend on it. */
  willMake(id: TaskId): void {
    this.#made.add(keyText(id));
  }

  /** The command completes this task: its children do not wait for it. */
  completes(id: TaskId): void {
    this.#ended.set(keyText(id), COMPLETED);
  }

  makes(id: TaskId): boolean {
    return this.#made.size > 0 && this.#made.has(keyText(id));
  }

  hasCompleted(id: TaskId): boolean {
    return this.#ended.size > 0 && this.#ended.get(keyText(id)) === COMPLETED;
  }

  /** How it has ended, as far as it was looked up. */
  endOf(id: TaskId): number | undefined {
    return this.#ended.get(keyText(id));
  }

  hasEnded(id: TaskId, state: number): void {
    this.#ended.set(keyText(id), state);
  }

  /** Counts the parents that a task of the command names; false = there are too many. */
  countNamed(count: number): boolean {
    this.#named += count;
    return this.#named <= LINKS_PER_COMMAND_MAX;
  }

  /** Counts a read of the store; false = there have been too many. */
  countRead(): boolean {
    return this.#reads++ < PARENT_READS_MAX;
  }

  /**
   * Counts a child that is to wait for the task in `slot`, or for one that is yet to be made; the
   * refusal if there are too many.
   */
  addChild(s: QueueState, slot: number): Refused | undefined {
    if (s.links.size + ++this.#links > LINKS_MAX) return TOO_MANY_LINKS;
    if (slot === NONE) return undefined;
    const added = (this.#children.get(slot) ?? 0) + 1;
    this.#children.set(slot, added);
    return s.table.childCount[slot]! + added > CHILDREN_MAX ? TOO_MANY_CHILDREN : undefined;
  }
}

/** Why this task cannot be made as far as its parents are concerned. Changes nothing. */
export function checkParents(
  s: QueueState,
  { id, content, ended }: NewTask,
  lookup: ParentLookup,
): Refused | undefined {
  if (!lookup.countNamed(content.dependsOn.length)) return TOO_MANY_NAMED;
  const known = new Set(ended);
  const seen = new Set<string>();
  let isDoomed = false;
  for (const [at, parent] of content.dependsOn.entries()) {
    if (sameBytes(parent, id)) return ITSELF;
    const text = keyText(parent);
    if (known.has(at) || seen.has(text)) continue;
    seen.add(text);
    const slot = lookup.hasCompleted(parent) ? NONE : s.table.find(parent);
    if (slot !== NONE || lookup.makes(parent)) {
      const refusal = lookup.addChild(s, slot);
      if (refusal !== undefined) return refusal;
    } else if (!isDoomed) {
      const found = find(s, parent, lookup);
      if (typeof found !== "number") return found;
      isDoomed = endsBadly(content, found);
    }
  }
  return undefined;
}

function find(s: QueueState, parent: TaskId, lookup: ParentLookup): number | Refused {
  const known = lookup.endOf(parent);
  if (known !== undefined) return known;
  if (!lookup.countRead()) return TOO_MANY_READS;
  const finished = findFinished(s, parent);
  if (finished === undefined) {
    return refuse(
      "not_found",
      `There is no task ${uuidText(parent)} that this one could wait for.`,
    );
  }
  lookup.hasEnded(parent, finished.state);
  return finished.state;
}

function endsBadly(content: TaskContent, state: number): boolean {
  return state !== COMPLETED && content.onParentFailure !== "continue";
}
