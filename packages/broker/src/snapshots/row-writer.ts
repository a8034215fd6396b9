/**
 * Rows on their way into a staged state. While one write is being synced the rows that come gather,
 * and the next write takes them all: on a disk whose fsync is slow a snapshot costs fewer of them,
 * and on a quick one the stream goes on meanwhile.
 */
import type { StagedState, StateRow } from "../ports.ts";
import { rowBytes } from "./format.ts";
import { GATHERED_BYTES_MAX } from "./limits.ts";

export class RowWriter {
  readonly #staged: Pick<StagedState, "write">;
  #gathered: StateRow[] = [];
  #bytes = 0;
  /** Stays when it has failed: nothing is written after that. */
  #writing: Promise<void> | undefined;
  #failed = false;

  constructor(staged: Pick<StagedState, "write">) {
    this.#staged = staged;
  }

  /** Resolves when more may come. Throws what a write before threw. */
  async add(rows: readonly StateRow[]): Promise<void> {
    if (this.#failed) await this.#writing;
    for (const row of rows) {
      this.#gathered.push(row);
      this.#bytes += rowBytes(row);
    }
    this.#begin();
    while (this.#bytes >= GATHERED_BYTES_MAX) await this.#writing;
  }

  /** Resolves when all rows are durable. Throws what a write threw. */
  async written(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Gives up what is not being written yet. */
  async stop(): Promise<void> {
    this.#gathered = [];
    this.#bytes = 0;
    await this.written();
  }

  #begin(): void {
    if (this.#writing !== undefined || this.#gathered.length === 0) return;
    const rows = this.#gathered;
    this.#gathered = [];
    this.#bytes = 0;
    this.#writing = this.#staged.write(rows).then(() => {
      this.#writing = undefined;
      this.#begin();
    });
    // Told to whoever comes next.
    this.#writing.catch(() => {
      this.#failed = true;
    });
  }
}
