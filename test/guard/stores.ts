/**
 * Disks in memory that take their time and count: what a real one would have been asked to write,
 * and to fsync. What stands on them is the real persister and the real flush.
 */
import type {
  FlushMark,
  Identity,
  LogBatch,
  StateDirectory,
} from "../../packages/broker/src/ports.ts";
import type { Flush } from "../../packages/broker/src/queue/records.ts";
import { MemoryIdentityStore } from "../../packages/broker/src/storage/memory-identity-store.ts";
import { MemoryLogStore } from "../../packages/broker/src/storage/memory-log-store.ts";
import { MemoryStateDirectory } from "../../packages/broker/src/storage/memory-state-directory.ts";
import { MemoryStateStore } from "../../packages/broker/src/storage/memory-state-store.ts";
import type { Tally } from "./tally.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** One write and its fsync. */
const DISK_MS = 1;

/** Whose disk it is, in the names of the figures: `leader`, or `followers`, which are two. */
export type Owner = () => string;

export class CountedLog extends MemoryLogStore {
  readonly #time: VirtualTime;
  readonly #tally: Tally;
  readonly #owner: Owner;

  constructor(time: VirtualTime, tally: Tally, owner: Owner) {
    super();
    this.#time = time;
    this.#tally = tally;
    this.#owner = owner;
  }

  override async append(batch: LogBatch, sync: boolean): Promise<void> {
    await super.append(batch, sync);
    const owner = this.#owner();
    this.#tally.add(`log writes, ${owner}`);
    if (sync) this.#tally.add(`log fsyncs, ${owner}`);
    for (const { data } of batch.entries) {
      this.#tally.add(`log entries, ${owner}`);
      this.#tally.add(`log bytes, ${owner}`, data.length);
    }
    await this.#time.elapsed(DISK_MS);
  }

  override async sync(): Promise<void> {
    await super.sync();
    this.#tally.add(`log fsyncs, ${this.#owner()}`);
    await this.#time.elapsed(DISK_MS);
  }
}

class CountedState extends MemoryStateStore {
  readonly #time: VirtualTime;
  readonly #tally: Tally;
  readonly #owner: Owner;

  constructor(time: VirtualTime, tally: Tally, owner: Owner) {
    super();
    this.#time = time;
    this.#tally = tally;
    this.#owner = owner;
  }

  override async flush(flush: Flush, mark: FlushMark): Promise<void> {
    await super.flush(flush, mark);
    const owner = this.#owner();
    this.#tally.add(`state fsyncs, ${owner}`);
    this.#tally.add(`state records, ${owner}`, flush.writes.length);
    for (const { key, value } of flush.writes) {
      this.#tally.add(`state bytes, ${owner}`, key.length + (value?.length ?? 0));
    }
    await this.#time.elapsed(DISK_MS);
  }
}

export function countedStates(time: VirtualTime, tally: Tally, owner: Owner): StateDirectory {
  return new MemoryStateDirectory(new CountedState(time, tally, owner));
}

export class CountedIdentity extends MemoryIdentityStore {
  readonly #tally: Tally;
  readonly #owner: Owner;

  constructor(identity: Identity, tally: Tally, owner: Owner) {
    super(identity);
    this.#tally = tally;
    this.#owner = owner;
  }

  override async save(change: Partial<Identity>): Promise<void> {
    await super.save(change);
    this.#tally.add(`identity fsyncs, ${this.#owner()}`);
  }
}
