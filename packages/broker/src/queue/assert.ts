/**
 * Assertions stay on in production: a broken invariant stops the process rather than the promise.
 */

export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The compiler proves that a `switch` handled every case; a value that slips through is a bug. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
