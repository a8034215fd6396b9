/**
 * In which order the pending tasks that a session may have are granted. Two heaps, of queues and of
 * the lanes of each, so that a grant costs O(log queues + log lanes).
 *
 * Until version 3: the most urgent first, then by place in line. Since then urgency grows with the
 * wait, and between equally urgent tasks turns decide; see `turns.ts`.
 *
 * A grant moves a turn on, and so makes other lanes of that group and queue come later, never
 * earlier: what a heap has sorted by may be out of date, but only in this direction, and is looked
 * at again when it comes up.
 */
import type { Lane } from "./lane.ts";
import { NONE } from "./live-table.ts";
import { limitLag, placeGroups, placeQueues } from "./newcomers.ts";
import type { Queue } from "./queue.ts";
import type { Session } from "./sessions.ts";
import type { QueueState } from "./state.ts";
import type { ClusterTime } from "./task.ts";
import { keepTurnsSmall } from "./turns.ts";

interface Candidate {
  readonly queue: Queue;
  /** A heap. */
  readonly lanes: Lane[];
}

type IsBefore<T> = (one: T, other: T) => boolean;

export class LeaseOrder {
  readonly #candidates: Candidate[] = [];
  readonly #isBefore: IsBefore<Candidate>;
  readonly #clock: ClusterTime;

  constructor(s: QueueState, session: Session) {
    const byTurns = s.version >= 3;
    if (byTurns) keepTurnsSmall(s);
    this.#isBefore = byTurns ? queueIsBefore : queueWasBefore;
    this.#clock = byTurns ? s.clock : 0;
    for (const queue of s.lanes.ready) {
      const lanes = queue.readyLanes.filter((lane) => session.takes(queue.name, lane));
      if (lanes.length === 0) continue;
      if (byTurns) placeGroups(s, queue, lanes);
      for (const lane of lanes) lane.look(this.#clock);
      heapify(lanes, laneIsBefore);
      this.#candidates.push({ queue, lanes });
    }
    if (byTurns) {
      const queues = this.#candidates.map(({ queue }) => queue);
      placeQueues(s, queues);
      limitLag(s, queues);
    }
    heapify(this.#candidates, this.#isBefore);
  }

  /** The task to be granted next, or NONE. */
  get next(): number {
    const first = this.#candidates[0];
    return first === undefined ? NONE : first.lanes[0]!.head;
  }

  /** The task that was next has been granted, or has ended without being missed by another. */
  taken(): void {
    const { queue, lanes } = this.#candidates[0]!;
    if (queue.readyAt === NONE) lanes.length = 0;
    while (lanes.length > 0) {
      const lane = lanes[0]!;
      if (lane.readyCount === 0) {
        dropFirst(lanes, laneIsBefore);
        continue;
      }
      const { head, turn } = lane;
      lane.look(this.#clock);
      if (lane.head === head && lane.turn === turn) break;
      sink(lanes, 0, laneIsBefore);
    }
    if (lanes.length === 0) dropFirst(this.#candidates, this.#isBefore);
    else sink(this.#candidates, 0, this.#isBefore);
  }
}

/** Of the same queue. */
function laneIsBefore(lane: Lane, other: Lane): boolean {
  if (lane.level !== other.level) return lane.level > other.level;
  return lane.turn !== other.turn ? lane.turn < other.turn : lane.order < other.order;
}

function queueIsBefore(one: Candidate, other: Candidate): boolean {
  const level = one.lanes[0]!.level;
  const otherLevel = other.lanes[0]!.level;
  if (level !== otherLevel) return level > otherLevel;
  const { turn, name } = one.queue;
  return turn !== other.queue.turn ? turn < other.queue.turn : name < other.queue.name;
}

function queueWasBefore(one: Candidate, other: Candidate): boolean {
  return laneIsBefore(one.lanes[0]!, other.lanes[0]!);
}

function heapify<T>(heap: T[], isBefore: IsBefore<T>): void {
  for (let at = (heap.length >> 1) - 1; at >= 0; at--) sink(heap, at, isBefore);
}

function dropFirst<T>(heap: T[], isBefore: IsBefore<T>): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  heap[0] = last;
  sink(heap, 0, isBefore);
}

function sink<T>(heap: T[], from: number, isBefore: IsBefore<T>): void {
  let at = from;
  for (;;) {
    let below = at * 2 + 1;
    if (below >= heap.length) return;
    const right = below + 1;
    if (right < heap.length && isBefore(heap[right]!, heap[below]!)) below = right;
    const one = heap[at]!;
    const child = heap[below]!;
    if (!isBefore(child, one)) return;
    heap[at] = child;
    heap[below] = one;
    at = below;
  }
}
