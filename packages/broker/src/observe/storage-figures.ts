/**
 * What the disk was asked for since this process started, and how long fsyncs of the log took. No
 * errors: the first one ends the process, so that nobody could ever read of it here.
 */
import { type Counter, Histogram, type Registry } from "prom-client";
import { labelledCounter } from "./families.ts";

export const STORAGE_OPERATIONS = ["append", "fsync", "compact", "reset", "flush"] as const;
export type StorageOperation = (typeof STORAGE_OPERATIONS)[number];

const SECONDS = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Made before there are figures: a node that starts works with its disk long before. */
export class StorageMeter {
  readonly counts: Record<StorageOperation, number> = {
    append: 0,
    fsync: 0,
    compact: 0,
    reset: 0,
    flush: 0,
  };
  #heard: ((ms: number) => void) | undefined;

  done(operation: StorageOperation): void {
    this.counts[operation]++;
  }

  synced(ms: number): void {
    this.counts.fsync++;
    this.#heard?.(ms);
  }

  /** `listener` hears how long each fsync of the log takes from now on. */
  onSynced(listener: (ms: number) => void): void {
    this.#heard = listener;
  }
}

export function storageFigures(registry: Registry, meter: StorageMeter | undefined): () => void {
  if (meter === undefined) return () => {};
  const operations: Counter<"op"> = labelledCounter(
    registry,
    "tq_storage_operations_total",
    "What the disk has done for the log, and flushes of the state.",
    ["op"],
  );
  const fsync = new Histogram({
    name: "tq_wal_fsync_duration_seconds",
    help: "How long fsyncs of the log took, the writes that they went with included.",
    buckets: SECONDS,
    registers: [registry],
  });
  meter.onSynced((ms) => fsync.observe(ms / 1_000));
  return () => {
    operations.reset();
    for (const op of STORAGE_OPERATIONS) operations.inc({ op }, meter.counts[op]);
  };
}
