/** Who asks, and whether they may: what every door asks before it performs a verb. */
import type { Verb } from "./permissions.ts";

/** Somebody who showed a valid key, or anybody where keys are not asked for. */
export interface Caller {
  /** Name of the key; "anonymous" where none was asked for. */
  readonly name: string;
  /** Throws `TqError` with `permission_denied` unless this caller may do it. */
  demand(verb: Verb): void;
}

export interface Access {
  /**
   * Whose key this is. `key` is what was sent, undefined if nothing was; `address` is the peer's,
   * without its port. Rejects with `TqError`: `unauthenticated`; `rate_limited` when too many wrong
   * keys came from there; `overloaded` when too many keys wait to be checked.
   */
  identify(key: string | undefined, address: string): Promise<Caller>;
}

const ANYBODY: Caller = { name: "anonymous", demand() {} };

/** Where `auth.enabled` is false. */
export const OPEN_ACCESS: Access = { identify: async () => ANYBODY };
