/** What the disk is doing: each piece ends in a call, or in a fault that ends the process. */
export class DiskWork {
  readonly #onFault: (what: string, error: unknown) => void;
  readonly #open = new Set<Promise<void>>();

  constructor(onFault: (what: string, error: unknown) => void) {
    this.#onFault = onFault;
  }

  /** `what` is said of a rejection; resolves when `done` has been called, or the fault told. */
  add<T>(what: string, work: Promise<T>, done: (result: T) => void): Promise<void> {
    const ended = work
      .then(done, (error) => this.#onFault(what, error))
      .finally(() => this.#open.delete(ended));
    this.#open.add(ended);
    return ended;
  }

  /** Resolves when nothing is under way any more. */
  async ended(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }
}
