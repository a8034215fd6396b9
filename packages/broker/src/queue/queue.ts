/**
 * A queue: its counters, what an operator said of it, who of it may run now, and where its turns
 * stand. What is on record is in QueueRecord; the rest follows from its tasks.
 */
import type { QueueRecord } from "./codec/queue-record.ts";
import { Group } from "./group.ts";
import type { Lane } from "./lane.ts";
import { NONE } from "./live-table.ts";
import { DEFAULT_SETTINGS } from "./queue-settings.ts";
import { LIVE_STATES } from "./state-number.ts";
import { TASK_STATES } from "./task.ts";

/** A queue and its kept counters, one per state; finished tasks count until they are deleted. */
export class Queue implements QueueRecord {
  readonly name: string;
  readonly counts = new Float64Array(TASK_STATES.length);
  /** By type and required labels; see `laneName`. */
  readonly lanes = new Map<string, Lane>();
  settings = DEFAULT_SETTINGS;
  revision = 0;
  paused = false;
  draining = false;
  turn = 0;
  newcomer = true;
  groupTurn = 0;
  finishedBytes = 0;

  /** Groups with live tasks, by name. */
  readonly groups = new Map<string, Group>();
  /** Its tasks without a group, which take turns with the groups while there are any. */
  readonly ungrouped: Group;
  /** Running tasks. */
  running = 0;
  /** Lanes of which the groups' limits let something run, in no particular order. */
  readonly readyLanes: Lane[] = [];
  /** Position among the queues of which something can be leased now, or NONE. */
  readyAt = NONE;

  constructor(name: string) {
    this.name = name;
    this.ungrouped = new Group(this, "", NONE);
  }

  /** Tasks that are not finished. */
  get depth(): number {
    let depth = 0;
    for (const state of LIVE_STATES) depth += this.counts[state]!;
    return depth;
  }

  /** Tasks that may begin to run now. */
  get room(): number {
    if (this.paused) return 0;
    const { concurrency } = this.settings;
    return concurrency === 0 ? Number.POSITIVE_INFINITY : Math.max(0, concurrency - this.running);
  }
}
