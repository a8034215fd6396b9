/**
 * A group: the tasks of one queue that were submitted on somebody's behalf. It is known while it
 * has live tasks. Its turn says when it is served next among the groups of its queue, see
 * `turns.ts`; its limit says how many of its tasks may run at one time.
 */

import type { Line } from "./line.ts";
import { NONE } from "./live-table.ts";
import type { Queue } from "./queue.ts";
import type { QueueSettings } from "./queue-settings.ts";

export class Group {
  readonly queue: Queue;
  /** Empty: the tasks without a group. */
  readonly name: string;
  /** Local to a replica; NONE for the tasks without a group. */
  readonly number: number;
  turn = 0;
  /** No lease has looked at it since some of its tasks may begin; see `newcomers.ts`. */
  newcomer = true;
  /** Lines of which its limit lets something begin. */
  openLines = 0;
  /** Live tasks, and those of them that run. Not counted for the tasks without a group. */
  live = 0;
  running = 0;
  /** The store may hold a record of its turn. */
  isStored = false;
  /** Where its pending tasks stand, by number of the lane. */
  readonly lines = new Map<number, Line>();

  constructor(queue: Queue, name: string, number: number) {
    this.queue = queue;
    this.name = name;
    this.number = number;
  }

  /** Tasks that may begin to run now, as far as the group's own limit goes. */
  get room(): number {
    const { groupConcurrency } = this.queue.settings;
    if (groupConcurrency === 0 || this.number === NONE) return Number.POSITIVE_INFINITY;
    return Math.max(0, groupConcurrency - this.running);
  }

  get weight(): number {
    return groupWeight(this.queue.settings, this.name);
  }
}

function groupWeight({ groupWeights }: QueueSettings, name: string): number {
  let from = 0;
  let to = groupWeights.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (groupWeights[middle]!.group < name) from = middle + 1;
    else to = middle;
  }
  const found = groupWeights[from];
  return found?.group === name ? found.weight : 1;
}
