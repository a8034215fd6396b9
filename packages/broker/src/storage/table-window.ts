/**
 * Checks tables on disk through a window: one buffer for all of them, so that nothing is allocated
 * by the megabyte that the collector has to look after, and between two fillings the event loop has
 * its turn. Reads only.
 */
import { type FileHandle, open } from "node:fs/promises";
import { messageOf } from "./storage-error.ts";
import { checkTable, PIECE_BYTES, type Stretch } from "./table-check.ts";

export class TableWindow {
  readonly #buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  /** Where in the table the buffer begins, and how much of it is filled. */
  #from = 0;
  #filled = 0;

  /**
   * What is wrong with a table, or undefined; throws what the disk throws. One call at a time.
   */
  async damageIn(where: string): Promise<string | undefined> {
    const file = await open(where);
    try {
      const { size } = await file.stat();
      this.#filled = 0;
      return await this.#check(file, size);
    } finally {
      await file.close();
    }
  }

  async #check(file: FileHandle, length: number): Promise<string | undefined> {
    const check = checkTable(length);
    let bytes: Buffer | undefined;
    for (;;) {
      let next: IteratorResult<Stretch, void>;
      try {
        next = bytes === undefined ? check.next() : check.next(bytes);
      } catch (error) {
        return messageOf(error);
      }
      if (next.done === true) return undefined;
      bytes = this.#held(next.value) ?? (await this.#read(file, next.value, length));
      if (bytes.length < next.value.size) return "the table has become shorter";
    }
  }

  #held({ offset, size }: Stretch): Buffer | undefined {
    const at = offset - this.#from;
    return at < 0 || at + size > this.#filled ? undefined : this.#buffer.subarray(at, at + size);
  }

  /** Less than was asked for only where the table ends. */
  async #read(file: FileHandle, { offset, size }: Stretch, length: number): Promise<Buffer> {
    // An index of a very large table has to be there as a whole.
    if (size > PIECE_BYTES) {
      const buffer = Buffer.allocUnsafeSlow(size);
      return buffer.subarray(0, await fill(file, buffer, offset));
    }
    this.#filled = 0;
    const buffer = this.#buffer.subarray(0, length - offset);
    this.#filled = await fill(file, buffer, offset);
    this.#from = offset;
    return this.#buffer.subarray(0, Math.min(size, this.#filled));
  }
}

/** How many bytes there were. */
async function fill(file: FileHandle, buffer: Buffer, offset: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const rest = buffer.length - filled;
    const { bytesRead } = await file.read(buffer, filled, rest, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
