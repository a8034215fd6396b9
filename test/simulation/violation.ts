/** A promise was broken: what the whole simulation looks for. Ends the run of its seed. */

export class Violation extends Error {
  /** Name of the invariant, such as `election safety`. */
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.name = "Violation";
    this.invariant = invariant;
  }
}

/** Throws a `Violation` unless `holds`; the detail is only made when it does not. */
export function demand(holds: boolean, invariant: string, detail: () => string): asserts holds {
  if (!holds) throw new Violation(invariant, detail());
}
