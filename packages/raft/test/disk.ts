/**
 * A disk for tests: batches are handed over, complete later and in order, and are lost by a crash
 * unless they were complete. It keeps the whole log, so that any recovery point can be tried.
 */
import type {
  Entry,
  EntryId,
  HardState,
  Membership,
  PersistBatch,
  RecoveredLog,
} from "../src/index.ts";

export class Disk {
  hardState: HardState = { term: 0, vote: undefined };
  /** On disk for good; entry i stands at i - 1. */
  durable: Entry[] = [];
  /** As the node sees it: with all that it has handed over. */
  current: Entry[] = [];
  #pending: PersistBatch[] = [];
  /** Batches of `#pending` that were confirmed as written, but not as durable. */
  #written = 0;
  readonly #membership: Membership;

  constructor(membership: Membership) {
    this.#membership = membership;
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** The oldest batch that is not complete. */
  get nextSeq(): number | undefined {
    return this.#pending[0]?.seq;
  }

  /** A log with entries of these terms is there from the start. */
  found(terms: readonly number[], term: number): void {
    this.durable = terms.map((of, at) => {
      return { term: of, index: at + 1, kind: "normal", data: bytes(`${of}.${at + 1}`) };
    });
    this.current = [...this.durable];
    this.hardState = { term, vote: undefined };
  }

  write(batch: PersistBatch): void {
    this.#pending.push(batch);
    this.current = applied(this.current, batch);
  }

  /** Finishes up to `count` batches. Returns those to be confirmed now. */
  complete(count: number, isDurable: boolean): PersistBatch[] {
    if (!isDurable) {
      const batches = this.#pending.slice(this.#written, this.#written + count);
      this.#written += batches.length;
      return batches;
    }
    const batches = this.#pending.splice(0, count);
    this.#written = Math.max(0, this.#written - batches.length);
    for (const batch of batches) {
      if (batch.hardState !== undefined) this.hardState = batch.hardState;
      this.durable = applied(this.durable, batch);
    }
    return batches;
  }

  crash(): void {
    this.#pending = [];
    this.#written = 0;
    this.current = [...this.durable];
  }

  /** What a node finds that starts here; its tail begins right behind `applied`. */
  recover(applied: number): {
    hardState: HardState;
    membership: Membership;
    log: RecoveredLog;
  } {
    const log = { prev: this.#idAt(applied), tail: this.durable.slice(applied) };
    return { hardState: this.hardState, membership: this.#membership, log };
  }

  read(from: number, count = Number.MAX_SAFE_INTEGER): { prev: EntryId; entries: Entry[] } {
    return { prev: this.#idAt(from - 1), entries: this.durable.slice(from - 1, from - 1 + count) };
  }

  #idAt(index: number): EntryId {
    return { term: this.durable[index - 1]?.term ?? 0, index };
  }
}

/** The log after a batch; throws when the batch does not fit on it. */
function applied(log: readonly Entry[], batch: PersistBatch): Entry[] {
  const kept = batch.truncateFrom === undefined ? [...log] : log.slice(0, batch.truncateFrom - 1);
  for (const entry of batch.entries) {
    if (entry.index !== kept.length + 1) {
      throw new Error(`batch ${batch.seq} puts entry ${entry.index} behind ${kept.length}`);
    }
    kept.push(entry);
  }
  return kept;
}

export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

export function encodeMembership({ voters, learners }: Membership): Uint8Array {
  return bytes(`${voters.join(",")};${learners.join(",")}`);
}

export function decodeMembership(data: Uint8Array): Membership {
  const [voters = "", learners = ""] = String.fromCharCode(...data).split(";");
  const list = (text: string) => text.split(",").filter((id) => id !== "");
  return { voters: list(voters), learners: list(learners) };
}
