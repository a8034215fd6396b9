/**
 * Reads every record of a state, so that each is held against its checksum. LevelDB's own
 * checksums are verified at every open; this also finds a record that was damaged in memory before
 * LevelDB ever got it. It takes as long as reading the whole state, so it needs a reason.
 */
import type { StateStore } from "../ports.ts";

const ROWS = 1_000;
/** Above any key: those begin with a letter. */
const END = Uint8Array.of(0xff);

/** How many records there are. Throws `StorageDamage` at the first bad one. */
export async function verifyState(state: Pick<StateStore, "scan">): Promise<number> {
  let gte = new Uint8Array(0);
  let count = 0;
  for (;;) {
    const rows = await state.scan({ gte, lt: END }, ROWS);
    count += rows.length;
    const last = rows.at(-1)?.[0];
    if (last === undefined || rows.length < ROWS) return count;
    gte = Uint8Array.of(...last, 0);
  }
}
