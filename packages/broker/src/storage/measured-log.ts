/** A log that says what it is asked for, and how long its fsyncs take; otherwise it is the same. */
import type { LogIndex } from "task-queue-raft";
import type { StorageMeter } from "../observe/storage-figures.ts";
import type { LogBase, LogBatch, LogStore } from "../ports.ts";

/** `now`: monotonic, ms. */
export function measuredLog(log: LogStore, meter: StorageMeter, now: () => number): LogStore {
  const timed = async (work: Promise<void>): Promise<void> => {
    const began = now();
    await work;
    meter.synced(now() - began);
  };
  return {
    get base() {
      return log.base;
    },
    get last() {
      return log.last;
    },
    get bytes() {
      return log.bytes;
    },
    append: async (batch: LogBatch, sync: boolean) => {
      const work = log.append(batch, sync);
      await (sync ? timed(work) : work);
      meter.done("append");
    },
    sync: () => timed(log.sync()),
    read: (from: LogIndex, maxBytes: number) => log.read(from, maxBytes),
    chainAt: (index: LogIndex) => log.chainAt(index),
    compact: async (upTo: LogIndex) => {
      await log.compact(upTo);
      meter.done("compact");
    },
    reset: async (base: LogBase) => {
      await log.reset(base);
      meter.done("reset");
    },
    close: () => log.close(),
  };
}
