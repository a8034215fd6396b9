/**
 * The queue before the thread that compares: which key is compared with which hash next. A key that
 * was right before goes first, so that those who guess hold it up for one comparison at most.
 */
import { TqError } from "task-queue-protocol";
import type { KeyThread } from "./key-thread.ts";
import { WAITING_MAX, WAITING_PER_ADDRESS_MAX } from "./limits.ts";

interface Check {
  readonly key: string;
  readonly address: string;
  /** Hashes that are still to be tried. */
  readonly left: string[];
  readonly found: (hash: string | undefined) => void;
  readonly failed: (error: unknown) => void;
}

export class KeyChecks {
  readonly #thread: Pick<KeyThread, "compare">;
  /** At most one for each hash: who shows the same key waits for the same check. */
  readonly #known: Check[] = [];
  readonly #unknown: Check[] = [];
  #isRunning = false;

  constructor(thread: Pick<KeyThread, "compare">) {
    this.#thread = thread;
  }

  /** The one of the hashes that is the key's. Rejects with `overloaded`. */
  find(key: string, address: string, hashes: Iterable<string>): Promise<string | undefined> {
    const waiting = this.#unknown.length;
    const own = this.#unknown.filter((check) => check.address === address).length;
    if (waiting >= WAITING_MAX || own >= WAITING_PER_ADDRESS_MAX) {
      const why = "too many keys wait to be checked; come again in a moment";
      return Promise.reject(new TqError("overloaded", why));
    }
    return this.#enqueue(this.#unknown, key, address, [...hashes]);
  }

  /** Whether the key still belongs to the hash to which it did before. */
  again(key: string, address: string, hash: string): Promise<string | undefined> {
    return this.#enqueue(this.#known, key, address, [hash]);
  }

  #enqueue(
    queue: Check[],
    key: string,
    address: string,
    left: string[],
  ): Promise<string | undefined> {
    return new Promise((found, failed) => {
      queue.push({ key, address, left, found, failed });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (;;) {
      const queue = this.#known.length > 0 ? this.#known : this.#unknown;
      const check = queue[0];
      if (check === undefined) break;
      const isOver = await this.#step(check);
      if (isOver) queue.shift();
    }
    this.#isRunning = false;
  }

  /** One comparison. True: the check is over. */
  async #step({ key, left, found, failed }: Check): Promise<boolean> {
    const hash = left.shift();
    try {
      const isRight = hash !== undefined && (await this.#thread.compare(key, hash));
      if (!isRight && left.length > 0) return false;
      found(isRight ? hash : undefined);
    } catch (error) {
      failed(error);
    }
    return true;
  }
}
