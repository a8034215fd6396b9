/**
 * A process that writes through the real stores and says what was acknowledged, for tests that
 * break its disk or kill it. Like the broker, it ends at the first error of any store. Prints one
 * line per acknowledgement, before it begins the next write; runs on the built package.
 *
 *     node writer-child.mjs <append|cut|unsynced|identity> <data directory> <steps> <entry bytes>
 */
import { writeSync } from "node:fs";
import { openDataDir } from "../../dist/storage/data-dir.js";

const [mode, path, steps, entryBytes] = process.argv.slice(2);
const STOPPED = 70;
const FLUSH_EVERY = 16;
const CUT_FROM = 21;

function entry(index, term) {
  const data = Uint8Array.from(
    { length: Number(entryBytes) },
    (_, at) => (index * 31 + term * 7 + at) & 255,
  );
  return { index, term, kind: "normal", data };
}

function entries(from, to, term) {
  return Array.from({ length: to - from + 1 }, (_, ordinal) => entry(from + ordinal, term));
}

function acknowledge(number) {
  writeSync(1, `${number}\n`);
}

async function flush(dir, applied) {
  const mark = { applied, logDurable: dir.log.last, membership: new Uint8Array() };
  const value = new Uint8Array(Number(entryBytes)).fill(applied & 255);
  const writes = [{ key: Uint8Array.of(applied & 255, applied >> 8), value }];
  await dir.state.flush({ applied, writes }, mark);
}

/** One synced entry a step, a flush now and then. Acknowledges the index. */
async function append(dir) {
  const first = dir.log.last.index + 1;
  for (let index = first; index < first + Number(steps); index++) {
    await dir.log.append({ truncateFrom: undefined, entries: [entry(index, 1)] }, true);
    acknowledge(index);
    if (index % FLUSH_EVERY === 0) {
      await flush(dir, index);
    }
  }
}

/** A step cuts all but the first entries away and writes others, of the next term. */
async function cut(dir) {
  await dir.log.append({ truncateFrom: undefined, entries: entries(1, 20, 1) }, true);
  acknowledge(1);
  for (let term = 2; term < Number(steps) + 2; term++) {
    // Now more, now fewer than before.
    const to = CUT_FROM + (term % 2 === 0 ? 200 : 20);
    const from = term === 2 ? undefined : CUT_FROM;
    await dir.log.append({ truncateFrom: from, entries: entries(CUT_FROM, to, term) }, true);
    acknowledge(term);
  }
}

/** Unsynced entries, and one sync at the end, which is what it acknowledges. */
async function unsynced(dir) {
  for (let index = 1; index <= Number(steps); index++) {
    await dir.log.append({ truncateFrom: undefined, entries: [entry(index, 1)] }, false);
  }
  await dir.log.sync();
  acknowledge(Number(steps));
}

/** A vote in a new term a step. */
async function identity(dir) {
  for (let step = 0; step < Number(steps); step++) {
    const term = dir.identity.identity.hardState.term + 1;
    await dir.identity.save({ hardState: { term, vote: `node${term}` } });
    acknowledge(term);
  }
}

try {
  const dir = await openDataDir({ path, nodeId: "node1", maxConnections: 16 });
  await { append, cut, unsynced, identity }[mode](dir);
  await dir.close();
} catch (error) {
  writeSync(2, `${error.name}: ${error.message}\n`);
  process.exit(STOPPED);
}
