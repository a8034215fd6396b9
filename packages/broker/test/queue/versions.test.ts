/**
 * The machine at each version of the cluster. At the first one it does what the first binary did:
 * the same replies, hashes and records for two thousand random commands, which that binary has
 * written down. While nodes of both run side by side, any difference would be a divergence.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { decodeMeta, encodeMeta, type Meta } from "../../src/queue/codec/small-records.ts";
import { decodeBatch, QueueMachine } from "../../src/queue/index.ts";
import { META_KEY } from "../../src/queue/keys.ts";
import { bytesOf, Driver, MemoryStore, makeId, registerOf, submitOf } from "./harness.ts";

interface Recorded {
  /** Entries between two flushes, after each of which the hash was noted. */
  readonly flushEvery: number;
  readonly entries: number;
  readonly effectHashes: readonly string[];
  /** In the store at the end, and a digest over all of them in the order of their keys. */
  readonly records: number;
  readonly recordsSha256: string;
  /** Compressed, in base64: each batch after its length. */
  readonly batches: readonly string[];
}

const FIXTURE = new URL("../../../../test/fixtures/format-1/queue.json", import.meta.url);

function batchesOf({ batches }: Recorded): Uint8Array[] {
  const bytes = inflateRawSync(Buffer.from(batches.join(""), "base64"));
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    found.push(new Uint8Array(bytes.subarray(at + 4, end)));
    at = end;
  }
  return found;
}

function digestOf({ records }: MemoryStore): string {
  const digest = createHash("sha256");
  for (const key of [...records.keys()].sort()) {
    const [raw, value] = records.get(key)!;
    digest.update(`${raw.length} ${value.length} `).update(raw).update(value);
  }
  return digest.digest("hex");
}

function reopened(store: MemoryStore): QueueMachine {
  const machine = new QueueMachine(store, 0);
  for (const range of QueueMachine.BOOT_RANGES) machine.load(store.scan(range));
  machine.loaded();
  return machine;
}

describe("at the first version", () => {
  test.each([
    ["without a stop", false],
    ["started anew after each flush", true],
  ])("a machine does what the first binary did, %s", (_, restarts) => {
    const recorded = JSON.parse(readFileSync(FIXTURE, "utf8")) as Recorded;
    const store = new MemoryStore();
    let machine = new QueueMachine(store, 0);
    const hashes: string[] = [];
    const flush = () => {
      hashes.push(machine.effectHash);
      store.write(machine.beginFlush());
      machine.flushed();
      if (restarts) machine = reopened(store);
    };
    for (const [place, batch] of batchesOf(recorded).entries()) {
      machine.apply(place + 1, decodeBatch(batch));
      machine.events.length = 0;
      if ((place + 1) % recorded.flushEvery === 0) flush();
    }
    flush();
    expect(machine.applied).toBe(recorded.entries);
    expect(hashes).toEqual(recorded.effectHashes);
    expect(store.records.size).toBe(recorded.records);
    expect(digestOf(store)).toBe(recorded.recordsSha256);
  });
});

describe("a raise", () => {
  /** With something in it. */
  function busy(): Driver {
    const driver = new Driver();
    driver.apply(registerOf("w1"), submitOf(makeId(1)), { type: "lease", session: "w1", count: 1 });
    return driver;
  }

  test("is in the hash, so that a node that has missed it is found out", () => {
    const [one, two] = [busy(), busy()];
    one.raise(2);
    two.machine.skip(2);
    expect(one.machine.effectHash).not.toBe(two.machine.effectHash);
    expect(two.machine.version).toBe(1);
  });

  test("is kept by the next flush, and by all later ones", () => {
    const driver = busy();
    driver.flush();
    driver.raise(2);
    driver.restart();
    // Not flushed yet: the log brought it again.
    expect(driver.machine.version).toBe(2);
    driver.flush();
    driver.restart();
    expect(driver.machine.version).toBe(2);
    driver.apply(submitOf(makeId(2)));
    driver.flush();
    const { effectHash } = driver.machine;
    driver.restart();
    expect(driver.machine.version).toBe(2);
    expect(driver.machine.effectHash).toBe(effectHash);
  });

  test("goes up only", () => {
    const driver = busy();
    driver.raise(2);
    expect(() => driver.raise(2)).toThrow("never lowered");
    expect(() => driver.raise(1)).toThrow("never lowered");
  });

  test("changes the record that an older binary reads first, which then refuses", () => {
    const driver = busy();
    driver.flush();
    expect(driver.store.get(META_KEY)?.[0]).toBe(1);
    driver.raise(2);
    driver.flush();
    expect(driver.store.get(META_KEY)?.[0]).toBe(2);
  });
});

describe("the meta record", () => {
  const meta: Meta = {
    version: 1,
    applied: 7,
    clock: 1_700_000_000_000,
    nextOrder: 3,
    nextToken: 4,
    hashHigh: 0xfedcba98,
    hashLow: 5,
    tombstones: 6,
    queueTurn: 0,
    plainHistoryTo: 0,
    freshRevision: 0,
  };

  test.each([1, 2, 300])("names version %i", (version) => {
    expect(decodeMeta(encodeMeta({ ...meta, version }))).toEqual({ ...meta, version });
  });

  test.each([
    ["of an unknown format", () => Uint8Array.of(3, ...encodeMeta(meta).subarray(1))],
    ["that names a version it should not", () => Uint8Array.of(2, 1, ...encodeMeta(meta).slice(1))],
    ["that is cut short", () => encodeMeta({ ...meta, version: 2 }).subarray(0, 9)],
    ["that goes on", () => Uint8Array.of(...encodeMeta(meta), ...bytesOf("x"))],
  ])("%s is refused", (_, damaged) => {
    expect(() => decodeMeta(damaged())).toThrow();
  });
});
