/** What is counted while tasks go through a cluster, by name. A name that was never added is 0. */
export type Figures = Readonly<Record<string, number>>;

export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string, amount = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + amount);
  }

  /** All that was counted since the last call, in the order of the names. */
  take(): Figures {
    const names = [...this.#counts.keys()].sort();
    const figures = Object.fromEntries(names.map((name) => [name, this.#counts.get(name) ?? 0]));
    this.#counts.clear();
    return figures;
  }
}
