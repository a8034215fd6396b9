/**
 * Serves snapshots of one node: views of what its disk held after a completed flush, kept for a
 * while, so that a receiver whose stream broke can go on where it was. All of it is gone when the
 * process ends.
 */
import type { EntryId } from "task-queue-raft";
import type { FlushMark } from "../../packages/broker/src/replica/index.ts";
import type { Chunk, ChunkRequest } from "./packet.ts";
import type { Situations } from "./situations.ts";
import { keyText, type Row, type StateImage } from "./state-image.ts";

interface View {
  readonly name: string;
  readonly id: EntryId;
  readonly mark: FlushMark;
  readonly rows: readonly Row[];
  /** The last answer that was made from it. */
  usedAt: number;
}

const VIEWS_MAX = 2;
/** Whose view was not asked for during so many answers has gone away. */
const IDLE_ANSWERS = 20;

export class SnapshotSource {
  readonly #name: string;
  readonly #rowsMax: number;
  readonly #bytesMax: number;
  readonly #situations: Situations;
  #views: View[] = [];
  #taken = 0;
  #answers = 0;

  /** `name`: of the process, never used twice. */
  constructor(name: string, rowsMax: number, bytesMax: number, situations: Situations) {
    this.#name = name;
    this.#rowsMax = rowsMax;
    this.#bytesMax = bytesMax;
    this.#situations = situations;
  }

  /** undefined: there is none that is new enough, yet, or too many ask at once. */
  answer(request: ChunkRequest, live: StateImage): Chunk | undefined {
    this.#answers++;
    const view = this.#find(request) ?? this.#take(request, live);
    if (view === undefined) return undefined;
    view.usedAt = this.#answers;
    const isResumed = view.name === request.snapshot;
    const from = isResumed ? firstBehind(view.rows, request.after) : 0;
    const rows = this.#cut(view.rows, from);
    const isLast = from + rows.length >= view.rows.length;
    const { name: snapshot, id, mark } = view;
    return { question: request.question, snapshot, id, mark, rows, isLast };
  }

  /** At least one row, if there is one. */
  #cut(rows: readonly Row[], from: number): readonly Row[] {
    let to = from;
    for (let bytes = 0; to < rows.length && to < from + this.#rowsMax; to++) {
      const [key, value] = rows[to]!;
      bytes += key.length + value.length;
      if (to > from && bytes > this.#bytesMax) break;
    }
    return rows.slice(from, to);
  }

  #find({ snapshot, minIndex }: ChunkRequest): View | undefined {
    const view = this.#views.find(({ name }) => name === snapshot);
    if (snapshot !== undefined && view === undefined) {
      this.#situations.hit("snapshot to be resumed is gone");
    }
    return view !== undefined && view.id.index >= minIndex ? view : undefined;
  }

  #take({ minIndex }: ChunkRequest, live: StateImage): View | undefined {
    const mark = live.mark!;
    if (mark.applied < minIndex || mark.applied === 0) return undefined;
    // Each of several receivers would drive out the others, and none would ever get to the end.
    const busy = this.#views.filter(({ usedAt }) => usedAt > this.#answers - IDLE_ANSWERS);
    if (busy.length >= VIEWS_MAX) return undefined;
    const name = `${this.#name}.${++this.#taken}`;
    const view = { name, id: mark.logDurable, mark, rows: live.rows(), usedAt: 0 };
    this.#views = [...busy, view];
    return view;
  }
}

function firstBehind(rows: readonly Row[], after: Uint8Array | undefined): number {
  if (after === undefined) return 0;
  const text = keyText(after);
  const at = rows.findIndex(([key]) => keyText(key) > text);
  return at < 0 ? rows.length : at;
}
