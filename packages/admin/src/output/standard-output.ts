/**
 * Standard output of the process. `tq-admin list | head` closes the pipe early, which is no fault;
 * whoever waits for its writes is told of it instead, and is never ahead of a slow reader.
 */
import type { Writable } from "node:stream";

const CLOSED_EARLY = 0;
const FAILED = 1;

export class StandardOutput {
  readonly #stream: Writable;
  #isAwaited = false;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** From now on a failure that nobody waits for ends the process. */
  guard(exit: (status: number) => void): void {
    this.#stream.on("error", (error: NodeJS.ErrnoException) => {
      if (!this.#isAwaited) exit(error.code === "EPIPE" ? CLOSED_EARLY : FAILED);
    });
  }

  write(text: string): void {
    this.#stream.write(text);
  }

  /** Done once it was taken; rejects when it was not. */
  writeAll(content: string | Uint8Array): Promise<void> {
    this.#isAwaited = true;
    return new Promise((resolve, reject) => {
      this.#stream.write(content, (error) => (error ? reject(error) : resolve()));
    });
  }
}
