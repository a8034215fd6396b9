/**
 * The tasks around one: what it depends on, and what that depends on; what depends on it, and on
 * that, whether it still waits or has ended. Each task stands in it once, the nearest first; what
 * has been deleted is named as that. It is no picture of one instant: tasks go on meanwhile.
 */
import { formatTaskId, type GraphJson, type GraphNodeJson, TqError } from "task-queue-protocol";
import type { TaskId } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { idToFind } from "./ids.ts";
import { GRAPH_LINKS_MAX, GRAPH_NODES_MAX, GRAPH_STEPS_MAX } from "./limits.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";

export async function readGraph(
  broker: Broker,
  id: unknown,
  read: ReadOptions,
): Promise<Answer<GraphJson>> {
  const taskId = idToFind(id);
  const index = await barrier(broker, read);
  const walk = new Walk(broker);
  let above = await walk.visit([taskId], 0);
  let below = above;
  if (walk.nodes[0]?.state === "deleted") {
    throw new TqError("not_found", "there is no task with this id", { field: "id" });
  }
  for (let steps = 1; above.length > 0 || below.length > 0; steps++) {
    above = await walk.visit(
      above.flatMap(({ parents }) => parents),
      -steps,
    );
    below = await walk.visit(await walk.childrenOf(below), steps);
  }
  const { nodes, truncated } = walk;
  return { value: { id: formatTaskId(taskId), nodes, truncated }, index };
}

/** Where a walk goes on from. */
interface Step {
  readonly id: TaskId;
  readonly parents: readonly TaskId[];
}

class Walk {
  readonly nodes: GraphNodeJson[] = [];
  truncated = false;
  readonly #broker: Broker;
  readonly #seen = new Set<string>();
  #links = 0;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Adds those that are new; they are what the walk goes on from. */
  async visit(ids: readonly TaskId[], distance: number): Promise<readonly Step[]> {
    const added: Step[] = [];
    for (const id of ids) {
      const text = formatTaskId(id);
      if (this.#seen.has(text)) continue;
      if (this.#room === 0 || Math.abs(distance) > GRAPH_STEPS_MAX) {
        this.truncated = true;
        break;
      }
      this.#seen.add(text);
      added.push({ id, parents: await this.#add(id, text, distance) });
    }
    return added;
  }

  /**
   * Those that are new: all of them, or more than there is room for. Of one task it takes so many
   * that not all of them can have been seen.
   */
  async childrenOf(steps: readonly Step[]): Promise<readonly TaskId[]> {
    const children = new Map<string, TaskId>();
    for (const { id } of steps) {
      for (const child of await this.#broker.children(id, GRAPH_NODES_MAX + 1)) {
        const text = formatTaskId(child);
        if (!this.#seen.has(text)) children.set(text, child);
      }
      if (children.size > this.#room) break;
    }
    return [...children.values()];
  }

  get #room(): number {
    return GRAPH_NODES_MAX - this.nodes.length;
  }

  /** Its parents, as far as there is room for them. */
  async #add(id: TaskId, text: string, distance: number): Promise<readonly TaskId[]> {
    const node = await this.#broker.graphNode(id);
    if (node === undefined) {
      this.nodes.push({ id: text, state: "deleted", depends_on: [], distance });
      return [];
    }
    const { state, type, queue, dependsOn } = node;
    const parents = dependsOn.slice(0, GRAPH_LINKS_MAX - this.#links);
    if (parents.length < dependsOn.length) this.truncated = true;
    this.#links += parents.length;
    const depends_on = parents.map(formatTaskId);
    this.nodes.push({ id: text, state, type, queue, depends_on, distance });
    return parents;
  }
}
