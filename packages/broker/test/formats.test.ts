/**
 * What an earlier broker has written is read, and written the same again; and what a later one will
 * write is refused, not guessed at.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeBatch, QueueMachine } from "../src/queue/index.ts";
import { decodeRoster } from "../src/replica/index.ts";
import { FORMATS, FORMATS_3, FORMATS_4 } from "./formats.ts";
import { MemoryStore } from "./queue/harness.ts";

/** Which formats came, or came in another form, with which version of the cluster. */
const BROUGHT = [
  [2, FORMATS],
  [3, FORMATS_3],
  [4, FORMATS_4],
] as const;

function fixture(version: number, name: string): unknown {
  const url = new URL(`../../../test/fixtures/format-${version}/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}

function samplesOf(version: number): Readonly<Record<string, string>> {
  return fixture(version, "samples.json") as Readonly<Record<string, string>>;
}

function sampleOf(name: string, version = 2): Buffer {
  const text = samplesOf(version)[name] ?? "";
  return Buffer.from(
    text.replaceAll(/\[(\d+)\]/g, (_, zeros) => "00".repeat(Number(zeros))),
    "hex",
  );
}

describe.each(BROUGHT)("of version %i", (version, formats) => {
  test("there is a sample of each format", () => {
    expect(Object.keys(samplesOf(version)).sort()).toEqual(Object.keys(formats).sort());
  });

  describe.each(Object.entries(formats))("%s", (name, { again }) => {
    const hexOf = async (bytes: Buffer) => Buffer.from(await again(bytes)).toString("hex");

    test("is read, and written the same", async () => {
      const sample = sampleOf(name, version);
      expect(sample.length).toBeGreaterThan(5);
      expect(await hexOf(sample)).toBe(sample.toString("hex"));
    });

    test("is not taken for itself when half of it is missing", async () => {
      const sample = sampleOf(name, version);
      const cut = sample.subarray(0, Math.floor(sample.length / 2) - 1);
      const read = await hexOf(cut).catch(() => "refused");
      expect(read === "refused" || read !== sample.toString("hex")).toBe(true);
    });
  });

  const versioned = Object.entries(formats).filter(([, { versionAt }]) => versionAt !== undefined);

  test.each(versioned)("%s of a later version is refused", async (name, { again, versionAt }) => {
    const later = sampleOf(name, version);
    later[versionAt as number] = 9;
    await expect((async () => again(later))()).rejects.toThrow(/format|version/);
  });
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
  interface Fixture {
    readonly batches: readonly string[];
    readonly states: readonly State[];
  }
  /** Kinds of records, by the first letter of their keys. */
  const KINDS = { 2: "cfhklmqstx", 3: "Bbcdefghklmopqstuwxy", 4: "Bacfhlmqs" } as const;
  const states = ([2, 3, 4] as const).flatMap((brought) => {
    const { batches, states: found } = fixture(brought, "queue.json") as Fixture;
    return found.map((state) => ({ ...state, batches, kinds: KINDS[brought] }));
  });

  /** The same batches, at this version from the first of them on. */
  function played({ version, flushAfter, batches }: (typeof states)[number]): {
    store: MemoryStore;
    machine: QueueMachine;
  } {
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
    for (const { records, kinds: wanted } of states) {
      const kinds = new Set(Object.keys(records).map((key) => key.slice(0, 2)));
      const letters = [...kinds].map((kind) => Buffer.from(kind, "hex").toString());
      expect(letters.sort().join("")).toBe(wanted);
    }
  });
});
