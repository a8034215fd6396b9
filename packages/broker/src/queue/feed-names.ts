/**
 * The names in the feed: each pair of queue and type has a number, which the events carry. A pair
 * is forgotten, and its number given to another, once no event in the ring carries it: whoever
 * writes events sweeps when `isFull` says so.
 */
import type { Lane } from "./lane.ts";
import { FEED_NAMES_MAX } from "./limits.ts";
import { Tally, type TypeTally } from "./tally.ts";

export interface FeedName {
  readonly queue: string;
  readonly type: string;
  /** Where its events are counted; it outlives the name. */
  readonly tally: TypeTally;
  /** Number of the newest event that carries it. */
  last: number;
}

export class FeedNames {
  readonly tally = new Tally();
  readonly #names: (FeedName | undefined)[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #free: number[] = [];
  /** What is known of lanes, by their numbers, which come to stand for other lanes. */
  #lanes: ({ readonly lane: Lane; readonly number: number } | undefined)[] = [];

  get isFull(): boolean {
    return this.#numbers.size >= FEED_NAMES_MAX;
  }

  get size(): number {
    return this.#numbers.size;
  }

  get(number: number): FeedName {
    return this.#names[number]!;
  }

  /** Of a lane's names, for the event with this number. */
  ofLane(lane: Lane, event: number): number {
    const known = this.#lanes[lane.number];
    if (known === undefined || known.lane !== lane) return this.#learn(lane, event);
    this.#names[known.number]!.last = event;
    return known.number;
  }

  of(queue: string, type: string, event: number): number {
    const key = `${queue}\0${type}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) {
      this.#names[known]!.last = event;
      return known;
    }
    const number = this.#free.pop() ?? this.#names.length;
    this.#names[number] = { queue, type, tally: this.tally.of(type), last: event };
    this.#numbers.set(key, number);
    return number;
  }

  /** Forgets the names that no event from number `first` on carries. */
  sweep(first: number): void {
    this.#lanes = [];
    for (const [key, number] of this.#numbers) {
      if (this.#names[number]!.last >= first) continue;
      this.#numbers.delete(key);
      this.#names[number] = undefined;
      this.#free.push(number);
    }
  }

  #learn(lane: Lane, event: number): number {
    const number = this.of(lane.queue.name, lane.type, event);
    this.#lanes[lane.number] = { lane, number };
    return number;
  }
}
