/**
 * Somebody who has shown a key, and may do what its permissions say now: connections outlive
 * changes of the configuration, so whoever holds a caller asks again before each verb.
 */
import { TqError } from "task-queue-protocol";
import type { ApiKey } from "../config/api-keys.ts";
import type { Caller } from "../operations/access.ts";
import { PERMISSION_OF, type Verb } from "../operations/permissions.ts";
import type { KeyRates } from "./key-rates.ts";

type Holder = Pick<ApiKey, "name" | "permissions" | "rate">;

export class KeyCaller implements Caller {
  #key: Holder;
  #isWithdrawn = false;
  readonly #rates: KeyRates;

  constructor(key: Holder, rates: KeyRates) {
    this.#key = key;
    this.#rates = rates;
  }

  get name(): string {
    return this.#key.name;
  }

  demand(verb: Verb): void {
    const { name, permissions } = this.#key;
    if (this.#isWithdrawn) {
      throw new TqError(
        "unauthenticated",
        `the key "${name}" is not one of this broker's any more`,
      );
    }
    demandPermission(verb, name, permissions);
  }

  spend(count: number, paid = 0): void {
    const { name, rate } = this.#key;
    if (rate !== undefined) this.#rates.spend(name, rate, count - paid, paid);
  }

  /** The same key has another name, rate or other permissions. */
  change(key: Holder): void {
    this.#key = key;
  }

  /** The key is in the configuration no longer. */
  withdraw(): void {
    this.#isWithdrawn = true;
  }
}

/** Throws `permission_denied` unless the verb is among what is permitted. */
export function demandPermission(verb: Verb, name: string, permissions: readonly string[]): void {
  const needed = PERMISSION_OF[verb];
  if (permissions.includes(needed) || permissions.includes("admin")) return;
  const text = `${verb} needs the permission ${needed}, which the key "${name}" lacks`;
  throw new TqError("permission_denied", text);
}
