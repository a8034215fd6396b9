/**
 * Compares keys with bcrypt hashes in a thread of its own, one at a time: a comparison takes tens
 * of milliseconds, and must hold up neither the event loop nor the pool that syncs the disk.
 */
import { Worker } from "node:worker_threads";

/** Plain JavaScript beside `src` and `dist`, because a thread is started from a file. */
const SCRIPT = new URL("../../threads/compare-key.js", import.meta.url);

const ENDED = "the thread that compares keys has ended";

export class KeyThread {
  #worker: Worker | undefined;
  #isClosed = false;
  #answer: ((isRight: boolean) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  /** Must not be called again before it has settled. Rejects when the thread has failed. */
  compare(key: string, hash: string): Promise<boolean> {
    if (this.#isClosed) return Promise.reject(new Error(ENDED));
    this.#worker ??= this.#start();
    const answered = new Promise<boolean>((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
    });
    this.#worker.postMessage({ key, hash });
    return answered;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(SCRIPT, { execArgv: [] });
    worker.on("message", (isRight: boolean) => this.#answer?.(isRight));
    // Once of each: when the end of one that has failed is told, another may have been asked.
    const gone = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#fail?.(error);
    };
    worker.on("error", gone);
    worker.on("exit", () => gone(new Error(ENDED)));
    // It must not keep a broker alive that is about to end.
    worker.unref();
    return worker;
  }
}
