/**
 * In which order the persister has things written, what it tells of them and when: nothing counts
 * before the disk has it, and an fsync vouches only for what was written before it began.
 */
import type { Entry, PersistBatch } from "task-queue-raft";
import { expect, test } from "vitest";
import { entries } from "../../../../test/conformance/log-store.ts";
import { DiskWork } from "../../src/disk-work.ts";
import { Persister, type PersisterOptions } from "../../src/persister.ts";
import type { LogBatch } from "../../src/ports.ts";
import { encodeRoster } from "../../src/replica/index.ts";

interface Step {
  readonly what: string;
  readonly done: () => void;
}

/** A disk that carries out nothing until it is told to. */
function diskOf(walSyncIntervalMs: number) {
  const begun: string[] = [];
  const waiting: Step[] = [];
  const told: string[] = [];
  const step = (what: string) => {
    begun.push(what);
    return new Promise<void>((done) => waiting.push({ what, done }));
  };
  const log = {
    append: ({ truncateFrom, entries: list }: LogBatch, sync: boolean) => {
      const cut = truncateFrom === undefined ? "" : ` cut ${truncateFrom}`;
      const span = list.length === 0 ? "" : ` ${list[0]!.index}-${list.at(-1)!.index}`;
      return step(`append${cut}${span}${sync ? " synced" : ""}`);
    },
    sync: () => step("sync"),
  };
  const persister = new Persister({
    log,
    identity: { save: () => step("save") },
    raiseFormat: async () => {},
    walSyncIntervalMs,
    work: new DiskWork((what, error) => told.push(`${what}: ${error}`)),
    onWritten: (batches: readonly PersistBatch[], synced: boolean) => {
      told.push(`${batches.map(({ seq }) => seq).join(" ")} ${synced ? "synced" : "written"}`);
    },
    onSynced: (seq: number) => told.push(`fsynced ${seq}`),
  } as unknown as PersisterOptions);
  /** This step, which must be under way, is done. */
  const finish = async (what: string) => {
    const at = waiting.findIndex((each) => each.what === what);
    expect(at, `${what} in ${begun.join(", ")}`).toBeGreaterThanOrEqual(0);
    waiting.splice(at, 1)[0]?.done();
    await settled();
  };
  return { persister, begun, told, finish };
}

/** Whatever follows from what has happened so far has happened, too. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function batch(seq: number, list: readonly Entry[], more: Partial<PersistBatch> = {}) {
  const nothing = { hardState: undefined, truncateFrom: undefined, restore: undefined };
  return { ...nothing, seq, entries: list, messages: [], ...more } satisfies PersistBatch;
}

const IN_TERM_2 = { hardState: { term: 2, vote: undefined } };

test("a term is on disk before the entries of it", async () => {
  const { persister, begun, told, finish } = diskOf(0);
  persister.persist([batch(1, entries(1, 2, 2), IN_TERM_2)]);
  await settled();
  expect(begun).toEqual(["save"]);
  await finish("save");
  expect(begun).toEqual(["save", "append 1-2 synced"]);
  expect(told).toEqual([]);
});

test("nothing is told of a batch before all of it is on disk", async () => {
  const { persister, told, finish } = diskOf(0);
  persister.persist([batch(1, entries(1, 1, 1))]);
  persister.persist([batch(2, entries(2, 3, 1))]);
  await settled();
  expect(told).toEqual([]);
  await finish("append 1-1 synced");
  expect(told).toEqual(["1 synced"]);
  await finish("append 2-3 synced");
  expect(told).toEqual(["1 synced", "2 synced"]);
});

test("batches that waited share a write, but a cut between them begins another", async () => {
  const { persister, told, finish } = diskOf(0);
  persister.persist([batch(1, entries(1, 3, 1))]);
  persister.persist([batch(2, entries(4, 5, 1)), batch(3, entries(6, 6, 1))]);
  persister.persist([batch(4, entries(3, 4, 2), { truncateFrom: 3 })]);
  await settled();
  await finish("append 1-3 synced");
  await finish("append 4-6 synced");
  expect(told).toEqual(["1 synced"]);
  await finish("append cut 3 3-4 synced");
  expect(told).toEqual(["1 synced", "2 3 4 synced"]);
});

test("what is fsynced at intervals is told as written first", async () => {
  const { persister, told, finish } = diskOf(60_000);
  persister.persist([batch(1, entries(1, 1, 1))]);
  await settled();
  await finish("append 1-1");
  expect(told).toEqual(["1 written"]);
  persister.close();
});

test("a change of members is fsynced at once, also where fsyncs come at intervals", async () => {
  const { persister, told, finish } = diskOf(60_000);
  const data = encodeRoster({ revision: 1, members: [] });
  persister.persist([batch(1, [{ term: 1, index: 1, kind: "membership", data }])]);
  await settled();
  await finish("append 1-1 synced");
  expect(told).toEqual(["1 synced"]);
  persister.close();
});

test("an fsync vouches for nothing that was written after it had begun", async () => {
  const { persister, told, finish } = diskOf(60_000);
  persister.persist([batch(1, entries(1, 1, 1))]);
  await settled();
  await finish("append 1-1");
  persister.syncLog();
  persister.persist([batch(2, entries(2, 2, 1))]);
  await settled();
  await finish("append 2-2");
  await finish("sync");
  expect(told).toEqual(["1 written", "2 written", "fsynced 1"]);
  persister.syncLog();
  await finish("sync");
  expect(told.at(-1)).toBe("fsynced 2");
  persister.close();
});
