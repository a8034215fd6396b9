/**
 * Who is to have what: pending tasks that one round of offers has promised to sessions, so that one
 * task does not send everybody after it.
 */
import type { Lane } from "./lane.ts";
import type { Queue } from "./queue.ts";

export class Claims {
  readonly #lanes = new Map<Lane, number>();
  readonly #queues = new Map<Queue, number>();

  /** How many tasks of this lane nobody has claimed yet, of those that limits let begin. */
  left(lane: Lane): number {
    const ofQueue = lane.queue.room - (this.#queues.get(lane.queue) ?? 0);
    return Math.max(0, Math.min(ofQueue, lane.readyCount - (this.#lanes.get(lane) ?? 0)));
  }

  take(lane: Lane, count: number): void {
    this.#lanes.set(lane, (this.#lanes.get(lane) ?? 0) + count);
    this.#queues.set(lane.queue, (this.#queues.get(lane.queue) ?? 0) + count);
  }
}
