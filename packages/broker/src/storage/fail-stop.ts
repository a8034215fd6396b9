/**
 * Makes a store unusable from its first error on. LevelDB 1.20 goes on after a failed write: it
 * acknowledges the following ones and drops them when it is opened again, because the failed
 * write has shifted the framing of its log. So no write after an error may ever be tried.
 */
import { AssertionError } from "node:assert/strict";
import {
  messageOf,
  StorageDamage,
  StorageFault,
  StorageStopped,
  type StoreName,
} from "./storage-error.ts";

export class FailStop {
  readonly #store: StoreName;
  #first: Error | undefined;

  constructor(store: StoreName) {
    this.#store = store;
  }

  /** The error that stopped the store. */
  get first(): Error | undefined {
    return this.#first;
  }

  /** Throws `StorageStopped` if there has been an error. */
  check(): void {
    if (this.#first !== undefined) {
      throw new StorageStopped(this.#store, this.#first);
    }
  }

  /**
   * Remembers the first error and returns what to throw for this one. An assertion says that the
   * caller is wrong, found before anything was written: the disk is as sound as before.
   */
  trip(operation: string, error: unknown): Error {
    if (error instanceof AssertionError) {
      return error;
    }
    if (this.#first !== undefined) {
      return new StorageStopped(this.#store, this.#first);
    }
    this.#first = isOurs(error) ? error : this.#sorted(operation, error);
    return this.#first;
  }

  /** LevelDB found by itself that bytes are not what they were. */
  #sorted(operation: string, error: unknown): Error {
    if ((error as { readonly code?: unknown }).code !== "LEVEL_CORRUPTION") {
      return new StorageFault(this.#store, operation, error);
    }
    return new StorageDamage(this.#store, { what: messageOf(error), where: operation }, error);
  }

  /** Runs one operation; any error trips. */
  async run<T>(operation: string, action: () => Promise<T>): Promise<T> {
    this.check();
    try {
      return await action();
    } catch (error) {
      throw this.trip(operation, error);
    }
  }

  /** The same for a synchronous operation. */
  runSync<T>(operation: string, action: () => T): T {
    this.check();
    try {
      return action();
    } catch (error) {
      throw this.trip(operation, error);
    }
  }
}

function isOurs(error: unknown): error is StorageDamage | StorageFault {
  return error instanceof StorageDamage || error instanceof StorageFault;
}
