/** A measured log counts what was done, times fsyncs, and changes nothing else. */
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { StorageMeter, storageFigures } from "../../src/observe/storage-figures.ts";
import { measuredLog } from "../../src/storage/measured-log.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { readExposition } from "../observe/exposition.ts";

const entry = (index: number) => {
  return { term: 1, index, kind: "normal", data: new Uint8Array(3) } as const;
};

function open(inner = new MemoryLogStore()) {
  const registry = new Registry();
  const meter = new StorageMeter();
  const collect = storageFigures(registry, meter);
  let now = 0;
  const log = measuredLog(inner, meter, () => (now += 4));
  const samples = async (family: string): Promise<Record<string, number>> => {
    collect();
    return Object.fromEntries(readExposition(await registry.metrics()).get(family)!.samples);
  };
  return { inner, log, samples };
}

test("appends, fsyncs, compactions and resets", async () => {
  const { inner, log, samples } = open();
  await log.append({ truncateFrom: undefined, entries: [entry(1), entry(2)] }, true);
  await log.append({ truncateFrom: undefined, entries: [entry(3)] }, false);
  await log.sync();
  await log.compact(2);
  expect(await samples("tq_storage_operations_total")).toEqual({
    'tq_storage_operations_total{op="append"}': 2,
    'tq_storage_operations_total{op="fsync"}': 2,
    'tq_storage_operations_total{op="compact"}': 1,
    'tq_storage_operations_total{op="reset"}': 0,
    'tq_storage_operations_total{op="flush"}': 0,
  });
  expect(await samples("tq_wal_fsync_duration_seconds")).toMatchObject({
    tq_wal_fsync_duration_seconds_count: 2,
    tq_wal_fsync_duration_seconds_sum: 0.008,
  });
  expect([log.base, log.last, log.bytes]).toEqual([inner.base, inner.last, inner.bytes]);
  expect(await log.read(3, 100)).toEqual(await inner.read(3, 100));
  expect(await log.chainAt(3)).toBe(await inner.chainAt(3));
});

test("what fails is told on, and counts for nothing", async () => {
  const { inner, log, samples } = open();
  inner.append = () => Promise.reject(new Error("the disk is gone"));
  const writing = log.append({ truncateFrom: undefined, entries: [entry(1)] }, true);
  await expect(writing).rejects.toThrow("the disk is gone");
  expect(await samples("tq_storage_operations_total")).toMatchObject({
    'tq_storage_operations_total{op="append"}': 0,
    'tq_storage_operations_total{op="fsync"}': 0,
  });
});
