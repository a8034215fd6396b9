/**
 * A process that writes through the real stores and says what was acknowledged, for tests that
 * break its disk or kill it. Like the broker, it ends at the first error of any store. Prints one
 * line per acknowledgement, before it begins the next write; runs on the built package.
 *
 *     node writer-child.mjs <mode> <data directory> <steps> <entry bytes>
 */
import { writeSync } from "node:fs";
import { openDataDir } from "../../dist/storage/data-dir.js";

const [mode, path, steps, entryBytes] = process.argv.slice(2);
const STOPPED = 70;
const FLUSH_EVERY = 16;
const CUT_FROM = 21;
const KEPT = 10;
const ENTRIES_A_STEP = 1000;

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
  await dir.states.live.flush({ applied, writes }, mark);
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

/** As `append`, and each flush has most of what it covers compacted away meanwhile. */
async function compact(dir) {
  const first = dir.log.last.index + 1;
  let compacting = Promise.resolve();
  for (let index = first; index < first + Number(steps); index++) {
    await dir.log.append({ truncateFrom: undefined, entries: [entry(index, 1)] }, true);
    acknowledge(index);
    if (index % FLUSH_EVERY === 0) {
      await flush(dir, index);
      compacting = dir.log.compact(index - KEPT);
      compacting.catch(stopped);
    }
  }
  await compacting;
}

/** A step installs another state, each of its rows with the step as value, and goes on from it. */
async function install(dir) {
  const first = Math.floor(dir.states.live.mark.applied / ENTRIES_A_STEP) + 1;
  for (let step = first; step < first + Number(steps); step++) {
    const staged = await dir.states.stage();
    const value = new Uint8Array(Number(entryBytes)).fill(step);
    for (let key = 0; key < 30; key += 10) {
      await staged.write(Array.from({ length: 10 }, (_, at) => [Uint8Array.of(key + at), value]));
    }
    const id = { term: step, index: step * ENTRIES_A_STEP };
    const mark = { applied: id.index, logDurable: id, membership: new Uint8Array() };
    await staged.finish(mark);
    const base = { ...id, chain: String(step).padStart(16, "0") };
    await dir.states.install(staged, base);
    await dir.log.reset(base);
    acknowledge(step);
    const list = entries(id.index + 1, id.index + 20, step);
    await dir.log.append({ truncateFrom: undefined, entries: list }, true);
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
  await { append, cut, compact, install, unsynced, identity }[mode](dir);
  await dir.close();
} catch (error) {
  stopped(error);
}

function stopped(error) {
  writeSync(2, `${error.name}: ${error.message}\n`);
  process.exit(STOPPED);
}
