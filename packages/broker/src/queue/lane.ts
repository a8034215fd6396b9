/**
 * A lane: queue, type and required labels. It is the finest thing a worker can be offered or not,
 * so pending tasks wait by lane, and a lease looks only at the lanes that have some. Lane numbers
 * are local to a replica and never reach a record or a reply.
 */
import type { ReadyEvent } from "./event.ts";
import { GroupLines } from "./group-lines.ts";
import { Line } from "./line.ts";
import { type LiveTable, NONE } from "./live-table.ts";
import type { Queue } from "./queue.ts";
import type { ClusterTime } from "./task.ts";

/** What tells the lanes of a queue apart. */
export interface LaneKind {
  readonly type: string;
  readonly requires: readonly string[];
}

/** Under which a queue finds its lane. Neither types nor labels contain a zero. */
export function laneName({ type, requires }: LaneKind): string {
  return requires.length === 0 ? type : `${type}\0${requires.join("\0")}`;
}

export class Lane {
  readonly number: number;
  readonly queue: Queue;
  readonly type: string;
  /** Labels that a worker must have; sorted. */
  readonly requires: readonly string[];
  /** One object for all: a million tasks that become ready make no garbage. */
  readonly readyEvent: ReadyEvent;
  /** Live tasks, whatever their state. */
  live = 0;
  /** Pending tasks that the limits of their groups let begin now, each limit taken by itself. */
  readyCount = 0;
  /** Position among the queue's lanes with such tasks, or NONE. */
  readyAt = NONE;
  /** Pending tasks without a group. */
  readonly plain: Line;

  /** As `look` has found it: the next task, or NONE; its urgency, its group's turn, its place. */
  head = NONE;
  level = 0;
  turn = 0;
  order = 0;

  readonly #table: LiveTable;
  #grouped: GroupLines | undefined;

  constructor(number: number, queue: Queue, kind: LaneKind, table: LiveTable) {
    this.number = number;
    this.queue = queue;
    this.type = kind.type;
    this.requires = kind.requires;
    this.readyEvent = { type: "ready", lane: number };
    this.plain = new Line(this, queue.ungrouped, table);
    this.#table = table;
  }

  /** Pending tasks of groups; made when the first of them comes. */
  get grouped(): GroupLines {
    this.#grouped ??= new GroupLines(this, this.#table);
    return this.#grouped;
  }

  /** Whether something here is of newcomers; `grouped` must have been settled. */
  get hasNewcomers(): boolean {
    if (this.plain.count > 0 && this.queue.ungrouped.newcomer) return true;
    return this.#grouped !== undefined && this.#grouped.newcomers.size > 0;
  }

  /** Lines of groups that no lease has looked at; `grouped` must have been settled. */
  get newcomers(): Iterable<Line> {
    return this.#grouped?.newcomers ?? [];
  }

  /** The smallest turn of a group that has something here and is no newcomer; Infinity = none. */
  leastTurn(clock: ClusterTime): number {
    const { ungrouped } = this.queue;
    const isPlain = this.plain.count > 0 && !ungrouped.newcomer;
    const least = this.#grouped?.leastTurn(clock) ?? Number.POSITIVE_INFINITY;
    return isPlain ? Math.min(least, ungrouped.turn) : least;
  }

  /**
   * Finds the next task as of `clock` (0 = nothing ages): the most urgent, then the one whose
   * group's turn it is, then the earliest in line.
   */
  look(clock: ClusterTime): void {
    const { plain, queue } = this;
    plain.look(clock);
    this.head = plain.head;
    this.level = plain.level;
    this.turn = queue.ungrouped.turn;
    this.order = plain.order;
    const line = this.#grouped?.look(clock);
    if (line === undefined || (this.head !== NONE && this.#goesBefore(line))) return;
    this.head = line.head;
    this.level = line.level;
    this.turn = line.turn;
    this.order = line.order;
  }

  /** What was found goes before the head of this line. */
  #goesBefore(line: Line): boolean {
    if (this.level !== line.level) return this.level > line.level;
    return this.turn !== line.turn ? this.turn < line.turn : this.order < line.order;
  }
}
