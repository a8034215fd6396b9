/** Keys with which callers show who they are, as far as the cluster itself keeps them. */
import type { ClusterTime } from "./task.ts";

export interface AccessKey {
  /** 16 bytes; part of what the caller shows, and no secret. */
  readonly id: Uint8Array;
  /** Names are for people; two keys may have the same one. */
  readonly name: string;
  /** What the secret is checked against; the machine only keeps it. */
  readonly verifier: Uint8Array;
  /** Names of what it permits; the machine only keeps them. */
  readonly permissions: readonly string[];
  /** Who made it. */
  readonly createdBy: string;
  readonly createdAt: ClusterTime;
  /** From here on it is of no use; 0 = never. */
  readonly expiresAt: ClusterTime;
  /** It was revoked, perhaps with effect from a later `expiresAt` on. */
  readonly revoked: boolean;
}

/** Whether it has come to its end as of `clock`. */
export function hasEnded({ expiresAt }: AccessKey, clock: ClusterTime): boolean {
  return expiresAt > 0 && expiresAt <= clock;
}
