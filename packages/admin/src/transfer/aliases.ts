/**
 * Ids under which an earlier import, of another export, has made the tasks of this one: their
 * children wait for those. Remembered up to a bound, beyond which such a child is refused.
 */
const ALIASES_MAX = 100_000;

export class Aliases {
  readonly #ids = new Map<string, string>();

  get size(): number {
    return this.#ids.size;
  }

  of(id: string): string {
    return this.#ids.get(id) ?? id;
  }

  add(id: string, made: string): void {
    if (id !== made && this.#ids.size < ALIASES_MAX) this.#ids.set(id, made);
  }
}
