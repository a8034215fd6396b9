/**
 * Whether anything may be known of an id, so that a new task need not be looked up on disk to
 * learn that it is new. Two filters of Bloom's hold the ids of the newest tasks; an id whose time
 * is later than that of all tasks before them, and which is in neither, is certainly new. "May be"
 * is always a right answer, only a slower one: what a replica remembers here changes no reply.
 */
import { assert } from "./assert.ts";
import { wordAt } from "./live-table.ts";
import type { ClusterTime, TaskId } from "./task.ts";

/** For each id of a filter: one in four hundred is taken for known without being so. */
const BITS_PER_ID = 16;
const PROBES = 4;

export class KnownIds {
  readonly #idsMax: number;
  #young: Uint32Array;
  #old: Uint32Array;
  #ids = 0;
  /**
   * All known ids of a later time are in `#young`; in one of both. Infinite at first: a field that
   * began as a small number and became a time makes V8 throw away all code that it has compiled for
   * it, in the midst of the first load.
   */
  #youngAfter: ClusterTime = Number.NEGATIVE_INFINITY;
  #oldAfter: ClusterTime = Number.NEGATIVE_INFINITY;
  #newest: ClusterTime = Number.NEGATIVE_INFINITY;

  /** `idsMax`: ids of each filter, a power of two. */
  constructor(idsMax: number) {
    assert(idsMax >= 2 && (idsMax & (idsMax - 1)) === 0, "the size is a power of two");
    this.#idsMax = idsMax;
    this.#young = new Uint32Array((idsMax * BITS_PER_ID) / 32);
    this.#old = new Uint32Array((idsMax * BITS_PER_ID) / 32);
  }

  /** Ids up to this time may be known from before. */
  begin(upTo: ClusterTime): void {
    this.#youngAfter = Math.max(this.#youngAfter, upTo);
    this.#oldAfter = Math.max(this.#oldAfter, upTo);
    this.#newest = Math.max(this.#newest, upTo);
  }

  add(id: TaskId): void {
    if (this.#ids === this.#idsMax) this.#turnOver();
    this.#ids++;
    this.#newest = Math.max(this.#newest, idTime(id));
    const young = this.#young;
    const mask = young.length * 32 - 1;
    const step = stepOf(id);
    let bit = firstOf(id) & mask;
    for (let probe = 0; probe < PROBES; probe++, bit = (bit + step) & mask) {
      young[bit >>> 5]! |= 1 << (bit & 31);
    }
  }

  mayKnow(id: TaskId): boolean {
    return idTime(id) <= this.#oldAfter || isIn(this.#young, id) || isIn(this.#old, id);
  }

  #turnOver(): void {
    const emptied = this.#old.fill(0);
    this.#old = this.#young;
    this.#oldAfter = this.#youngAfter;
    this.#young = emptied;
    this.#youngAfter = this.#newest;
    this.#ids = 0;
  }
}

/** The first 48 bits of a UUIDv7 are milliseconds since 1970. */
export function idTime(id: TaskId): ClusterTime {
  return wordAt(id, 0) * 0x1_0000 + (wordAt(id, 4) >>> 16);
}

function isIn(filter: Uint32Array, id: TaskId): boolean {
  const mask = filter.length * 32 - 1;
  const step = stepOf(id);
  let bit = firstOf(id) & mask;
  for (let probe = 0; probe < PROBES; probe++, bit = (bit + step) & mask) {
    if ((filter[bit >>> 5]! & (1 << (bit & 31))) === 0) return false;
  }
  return true;
}

/** Ids of one maker may differ in their last bits only: these spread over all. */
function firstOf(id: TaskId): number {
  const mixed = Math.imul(wordAt(id, 12) ^ Math.imul(wordAt(id, 4), 0x85ebca6b), 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Odd, so that no two probes meet. */
function stepOf(id: TaskId): number {
  const mixed = Math.imul(wordAt(id, 8) ^ Math.imul(wordAt(id, 12), 0xc2b2ae35), 0x27d4eb2f);
  return ((mixed ^ (mixed >>> 13)) >>> 0) | 1;
}
