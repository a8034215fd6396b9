import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RaftLog } from "../src/log.ts";
import { Persistence } from "../src/persistence.ts";
import { bytes } from "./disk.ts";

const HARD_STATE = { term: 1, vote: undefined };

type Step =
  | { readonly kind: "append"; readonly count: number }
  | { readonly kind: "truncate"; readonly drop: number }
  | { readonly kind: "commit"; readonly ahead: number }
  | { readonly kind: "restore"; readonly ahead: number }
  | { readonly kind: "take" }
  | { readonly kind: "confirm"; readonly skip: number; readonly isDurable: boolean };

const step = fc.oneof(
  fc.record({ kind: fc.constant("append"), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("truncate"), drop: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant("commit"), ahead: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("restore"), ahead: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant("take") }),
  fc.record({ kind: fc.constant("confirm"), skip: fc.nat(2), isDurable: fc.boolean() }),
) as fc.Arbitrary<Step>;

/** A log, its disk, and what the disk held after each batch; no two entries are alike. */
class Model {
  readonly log = new RaftLog({ prev: { term: 0, index: 0 }, tail: [] });
  readonly disk = new Persistence(0);
  memory: string[] = [];
  readonly onDisk: string[][] = [[]];
  /** What the snapshot holds that the next batch restores. */
  restored: string[] | undefined;
  committed = 0;
  writtenSeq = 0;
  durableSeq = 0;
  #term = 1;

  take(one: Step): void {
    if (one.kind === "append") {
      for (let i = 0; i < one.count; i++) this.#append();
    } else if (one.kind === "truncate") {
      this.#truncate(one.drop);
    } else if (one.kind === "commit") {
      this.committed = Math.min(this.committed + one.ahead, this.log.lastIndex);
    } else if (one.kind === "restore") {
      this.#restore(this.committed + one.ahead);
    } else if (one.kind === "take") {
      this.#takeBatch();
    } else {
      const seq = Math.max(0, this.onDisk.length - 1 - one.skip);
      this.disk.persisted(seq, one.isDurable);
      this.writtenSeq = Math.max(this.writtenSeq, seq);
      if (one.isDurable) this.durableSeq = Math.max(this.durableSeq, seq);
    }
  }

  #append(): void {
    const index = this.log.lastIndex + 1;
    this.log.append({ term: this.#term, index, kind: "normal", data: bytes("") });
    this.memory.push(`${this.#term}/${index}`);
  }

  #truncate(drop: number): void {
    const from = this.log.lastIndex + 1 - drop;
    if (from <= this.committed) return;
    // What follows is of a later term.
    this.#term++;
    this.log.truncateFrom(from);
    this.disk.truncated(from);
    this.memory.splice(from - 1);
  }

  /** Whatever was not committed is now something else: entries of a term of their own. */
  #restore(index: number): void {
    this.#term++;
    const id = { term: this.#term, index };
    this.disk.restored(id, this.committed);
    this.log.reset(id);
    this.memory.splice(this.committed);
    while (this.memory.length < index) this.memory.push(`${this.#term}/${this.memory.length + 1}`);
    this.restored = this.memory.slice();
    this.committed = index;
  }

  #takeBatch(): void {
    if (!this.disk.hasWork(this.log.lastIndex)) return;
    const { restore, truncateFrom, entries, seq } = this.disk.take(this.log, HARD_STATE, []);
    expect(restore?.index).toBe(this.restored?.length);
    const before = this.restored ?? this.onDisk.at(-1)!;
    this.restored = undefined;
    const kept = truncateFrom === undefined ? before : before.slice(0, truncateFrom - 1);
    expect(entries[0]?.index ?? kept.length + 1).toBe(kept.length + 1);
    this.onDisk.push([...kept, ...entries.map(({ term, index }) => `${term}/${index}`)]);
    expect(seq).toBe(this.onDisk.length - 1);
    expect(this.onDisk.at(-1)).toEqual(this.memory);
  }

  /** How far memory and the disk, as it was after batch `seq`, are the same. */
  common(seq: number): number {
    const disk = this.onDisk[seq]!;
    let length = 0;
    while (length < this.memory.length && this.memory[length] === disk[length]) length++;
    return length;
  }
}

describe("Persistence", () => {
  test("written and durable are exactly what disk and memory have in common", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Model();
        for (const one of steps) {
          model.take(one);
          expect(model.disk.written).toBe(model.common(model.writtenSeq));
          expect(model.disk.durable).toBe(model.common(model.durableSeq));
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("the fsync of an old batch takes nothing from a newer one", () => {
    const log = new RaftLog({ prev: { term: 0, index: 0 }, tail: [] });
    const disk = new Persistence(0);
    for (const index of [1, 2]) {
      log.append({ term: 1, index, kind: "normal", data: bytes("") });
      disk.take(log, HARD_STATE, []);
    }
    disk.persisted(2, false);
    disk.persisted(1, true);
    expect([disk.written, disk.durable]).toEqual([2, 1]);
  });

  test("the hard state is safe once the newest batch that has one is confirmed", () => {
    const log = new RaftLog({ prev: { term: 0, index: 0 }, tail: [] });
    const disk = new Persistence(0);
    expect(disk.hardStateSafe).toBe(true);
    disk.hardStateChanged();
    const first = disk.take(log, HARD_STATE, []);
    disk.hardStateChanged();
    const second = disk.take(log, HARD_STATE, []);
    disk.persisted(first.seq, true);
    expect(disk.hardStateSafe).toBe(false);
    disk.persisted(second.seq, false);
    expect(disk.hardStateSafe).toBe(true);
  });
});
