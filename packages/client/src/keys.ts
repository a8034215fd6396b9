/**
 * Access keys that the cluster keeps. A new one is asked for once: when the answer is lost, so is
 * the key, and whether it was made can be seen in the list.
 */
import type {
  AccessKeyJson,
  CreatedKeyJson,
  CreateKeyParams,
  Permission,
  RevokeKeyParams,
} from "task-queue-protocol";

export interface KeyOptions {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly name: string;
  readonly permissions: readonly Permission[];
  /** At most one of the two; default: it never expires. */
  readonly expiresAt?: Date | undefined;
  readonly expiresInMs?: number | undefined;
}

/** What keys need of the client. */
export interface KeyCalls {
  create(params: CreateKeyParams): Promise<CreatedKeyJson>;
  list(): Promise<AccessKeyJson[]>;
  revoke(params: RevokeKeyParams): Promise<AccessKeyJson>;
}

export class Keys {
  readonly #calls: KeyCalls;

  constructor(calls: KeyCalls) {
    this.#calls = calls;
  }

  /** The answer is the one time that the key is shown. */
  create({ name, permissions, expiresAt, expiresInMs }: KeyOptions): Promise<CreatedKeyJson> {
    return this.#calls.create({
      name,
      permissions: [...permissions],
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt.toISOString() }),
      ...(expiresInMs === undefined ? {} : { expires_in_ms: expiresInMs }),
    });
  }

  /** Those that have ended included, as long as they are remembered. */
  list(): Promise<AccessKeyJson[]> {
    return this.#calls.list();
  }

  /** In force on each node as soon as that has applied it. `graceMs`: it is good for so long. */
  revoke(id: string, { graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<AccessKeyJson> {
    return this.#calls.revoke({ id, grace_ms: graceMs });
  }
}
