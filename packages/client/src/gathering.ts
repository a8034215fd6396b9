/** Several that leave together or not at all: whoever arrives waits for the others. */
export class Gathering {
  readonly #leave: () => Promise<void>;
  readonly #left: Promise<void>;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #missing: number;

  /** `leave` is called once all `count` of them are there. */
  constructor(count: number, leave: () => Promise<void>) {
    this.#missing = count;
    this.#leave = leave;
    this.#left = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Called off, it may be that nobody has arrived yet.
    this.#left.catch(() => {});
  }

  arrive(): Promise<void> {
    this.#missing--;
    if (this.#missing === 0) this.#leave().then(this.#resolve, this.#reject);
    return this.#left;
  }

  /** One of them will not come. */
  callOff(error: unknown): void {
    this.#reject(error);
  }
}
