/**
 * From the records of a state store to a queue machine that goes on with them, in slices between
 * which the event loop has its turn.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { KeyRange, StateRow, StateStore } from "./ports.ts";
import { QueueMachine, successor } from "./queue/index.ts";

/** Records read at a time. */
const LOAD_ROWS = 1000;

/** The records are no state of a queue, though each of them is sound. */
export class BadState extends Error {
  override readonly name = "BadState";
}

/** Throws what the store throws, or `BadState`. */
export async function loadQueue(state: StateStore): Promise<QueueMachine> {
  const queue = new QueueMachine(state);
  for (const range of QueueMachine.BOOT_RANGES) {
    for await (const rows of pages(state, range)) checked(() => queue.load(rows));
  }
  const pieces = queue.settle();
  while (checked(() => pieces.next()).done !== true) await nextTurn();
  return queue;
}

/** The next rows are on their way while the ones before are worked on. */
async function* pages(state: StateStore, range: KeyRange) {
  const read = (gte: Uint8Array) => state.scan({ gte, lt: range.lt }, LOAD_ROWS);
  let next: ReturnType<typeof read> | undefined = read(range.gte);
  while (next !== undefined) {
    const rows: readonly StateRow[] = await next;
    const last: StateRow | undefined = rows.length < LOAD_ROWS ? undefined : rows.at(-1);
    next = last && read(successor(last[0]));
    // Whoever stops in between has no use for its error.
    next?.catch(() => undefined);
    if (rows.length > 0) yield rows;
  }
}

function checked<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new BadState((error as Error).message, { cause: error });
  }
}
