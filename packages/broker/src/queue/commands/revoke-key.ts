/** `revokeKey`: a key ends, at once or at a time to come. Never later than it would have. */
import { hasEnded } from "../access-key.ts";
import { accessKeyId, findAccessKey, putAccessKey } from "../access-keys.ts";
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { RevokeKey } from "../command.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";

const NO_KEY = refuse("not_found", "There is no key with this id.");

export function revokeKey(s: QueueState, { id, at }: RevokeKey): Reply {
  const key = findAccessKey(s, accessKeyId(id));
  if (key === undefined) return NO_KEY;
  if (hasEnded(key, s.clock)) return DONE_BEFORE;
  const end = Math.max(at, s.clock);
  const expiresAt = key.expiresAt === 0 ? end : Math.min(key.expiresAt, end);
  if (key.revoked && expiresAt === key.expiresAt) return DONE_BEFORE;
  putAccessKey(s, { ...key, expiresAt, revoked: true });
  return DONE;
}
