/**
 * The grouped part of a lane: one line for each group with pending tasks. Lines whose group may run
 * something stand in a heap by turn for each level of urgency, and climb as their first tasks age.
 *
 * Heaps are put in order only when somebody looks, since only then is the time known: a line that
 * changed is noted, and a group's turn, which only grows, is corrected when its line comes up. So
 * idle lanes cost nothing, and each look pays for the changes since the last one.
 */
import { assert } from "./assert.ts";
import type { Group } from "./group.ts";
import type { Lane } from "./lane.ts";
import { Line } from "./line.ts";
import { BY_AGE, BY_TURN, LineHeap } from "./line-heap.ts";
import { type LiveTable, NONE } from "./live-table.ts";
import type { ClusterTime } from "./task.ts";
import { PRIORITIES } from "./task.ts";

export class GroupLines {
  readonly lane: Lane;
  readonly #table: LiveTable;
  /** Changed since the last look. */
  readonly #changed = new Set<Line>();
  readonly #levels = PRIORITIES.map(() => new LineHeap(BY_TURN));
  /** Open lines of groups that have no place among the others yet; see `newcomers.ts`. */
  readonly newcomers = new Set<Line>();
  /** Lines in a level that time alone will change. */
  readonly #aging = new LineHeap(BY_AGE);

  constructor(lane: Lane, table: LiveTable) {
    this.lane = lane;
    this.#table = table;
  }

  push(group: Group, slot: number): Line {
    const known = group.lines.get(this.lane.number);
    const line = known ?? new Line(this.lane, group, this.#table);
    if (known === undefined) group.lines.set(this.lane.number, line);
    line.push(slot);
    this.#changed.add(line);
    return line;
  }

  remove(group: Group, slot: number): Line {
    const line = group.lines.get(this.lane.number);
    assert(line !== undefined, "the group has no line in this lane");
    line.remove(slot);
    if (line.count > 0) {
      this.#changed.add(line);
      return line;
    }
    this.#takeOut(line);
    this.#changed.delete(line);
    group.lines.delete(this.lane.number);
    return line;
  }

  /** Its group may begin more or less, or stands elsewhere. */
  changed(line: Line): void {
    this.#changed.add(line);
  }

  /** The line that is next, as of `clock`; its head, level and turn are right. */
  look(clock: ClusterTime): Line | undefined {
    this.#settleAll(clock);
    for (let level = PRIORITIES.length - 1; level >= 0; level--) {
      const line = this.#topOf(this.#levels[level]!);
      if (line !== undefined) return line;
    }
    return undefined;
  }

  /** The smallest turn of the lines that are no newcomers; Infinity = there are none. */
  leastTurn(clock: ClusterTime): number {
    this.#settleAll(clock);
    let least = Number.POSITIVE_INFINITY;
    for (const heap of this.#levels) least = Math.min(least, this.#topOf(heap)?.turn ?? least);
    return least;
  }

  #settleAll(clock: ClusterTime): void {
    for (const line of this.#changed) this.#settle(line, clock);
    this.#changed.clear();
    for (;;) {
      const aged = this.#aging.top;
      if (aged === undefined || aged.agesAt > clock) return;
      this.#settle(aged, clock);
    }
  }

  #topOf(heap: LineHeap): Line | undefined {
    for (;;) {
      const line = heap.top;
      if (line === undefined || line.turn === line.group.turn) return line;
      line.turn = line.group.turn;
      heap.sank(line);
    }
  }

  #settle(line: Line, clock: ClusterTime): void {
    this.#takeOut(line);
    if (line.open === 0) return;
    if (line.group.newcomer) {
      this.newcomers.add(line);
      return;
    }
    line.look(clock);
    line.turn = line.group.turn;
    this.#levels[line.level]!.push(line);
    if (line.agesAt < Number.POSITIVE_INFINITY) this.#aging.push(line);
  }

  #takeOut(line: Line): void {
    this.newcomers.delete(line);
    if (line.levelAt !== NONE) this.#levels[line.level]!.remove(line);
    if (line.agingAt !== NONE) this.#aging.remove(line);
  }
}
