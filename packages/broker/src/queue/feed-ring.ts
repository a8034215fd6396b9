/**
 * The bytes behind the feed: events of one fixed size, in segments that are made as they are first
 * needed and then used again and again, so that an event is some numbers written into an array. The
 * oldest gives way to the newest. Events are addressed by their number since the ring began.
 */
import type { TaskId } from "./task.ts";

/** Seven numbers of eight bytes. */
const EVENT_BYTES = 56;
const SEGMENT_EVENTS = 4096;
const DOUBLES = EVENT_BYTES / 8;
const WORDS = EVENT_BYTES / 4;

/** Places of the parts of an event: doubles first, words behind them. */
const INDEX = 0;
const AT = 1;
const ID = 4;
const ORDINAL = 8;
const ATTEMPT = 9;
const NAMES = 10;
const KIND = 11;
const STATE = 12;

/** Where the parts of an event come from or go to; one object for all. */
export interface RingEvent {
  index: number;
  ordinal: number;
  at: number;
  kind: number;
  state: number;
  attempt: number;
  /** Number of the pair of queue and type. */
  names: number;
  /** The id as four words. */
  readonly id: Uint32Array;
}

export class FeedRing {
  /** Events that it holds at most. */
  readonly capacity: number;
  /** Numbers of the oldest event that is there, and of the next one to come. */
  first = 0;
  end = 0;
  readonly #doubles: Float64Array[] = [];
  readonly #words: Uint32Array[] = [];

  /** `bytesMax`: rounded down to whole segments, but at least one. */
  constructor(bytesMax: number) {
    const segments = Math.floor(bytesMax / (EVENT_BYTES * SEGMENT_EVENTS));
    this.capacity = Math.max(1, segments) * SEGMENT_EVENTS;
  }

  get isFull(): boolean {
    return this.end - this.first === this.capacity;
  }

  /** Drops the oldest events, up to number `to`. */
  drop(to: number): void {
    this.first = to;
  }

  /** To be called with room for one more: see `isFull`. */
  write(event: RingEvent): void {
    const place = this.end % this.capacity;
    const segment = Math.floor(place / SEGMENT_EVENTS);
    if (segment === this.#words.length) this.#grow();
    const doubles = this.#doubles[segment]!;
    const words = this.#words[segment]!;
    const inside = place % SEGMENT_EVENTS;
    const double = inside * DOUBLES;
    const word = inside * WORDS;
    doubles[double + INDEX] = event.index;
    doubles[double + AT] = event.at;
    const { id } = event;
    words[word + ID] = id[0]!;
    words[word + ID + 1] = id[1]!;
    words[word + ID + 2] = id[2]!;
    words[word + ID + 3] = id[3]!;
    words[word + ORDINAL] = event.ordinal;
    words[word + ATTEMPT] = event.attempt;
    words[word + NAMES] = event.names;
    words[word + KIND] = event.kind;
    words[word + STATE] = event.state;
    this.end++;
  }

  /** Event number `number`, which must be there, into `event`. */
  read(number: number, event: RingEvent): void {
    const place = number % this.capacity;
    const segment = Math.floor(place / SEGMENT_EVENTS);
    const doubles = this.#doubles[segment]!;
    const words = this.#words[segment]!;
    const double = (place % SEGMENT_EVENTS) * DOUBLES;
    const word = (place % SEGMENT_EVENTS) * WORDS;
    event.index = doubles[double + INDEX]!;
    event.at = doubles[double + AT]!;
    for (let part = 0; part < 4; part++) event.id[part] = words[word + ID + part]!;
    event.ordinal = words[word + ORDINAL]!;
    event.attempt = words[word + ATTEMPT]!;
    event.names = words[word + NAMES]!;
    event.kind = words[word + KIND]!;
    event.state = words[word + STATE]!;
  }

  /** Number of the first event behind this position; `end` when there is none. */
  firstAfter(index: number, ordinal: number): number {
    let low = this.first;
    let high = this.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#isAfter(middle, index, ordinal)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #isAfter(number: number, index: number, ordinal: number): boolean {
    const place = number % this.capacity;
    const segment = Math.floor(place / SEGMENT_EVENTS);
    const inside = place % SEGMENT_EVENTS;
    const found = this.#doubles[segment]![inside * DOUBLES + INDEX]!;
    if (found !== index) return found > index;
    return this.#words[segment]![inside * WORDS + ORDINAL]! > ordinal;
  }

  #grow(): void {
    const bytes = new ArrayBuffer(EVENT_BYTES * SEGMENT_EVENTS);
    this.#doubles.push(new Float64Array(bytes));
    this.#words.push(new Uint32Array(bytes));
  }
}

export function newRingEvent(): RingEvent {
  const id = new Uint32Array(4);
  return { index: 0, ordinal: 0, at: 0, kind: 0, state: 0, attempt: 0, names: 0, id };
}

/** The bytes of an id of four words. */
export function bytesOfWords(words: Uint32Array): TaskId {
  const id = new Uint8Array(16);
  for (let i = 0; i < 16; i++) id[i] = words[i >> 2]! >>> (24 - 8 * (i & 3));
  return id;
}
