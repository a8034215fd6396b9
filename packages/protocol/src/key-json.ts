/** Access keys in calls and in REST: those that the cluster itself keeps. */
import type { Permission } from "./permissions.ts";

/** A key as everybody who may look sees it: without its secret, which nobody keeps. */
export interface AccessKeyJson {
  /** 32 hex digits; the middle of the key itself. */
  id: string;
  name: string;
  permissions: Permission[];
  /** Name of the key that made it. */
  created_by: string;
  created_at: string;
  /** From then on it is refused; absent: it never expires. */
  expires_at?: string;
  /**
   * `ending`: revoked, and still good until it expires. One that has ended is listed until a new
   * one needs its room.
   */
  state: "active" | "ending" | "expired" | "revoked";
}

/** The answer to its making: the one time that the key is shown. */
export interface CreatedKeyJson extends AccessKeyJson {
  /** `tq_<id>_<secret>`. */
  key: string;
}

/** At most one of the two times. */
export interface CreateKeyParams {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  name: string;
  permissions: Permission[];
  /** RFC 3339, in the future. */
  expires_at?: string;
  /** From now. */
  expires_in_ms?: number;
}

export interface RevokeKeyParams {
  id: string;
  /** It is still good for so long, and no longer than it would have been; default 0. */
  grace_ms?: number;
}
