/**
 * Which parents of new tasks this node knows to have completed. Nothing undoes that, so it is told
 * to the machine with the tasks: it need not look them up, on every node, while it applies.
 */
import type { TaskContent, TaskId } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { PARENT_LOOKUPS_MAX } from "./limits.ts";

const NONE: { readonly ended?: readonly number[] } = Object.freeze({});

/** One of these for each request, whose lookups it bounds. */
export class EndedParents {
  readonly #broker: Broker;
  readonly #known = new Map<string, boolean>();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Positions in `dependsOn`, as a part of the new task. */
  of({ dependsOn }: TaskContent): { readonly ended?: readonly number[] } {
    if (dependsOn.length === 0) return NONE;
    const ended: number[] = [];
    for (const [position, parent] of dependsOn.entries()) {
      if (this.#hasCompleted(parent)) ended.push(position);
    }
    return ended.length === 0 ? NONE : { ended };
  }

  #hasCompleted(id: TaskId): boolean {
    const text = Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= PARENT_LOOKUPS_MAX) return false;
    const completed = this.#broker.hasCompleted(id);
    this.#known.set(text, completed);
    return completed;
  }
}
