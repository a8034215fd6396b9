/**
 * What an earlier broker has written is read, and written the same again; and what a later one will
 * write is refused, not guessed at.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeBatch, QueueMachine } from "../src/queue/index.ts";
import { decodeRoster } from "../src/replica/index.ts";
import { FORMATS } from "./formats.ts";
import { MemoryStore } from "./queue/harness.ts";

const FIXTURES = new URL("../../../test/fixtures/format-2/", import.meta.url);

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, FIXTURES), "utf8"));
}

const SAMPLES = fixture("samples.json") as Readonly<Record<string, string>>;

function sampleOf(name: string): Buffer {
  const text = SAMPLES[name] ?? "";
  return Buffer.from(
    text.replaceAll(/\[(\d+)\]/g, (_, zeros) => "00".repeat(Number(zeros))),
    "hex",
  );
}

test("there is a sample of each format", () => {
  expect(Object.keys(SAMPLES).sort()).toEqual(Object.keys(FORMATS).sort());
});

describe.each(Object.entries(FORMATS))("%s", (name, { again }) => {
  const hexOf = async (bytes: Buffer) => Buffer.from(await again(bytes)).toString("hex");

  test("is read, and written the same", async () => {
    const sample = sampleOf(name);
    expect(sample.length).toBeGreaterThan(5);
    expect(await hexOf(sample)).toBe(sample.toString("hex"));
  });

  test("is not taken for itself when half of it is missing", async () => {
    const sample = sampleOf(name);
    const cut = sample.subarray(0, Math.floor(sample.length / 2) - 1);
    const read = await hexOf(cut).catch(() => "refused");
    expect(read === "refused" || read !== sampleOf(name).toString("hex")).toBe(true);
  });
});

const VERSIONED = Object.entries(FORMATS).filter(([, { versionAt }]) => versionAt !== undefined);

test.each(VERSIONED)("%s of a later version is refused", async (name, { again, versionAt }) => {
  const later = sampleOf(name);
  later[versionAt as number] = 9;
  await expect((async () => again(later))()).rejects.toThrow(/format|version/);
});

describe("a roster", () => {
  test("says what the members know, and what the cluster works with", () => {
    expect(decodeRoster(sampleOf("roster 1, silent"))).not.toHaveProperty("clusterVersion");
    const { members } = decodeRoster(sampleOf("roster 1"));
    expect(members.map(({ versions }) => versions?.max)).toEqual([2, 1, undefined]);
    expect(decodeRoster(sampleOf("roster 2")).clusterVersion).toBe(2);
  });
});

describe("the records of a queue", () => {
  interface State {
    readonly version: number;
    /** After so many batches. */
    readonly flushAfter: readonly number[];
    readonly effectHash: string;
    readonly records: Readonly<Record<string, string>>;
  }
  const { batches, states } = fixture("queue.json") as { batches: string[]; states: State[] };

  /** The same batches, at this version from the first of them on. */
  function played({ version, flushAfter }: State): { store: MemoryStore; machine: QueueMachine } {
    const store = new MemoryStore();
    const machine = new QueueMachine(store, 0);
    if (version > 1) {
      machine.skip(1);
      machine.raise(version);
    }
    for (const [place, batch] of batches.entries()) {
      machine.apply(machine.applied + 1, decodeBatch(Buffer.from(batch, "hex")));
      if (!flushAfter.includes(place + 1)) continue;
      store.write(machine.beginFlush());
      machine.flushed();
    }
    return { store, machine };
  }

  test.each(states)("are made the same at version $version", (state) => {
    const { store, machine } = played(state);
    const made = [...store.records.values()].map((row) => {
      return row.map((bytes) => Buffer.from(bytes).toString("hex"));
    });
    expect(Object.fromEntries(made)).toEqual(state.records);
    expect(machine.effectHash).toBe(state.effectHash);
  });

  test.each(states)("are read at version $version", (state) => {
    const store = new MemoryStore();
    const rows = Object.entries(state.records).map(([key, value]) => {
      return { key: Buffer.from(key, "hex"), value: Buffer.from(value, "hex") };
    });
    store.write({ applied: 0, writes: rows });
    const machine = new QueueMachine(store, 0);
    for (const range of QueueMachine.BOOT_RANGES) machine.load(store.scan(range));
    machine.loaded();
    machine.checkInvariants();
    expect(machine.version).toBe(state.version);
    expect(machine.effectHash).toBe(state.effectHash);
    const finished = Object.keys(state.records).filter((key) => key.startsWith("66"));
    const live = Object.keys(state.records).filter((key) => key.startsWith("6c"));
    for (const key of [...finished, ...live]) {
      expect(machine.task(Buffer.from(key.slice(4), "hex"))).toBeDefined();
    }
    expect([finished.length, live.length].every((count) => count > 0)).toBe(true);
  });

  test("hold every kind of record", () => {
    for (const { records } of states) {
      const kinds = new Set(Object.keys(records).map((key) => key.slice(0, 2)));
      const letters = [...kinds].map((kind) => Buffer.from(kind, "hex").toString());
      expect(letters.sort().join("")).toBe("cfhklmqstx");
    }
  });
});
