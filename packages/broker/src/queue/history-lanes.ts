/**
 * Numbers for the pairs of queue and type that occur in the history, so that a block names each in
 * two bytes. A pair has its number while a block refers to it. Numbers are local to a replica;
 * how many pairs there are is not, so all replicas agree on when there is no more room.
 */
import { assert } from "./assert.ts";
import type { HistoryLane } from "./codec/history-records.ts";
import { HISTORY_LANES_MAX } from "./limits.ts";
import { NONE } from "./live-table.ts";

interface Known extends HistoryLane {
  readonly number: number;
  /** Blocks that refer to it. */
  blocks: number;
}

export class HistoryLanes {
  readonly #queues = new Map<string, Map<string, Known>>();
  readonly #known: (Known | undefined)[] = [];
  readonly #free: number[] = [];

  /** Pairs that some block refers to. */
  get size(): number {
    return this.#known.length - this.#free.length;
  }

  /** NONE when no block refers to this pair. */
  find(queue: string, type: string): number {
    return this.#queues.get(queue)?.get(type)?.number ?? NONE;
  }

  at(number: number): HistoryLane {
    return this.#get(number);
  }

  /** The numbers of all pairs with this queue and type; undefined = any. */
  matching(queue: string | undefined, type: string | undefined): Set<number> {
    const found = new Set<number>();
    for (const known of this.#known) {
      if (known === undefined || known.queue !== (queue ?? known.queue)) continue;
      if (known.type === (type ?? known.type)) found.add(known.number);
    }
    return found;
  }

  /** For one more block. NONE = there is no room for another pair. */
  take(queue: string, type: string): number {
    let types = this.#queues.get(queue);
    let known = types?.get(type);
    if (known === undefined) {
      if (this.size >= HISTORY_LANES_MAX) return NONE;
      const number = this.#free.pop() ?? this.#known.length;
      known = { queue, type, number, blocks: 0 };
      this.#known[number] = known;
      types ??= new Map();
      types.set(type, known);
      this.#queues.set(queue, types);
    }
    known.blocks++;
    return known.number;
  }

  /** One block less refers to it. */
  drop(number: number): void {
    const known = this.#get(number);
    if (--known.blocks > 0) return;
    this.#known[number] = undefined;
    this.#free.push(number);
    const types = this.#queues.get(known.queue)!;
    types.delete(known.type);
    if (types.size === 0) this.#queues.delete(known.queue);
  }

  #get(number: number): Known {
    const known = this.#known[number];
    assert(known !== undefined, "a block names a lane that nobody knows");
    return known;
  }
}
