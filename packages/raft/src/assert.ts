/**
 * Checks that stay on in production. A failed one means a bug here, or a disk or a peer that broke
 * its promise: the exception must end the process, because going on could lose committed entries.
 */

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) fail(message);
}

/** For hot paths: the caller tests, so that no message is built while all is well. */
export function fail(message: string): never {
  throw new Error(`raft: ${message}`);
}

/** Ends a `switch` over a union; does not compile when a case is missing. */
export function unreachable(value: never): never {
  throw new Error(`raft: unexpected value ${String(value)}`);
}
