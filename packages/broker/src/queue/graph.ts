/**
 * A task in the graph of dependencies. Who wants its children scans `childrenRange` of it, lays
 * `historyOverlay` over that, and asks for the node of each.
 */
import { decodeContent } from "./codec/content.ts";
import { NONE } from "./live-table.ts";
import { findFinished, finishedContent, liveContent } from "./lookup.ts";
import type { QueueState } from "./state.ts";
import { stateName } from "./state-number.ts";
import type { TaskId } from "./task.ts";
import type { GraphNode } from "./view.ts";

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
