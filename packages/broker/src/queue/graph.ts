/**
 * The graph around one task: what it depends on, and what that depends on; and what depends on it.
 * Ancestors are found through their contents, descendants as far as they still wait. Children that
 * wait no more are in the store only: whoever wants them scans `childrenRange` of a node, lays
 * `historyOverlay` over it, and asks for the node of each.
 */
import { decodeContent } from "./codec/content.ts";
import { keyText } from "./keys.ts";
import { GRAPH_NODES_MAX } from "./limits.ts";
import { NONE } from "./live-table.ts";
import { findFinished, finishedContent, liveContent } from "./lookup.ts";
import type { QueueState } from "./state.ts";
import { stateName } from "./state-number.ts";
import type { TaskId } from "./task.ts";
import type { GraphNode, TaskGraph } from "./view.ts";

/**
 * The task, then its parents and waiting children, then theirs, up to `limit` nodes (1,000 at
 * most); undefined = there is no such task.
 */
export function graphOf(s: QueueState, id: TaskId, limit: number): TaskGraph | undefined {
  const root = graphNode(s, id);
  if (root === undefined) return undefined;
  const walk = new Walk(s, root, Math.min(limit, GRAPH_NODES_MAX));
  let above = [root];
  let below = [root];
  while (above.length > 0 || below.length > 0) {
    above = above.flatMap((node) => walk.visit(node.dependsOn));
    below = below.flatMap((node) => walk.visit(waitingChildren(s, node.id, walk.room + 1)));
  }
  return { nodes: walk.nodes, isWhole: walk.isWhole };
}

/** One task as a node; undefined = there is nothing left of it. */
export function graphNode(s: QueueState, id: TaskId): GraphNode | undefined {
  const slot = s.table.find(id);
  if (slot !== NONE) {
    const { type, queue } = s.lanes.laneOf(slot);
    const state = stateName(s.table.state[slot]!);
    const { dependsOn } = decodeContent(liveContent(s, slot));
    return { id: id.slice(), state, type, queue: queue.name, dependsOn };
  }
  const finished = findFinished(s, id);
  if (finished === undefined) return undefined;
  const { type, queue } = finished;
  const { dependsOn } = decodeContent(finishedContent(s, id, finished));
  return { id: id.slice(), state: stateName(finished.state), type, queue, dependsOn };
}

/** Each node once, and no more than there is room for. */
class Walk {
  readonly nodes: GraphNode[];
  isWhole = true;
  readonly #s: QueueState;
  readonly #limit: number;
  readonly #seen: Set<string>;

  constructor(s: QueueState, root: GraphNode, limit: number) {
    this.#s = s;
    this.#limit = limit;
    this.#seen = new Set([keyText(root.id)]);
    this.nodes = [root];
  }

  get room(): number {
    return this.#limit - this.nodes.length;
  }

  /** Adds those that are new; what has been deleted is passed over. */
  visit(ids: readonly TaskId[]): GraphNode[] {
    const added: GraphNode[] = [];
    for (const id of ids) {
      const text = keyText(id);
      if (this.#seen.has(text)) continue;
      if (this.room <= 0) {
        this.isWhole = false;
        return added;
      }
      this.#seen.add(text);
      const node = graphNode(this.#s, id);
      if (node === undefined) continue;
      this.nodes.push(node);
      added.push(node);
    }
    return added;
  }
}

/** In the order of their submits; up to `max`. */
function waitingChildren(s: QueueState, id: TaskId, max: number): TaskId[] {
  const { table, links } = s;
  const slot = table.find(id);
  const children: TaskId[] = [];
  if (slot === NONE) return children;
  for (let link = table.firstChild[slot]!; link !== NONE; link = links.nextChild[link]!) {
    if (children.length === max) break;
    children.push(table.id(links.child[link]!));
  }
  return children;
}
