/** The links against plain arrays, under random additions and removals at all places. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { LinkTable } from "../../src/queue/link-table.ts";
import { LiveTable, NONE } from "../../src/queue/live-table.ts";
import { makeId } from "./harness.ts";

const TASKS = 6;

interface Link {
  readonly number: number;
  readonly parent: number;
  readonly child: number;
}

function newTables() {
  const table = new LiveTable();
  for (let serial = 0; serial < TASKS; serial++) table.state[table.add(makeId(serial))] = 0;
  return { table, links: new LinkTable(table) };
}

function walk(first: number, next: Int32Array): number[] {
  const found: number[] = [];
  for (let link = first; link !== NONE; link = next[link]!) found.push(link);
  return found;
}

function expectSame({ table, links }: ReturnType<typeof newTables>, wanted: readonly Link[]): void {
  const seen: unknown[] = [links.size];
  const right: unknown[] = [wanted.length];
  for (let slot = 0; slot < TASKS; slot++) {
    const children = wanted.filter(({ parent }) => parent === slot);
    const parents = wanted.filter(({ child }) => child === slot);
    seen.push(walk(table.firstChild[slot]!, links.nextChild), table.childCount[slot]);
    right.push(numbersOf(children), children.length);
    seen.push(walk(table.firstParent[slot]!, links.nextParent), table.waitsFor[slot]);
    right.push(numbersOf(parents), parents.length);
    seen.push(links.newestChild(slot));
    right.push(children.at(-1)?.child ?? NONE);
  }
  expect(seen).toEqual(right);
}

function numbersOf(links: readonly Link[]): number[] {
  return links.map(({ number }) => number);
}

test("lists keep their order whatever is added and removed", () => {
  const step = fc.tuple(fc.nat(2), fc.nat(TASKS - 1), fc.nat(TASKS - 1), fc.nat(99));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const tables = newTables();
      const wanted: Link[] = [];
      for (const [kind, parent, child, at] of steps) {
        if (kind > 0) {
          tables.links.add(parent, child, 0);
          const list = walk(tables.table.firstChild[parent]!, tables.links.nextChild);
          wanted.push({ number: list.at(-1)!, parent, child });
        } else if (wanted.length > 0) {
          const [gone] = wanted.splice(at % wanted.length, 1);
          tables.links.remove(gone!.number);
        }
        expectSame(tables, wanted);
      }
    }),
    { numRuns: 50 },
  );
});

test("freed links are used again, and none is removed twice", () => {
  const { links } = newTables();
  for (let i = 0; i < 100; i++) links.add(0, 1 + (i % 5), i % 3);
  const { length } = links.parent;
  for (let round = 0; round < 10; round++) {
    for (let link = 0; link < 100; link++) links.remove(link);
    for (let i = 0; i < 100; i++) links.add(0, 1, 0);
  }
  expect(links.parent.length).toBe(length);
  links.remove(7);
  expect(() => links.remove(7)).toThrow("a link is removed twice");
});
