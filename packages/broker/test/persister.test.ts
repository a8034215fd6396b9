/**
 * In which order things reach the disk when the cluster begins to work with a later version: first
 * the word that keeps older binaries out, then whatever they could not read.
 */
import type { Entry, PersistBatch } from "task-queue-raft";
import { expect, test } from "vitest";
import { DiskWork } from "../src/disk-work.ts";
import { Persister } from "../src/persister.ts";
import type { IdentityStore, LogStore, StagedState, StateDirectory } from "../src/ports.ts";
import type { QueueMachine } from "../src/queue/index.ts";
import { encodeRoster } from "../src/replica/index.ts";
import type { StagedSnapshot } from "../src/snapshots/receiver.ts";
import { memberOf } from "./replica/harness.ts";

const BASE = { term: 2, index: 9, chain: "0123456789abcdef" };

function rosterOf(clusterVersion?: number): Uint8Array {
  const roster = { revision: 1, members: [memberOf("a")] };
  return encodeRoster(clusterVersion === undefined ? roster : { ...roster, clusterVersion });
}

function entryOf(index: number, data?: Uint8Array): Entry {
  const kind = data === undefined ? "normal" : "membership";
  return { term: 1, index, kind, data: data ?? new Uint8Array(3) };
}

function batchOf(seq: number, given: Partial<PersistBatch>): PersistBatch {
  const none = { hardState: undefined, truncateFrom: undefined, restore: undefined };
  return { seq, ...none, entries: [], messages: [], ...given };
}

/** Everything that is asked of the disk, in order; `broken`: what fails. */
function setup(broken?: string) {
  const steps: string[] = [];
  const faults: string[] = [];
  const step = async (text: string): Promise<void> => {
    // Nothing else may overtake it.
    await new Promise((resolve) => setImmediate(resolve));
    if (text === broken) throw new Error("the disk is gone");
    steps.push(text);
  };
  const names = (entries: readonly Entry[]) => entries.map(({ index }) => index).join(",");
  const log = {
    append: ({ entries }: { entries: readonly Entry[] }) => step(`append ${names(entries)}`),
    reset: () => step("reset"),
  } as unknown as LogStore;
  const states = { install: () => step("install") } as unknown as StateDirectory;
  const identity = { save: () => step("hard state") } as unknown as IdentityStore;
  const work = new DiskWork((what) => faults.push(what));
  const persister = new Persister({
    log,
    states,
    identity,
    raiseFormat: (version) => step(`format ${version}`),
    walSyncIntervalMs: 0,
    work,
    onWritten: () => steps.push("written"),
    onSynced: () => {},
    quiesce: async () => {},
    onRestored: () => steps.push("restored"),
  });
  return { steps, faults, persister, ended: () => work.ended() };
}

test("an entry with a later version is written after the format is raised", async () => {
  const { steps, persister, ended } = setup();
  const hardState = { term: 1, vote: "a" };
  persister.persist([
    batchOf(1, { hardState, entries: [entryOf(1), entryOf(2, rosterOf(2)), entryOf(3)] }),
  ]);
  await ended();
  expect(steps).toEqual(["format 2", "hard state", "append 1,2,3", "written"]);
});

test("what the first version can read asks for nothing more", async () => {
  const { steps, persister, ended } = setup();
  persister.persist([batchOf(1, { entries: [entryOf(1), entryOf(2, rosterOf())] })]);
  await ended();
  expect(steps).toEqual(["format 1", "append 1,2", "written"]);
});

test("a snapshot of a later version is installed after that, too", async () => {
  const { steps, persister, ended } = setup();
  const staged = {} as StagedState;
  const snapshot = { base: BASE, membership: rosterOf(2), staged, queue: {} as QueueMachine };
  persister.expect(snapshot as unknown as StagedSnapshot);
  const { term, index } = BASE;
  persister.persist([batchOf(1, { restore: { term, index } as PersistBatch["restore"] })]);
  await ended();
  expect(steps).toEqual(["format 2", "install", "reset", "restored", "written"]);
});

test("when the format cannot be raised, nothing of it is written", async () => {
  const { steps, faults, persister, ended } = setup("format 2");
  persister.persist([batchOf(1, { entries: [entryOf(1, rosterOf(2))] })]);
  await ended();
  expect(steps).toEqual([]);
  expect(faults).toEqual(["the log could not be written"]);
});
