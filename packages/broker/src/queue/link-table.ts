/**
 * Which blocked task waits for which live one, as links in typed arrays. A link is in two lists:
 * the children of its parent and the parents of its child; in both the first knows the last, and
 * the new one goes to the end, so children stand in the order of their submits.
 *
 * The only module that knows the layout. It keeps `waitsFor` and `childCount` of the table in step
 * with the lists; the arrays are replaced when they grow, so read them through the object.
 */
import { assert } from "./assert.ts";
import { type LiveTable, NONE } from "./live-table.ts";

const CAPACITY_MIN = 64;

export class LinkTable {
  /** Links now. */
  size = 0;
  parent = new Int32Array(CAPACITY_MIN);
  child = new Int32Array(CAPACITY_MIN);
  /** The next child of the same parent, or NONE; of a free link, the next free one. */
  nextChild = new Int32Array(CAPACITY_MIN);
  /** The next parent of the same child, or NONE. */
  nextParent = new Int32Array(CAPACITY_MIN);
  /** What the child said of parents that fail: position in PARENT_FAILURES. */
  onFailure = new Uint8Array(CAPACITY_MIN);
  /** The one before in its list; of the first, the last. */
  #childBefore = new Int32Array(CAPACITY_MIN);
  #parentBefore = new Int32Array(CAPACITY_MIN);
  readonly #table: LiveTable;
  #free = NONE;
  #used = 0;

  constructor(table: LiveTable) {
    this.#table = table;
  }

  add(parent: number, child: number, onFailure: number): void {
    if (this.#free === NONE && this.#used === this.parent.length) this.#grow();
    const { firstChild, firstParent, waitsFor, childCount } = this.#table;
    const link = this.#take();
    this.parent[link] = parent;
    this.child[link] = child;
    this.onFailure[link] = onFailure;
    append(firstChild, parent, this.nextChild, this.#childBefore, link);
    append(firstParent, child, this.nextParent, this.#parentBefore, link);
    childCount[parent]!++;
    waitsFor[child]!++;
    this.size++;
  }

  remove(link: number): void {
    const { firstChild, firstParent, waitsFor, childCount } = this.#table;
    const parent = this.parent[link]!;
    const child = this.child[link]!;
    assert(parent !== NONE, "a link is removed twice");
    cut(firstChild, parent, this.nextChild, this.#childBefore, link);
    cut(firstParent, child, this.nextParent, this.#parentBefore, link);
    childCount[parent]!--;
    waitsFor[child]!--;
    this.size--;
    this.parent[link] = NONE;
    this.nextChild[link] = this.#free;
    this.#free = link;
  }

  /** The child of this parent that was linked last, or NONE. */
  newestChild(parent: number): number {
    const first = this.#table.firstChild[parent]!;
    return first === NONE ? NONE : this.child[this.#childBefore[first]!]!;
  }

  #take(): number {
    if (this.#free === NONE) return this.#used++;
    const link = this.#free;
    this.#free = this.nextChild[link]!;
    return link;
  }

  #grow(): void {
    const length = this.parent.length * 2;
    this.parent = enlarge(this.parent, length);
    this.child = enlarge(this.child, length);
    this.nextChild = enlarge(this.nextChild, length);
    this.nextParent = enlarge(this.nextParent, length);
    this.#childBefore = enlarge(this.#childBefore, length);
    this.#parentBefore = enlarge(this.#parentBefore, length);
    const onFailure = new Uint8Array(length);
    onFailure.set(this.onFailure);
    this.onFailure = onFailure;
  }
}

/** Puts `link` at the end of the list that begins at `first[owner]`. */
function append(
  first: Int32Array,
  owner: number,
  next: Int32Array,
  before: Int32Array,
  link: number,
): void {
  const head = first[owner]!;
  next[link] = NONE;
  if (head === NONE) {
    first[owner] = link;
    before[link] = link;
    return;
  }
  const last = before[head]!;
  next[last] = link;
  before[link] = last;
  before[head] = link;
}

function cut(
  first: Int32Array,
  owner: number,
  next: Int32Array,
  before: Int32Array,
  link: number,
): void {
  const head = first[owner]!;
  const after = next[link]!;
  if (link === head) {
    first[owner] = after;
    if (after !== NONE) before[after] = before[link]!;
    return;
  }
  next[before[link]!] = after;
  before[after === NONE ? head : after] = before[link]!;
}

function enlarge(column: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length);
  longer.set(column);
  return longer;
}
