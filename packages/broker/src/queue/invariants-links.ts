/** What must hold of blocked tasks and of the links between tasks; see `invariants.ts`. */
import { assert } from "./assert.ts";
import { FREE, NONE } from "./live-table.ts";
import type { QueueState } from "./state.ts";
import { BLOCKED } from "./state-number.ts";

/** Of one blocked task. */
export function checkBlocked(s: QueueState, slot: number): void {
  const { table } = s;
  const isDoomed = table.fate[slot]! > 0;
  assert(isDoomed || table.waitsFor[slot]! > 0, "a blocked task waits for nothing");
  assert(isDoomed === s.doomed.has(slot), "a fate without a parent to blame, or the reverse");
  const at = table.heapAt[slot]!;
  assert(isDoomed === (at !== NONE), "a doomed task has no timer, or another blocked one has");
  if (!isDoomed) return;
  assert(s.timers.at(at) === slot && at < s.timers.size, "a doomed task has no timer");
  assert(table.timerAt[slot] === table.dueAt[slot], "a doomed task's timer is wrong");
}

/** Of all: both lists of each link agree, and nobody else is in them. */
export function checkLinks(s: QueueState): void {
  const { table, links } = s;
  let fromParents = 0;
  let fromChildren = 0;
  for (let slot = 0; slot < table.used; slot++) {
    if (table.state[slot] === FREE) continue;
    fromParents += checkChildren(s, slot);
    fromChildren += checkParentsOf(s, slot);
  }
  assert(fromParents === links.size, "the number of links to children is wrong");
  assert(fromChildren === links.size, "the number of links to parents is wrong");
  for (const slot of s.doomed.keys()) {
    assert(table.state[slot] === BLOCKED, "a parent to blame of a task that is not blocked");
  }
}

function checkChildren(s: QueueState, slot: number): number {
  const { table, links } = s;
  let count = 0;
  let order = 0;
  let newest = NONE;
  for (let link = table.firstChild[slot]!; link !== NONE; link = links.nextChild[link]!) {
    const child = links.child[link]!;
    assert(links.parent[link] === slot, "a link is in the list of another parent");
    assert(table.state[child] === BLOCKED, "a task waits that is not blocked");
    assert(table.order[child]! > order, "children are not in the order of their submits");
    assert(table.order[child]! > table.order[slot]!, "a child stands before its parent");
    order = table.order[child]!;
    newest = child;
    count++;
    assert(count <= links.size, "a list of children has no end");
  }
  assert(count === table.childCount[slot], "a number of children is wrong");
  assert(newest === links.newestChild(slot), "the end of a list of children is wrong");
  return count;
}

function checkParentsOf(s: QueueState, slot: number): number {
  const { table, links } = s;
  let count = 0;
  for (let link = table.firstParent[slot]!; link !== NONE; link = links.nextParent[link]!) {
    assert(links.child[link] === slot, "a link is in the list of another child");
    assert(table.state[links.parent[link]!] !== FREE, "a task waits for one that has ended");
    count++;
    assert(count <= links.size, "a list of parents has no end");
  }
  assert(count === table.waitsFor[slot], "what a task waits for is counted wrong");
  return count;
}
