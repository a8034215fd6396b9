/**
 * Somebody who has shown a key, and may do what its permissions say now: connections outlive
 * changes of the configuration, so whoever holds a caller asks again before each verb.
 */
import { TqError } from "task-queue-protocol";
import type { ApiKey } from "../config/api-keys.ts";
import type { Caller } from "../operations/access.ts";
import { PERMISSION_OF, type Verb } from "../operations/permissions.ts";

export class KeyCaller implements Caller {
  #key: Pick<ApiKey, "name" | "permissions">;
  #isWithdrawn = false;

  constructor(key: Pick<ApiKey, "name" | "permissions">) {
    this.#key = key;
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
    const needed = PERMISSION_OF[verb];
    if (permissions.includes(needed) || permissions.includes("admin")) return;
    const text = `${verb} needs the permission ${needed}, which the key "${name}" lacks`;
    throw new TqError("permission_denied", text);
  }

  /** The same key has another name or other permissions. */
  change(key: Pick<ApiKey, "name" | "permissions">): void {
    this.#key = key;
  }

  /** The key is in the configuration no longer. */
  withdraw(): void {
    this.#isWithdrawn = true;
  }
}
