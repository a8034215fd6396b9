/**
 * The queue machine's only door to what is on disk, and the shape of what it asks to be written.
 * Synchronous, because apply is: a machine does at most 64 such reads for one command, and besides
 * up to eight for each task that it is to make: whether the task, its keys, and those who had them
 * are known. Nearly all of these are of what is not there.
 */

export interface RecordReader {
  /**
   * The newest flushed value under `key`, or undefined. A damaged record throws and ends the
   * process: it never means "absent".
   */
  get(key: Uint8Array): Uint8Array | undefined;
}

export interface RecordWrite {
  readonly key: Uint8Array;
  /** undefined = delete. */
  readonly value: Uint8Array | undefined;
}

/**
 * The final value of every record that changed since the last flush, to be written in one atomic,
 * synced batch.
 */
export interface Flush {
  /** State after this log index, exactly. */
  readonly applied: number;
  readonly writes: readonly RecordWrite[];
}
