/**
 * The identity in memory, for tests of what stands on it. It refuses the same changes as the file;
 * nothing outlives the object.
 */
import type { Identity, IdentityStore } from "../ports.ts";
import { checkHardState } from "./identity-store.ts";

export class MemoryIdentityStore implements IdentityStore {
  #identity: Identity;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  get identity(): Identity {
    return this.#identity;
  }

  async save(change: Partial<Identity>): Promise<void> {
    const next = { ...this.#identity, ...change };
    checkHardState(this.#identity, next);
    this.#identity = next;
  }

  async close(): Promise<void> {}
}
