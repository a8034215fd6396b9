/** The indexed heap and the table of live tasks, each against the obvious way to do it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SlotHeap } from "../../src/queue/heap.ts";
import { LiveTable, NONE } from "../../src/queue/live-table.ts";
import { makeId } from "./harness.ts";

describe("SlotHeap", () => {
  test.each([true, false])("gives slots in order, whatever was removed (timed: %s)", (timed) => {
    const action = fc.record({ kind: fc.nat(9), pick: fc.nat(), time: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const table = new LiveTable();
        const heap = new SlotHeap(table, timed ? "timerAt" : "order");
        let members: number[] = [];
        const before = (a: number, b: number) =>
          (timed ? table.timerAt[a]! - table.timerAt[b]! : 0) || table.order[a]! - table.order[b]!;
        for (const [serial, { kind, pick, time }] of actions.entries()) {
          const member = members[pick % members.length];
          if (kind < 5 || member === undefined) {
            const slot = table.add(makeId(serial));
            table.order[slot] = (pick % 1000) + serial / 1000;
            table.timerAt[slot] = time;
            heap.push(slot);
            members.push(slot);
          } else if (kind < 8 || !timed) {
            heap.remove(member);
            members = members.filter((other) => other !== member);
          } else {
            table.timerAt[member] = time;
            heap.moved(member);
          }
          expect(heap.size).toBe(members.length);
          expect(heap.top).toBe(members.toSorted(before)[0] ?? NONE);
        }
        const drained: number[] = [];
        while (heap.size > 0) {
          drained.push(heap.top);
          heap.remove(heap.top);
        }
        expect(drained).toEqual(members.toSorted(before));
      }),
    );
  });

  test("refuses a slot that is in a heap, and one that is not", () => {
    const table = new LiveTable();
    const heap = new SlotHeap(table, "order");
    const slot = table.add(makeId(1));
    expect(() => heap.remove(slot)).toThrow("not in this heap");
    heap.push(slot);
    expect(() => heap.push(slot)).toThrow("one heap at most");
  });

  test("gives memory back after a long queue was drained", () => {
    const table = new LiveTable();
    const heap = new SlotHeap(table, "order");
    for (let serial = 0; serial < 5000; serial++) {
      const slot = table.add(makeId(serial));
      table.order[slot] = serial;
      heap.push(slot);
    }
    for (let serial = 0; serial < 5000; serial++) {
      expect(table.order[heap.top]).toBe(serial);
      heap.remove(heap.top);
    }
    expect(heap.top).toBe(NONE);
  });
});

describe("LiveTable", () => {
  test("finds what is there and nothing else, through growth and reuse", () => {
    const action = fc.record({ add: fc.boolean(), serial: fc.nat(60) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const table = new LiveTable();
        const known = new Map<number, number>();
        for (const { add, serial } of actions) {
          const slot = known.get(serial);
          if (add && slot === undefined) {
            const fresh = table.add(makeId(serial));
            table.state[fresh] = 0;
            known.set(serial, fresh);
          } else if (!add && slot !== undefined) {
            table.remove(slot);
            known.delete(serial);
          }
        }
        for (let serial = 0; serial <= 60; serial++) {
          expect(table.find(makeId(serial))).toBe(known.get(serial) ?? NONE);
        }
        expect(table.size).toBe(known.size);
      }),
    );
  });

  test("finds every task in a crowded table from which many were removed", () => {
    const table = new LiveTable();
    const kept = new Map<number, number>();
    for (let serial = 0; serial < 8_000; serial++) {
      const slot = table.add(makeId(serial));
      table.state[slot] = 0;
      kept.set(serial, slot);
      // Full to the brim without growing; whoever goes leaves a gap in the middle of others' runs.
      if (kept.size < table.capacity) continue;
      const [leaver, place] = [...kept][(serial * 7919) % kept.size]!;
      table.remove(place);
      kept.delete(leaver);
      expect(table.find(makeId(leaver))).toBe(NONE);
    }
    expect(table.capacity).toBe(1024);
    expect(kept.size).toBe(1023);
    for (const [serial, slot] of kept) expect(table.find(makeId(serial)), `${serial}`).toBe(slot);
  });

  test("keeps ids and columns when it grows", () => {
    const table = new LiveTable();
    const count = 5000;
    for (let serial = 0; serial < count; serial++) {
      const slot = table.add(makeId(serial));
      table.state[slot] = 1;
      table.order[slot] = serial;
    }
    expect(table.capacity).toBeGreaterThan(count);
    for (let serial = 0; serial < count; serial++) {
      const slot = table.find(makeId(serial));
      expect(table.order[slot]).toBe(serial);
      expect(table.id(slot)).toEqual(makeId(serial));
    }
  });

  test("finds what came, stayed and went while it was getting ready to grow", () => {
    const seen = fc.record({ leaves: fc.nat(9), pick: fc.nat() });
    fc.assert(
      fc.property(fc.array(seen, { minLength: 1, maxLength: 20 }), (dice) => {
        const table = new LiveTable();
        const slots = new Map<number, number>();
        let serial = 0;
        for (; table.capacity < 4096; serial++) {
          const { leaves, pick } = dice[serial % dice.length]!;
          const slot = table.add(makeId(serial));
          table.state[slot] = 0;
          slots.set(serial, slot);
          const leaver = leaves === 0 ? (pick + serial * 7919) % serial : -1;
          const place = slots.get(leaver);
          if (place === undefined) continue;
          table.remove(place);
          slots.delete(leaver);
        }
        for (let each = 0; each < serial; each++) {
          expect(table.find(makeId(each))).toBe(slots.get(each) ?? NONE);
        }
        expect(table.size).toBe(slots.size);
      }),
      { numRuns: 20 },
    );
  });

  test("grows by one column at a time, before there is no room left", () => {
    const table = new LiveTable();
    const isColumn = (value: unknown): value is Uint8Array => ArrayBuffer.isView(value);
    const columns = () => Object.values(table).filter(isColumn);
    let before = columns();
    let changes = 0;
    for (let serial = 0; table.capacity < 8192; serial++) {
      table.state[table.add(makeId(serial))] = 0;
      const now = columns();
      const changed = now.filter((column, i) => column !== before[i]).length;
      expect(changed).toBeLessThanOrEqual(1);
      changes += changed;
      before = now;
    }
    expect(changes).toBe(3 * before.length);
    const words = before.map(({ length }) => length / table.capacity);
    expect(new Set(words)).toEqual(new Set([1, 4]));
  });

  test("does not grow up to what was reserved", () => {
    const table = new LiveTable();
    table.reserve(5000);
    const { capacity, order } = table;
    expect(capacity).toBe(8192);
    for (let serial = 0; serial < 5000; serial++) table.state[table.add(makeId(serial))] = 1;
    expect(table.order).toBe(order);
    table.reserve(10);
    expect(table.capacity).toBe(capacity);
    for (let serial = 0; serial < 5000; serial++) expect(table.find(makeId(serial))).toBe(serial);
  });
});
