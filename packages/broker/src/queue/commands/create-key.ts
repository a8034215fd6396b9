/** `createKey`: somebody may show a new key from now on. */
import { accessKeyId, findAccessKey, hasRoomForAccessKey, putAccessKey } from "../access-keys.ts";
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { CreateKey } from "../command.ts";
import { ACCESS_KEYS_MAX } from "../limits.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";

const OTHER_KEY = refuse("state_conflict", "This id belongs to another key; use a new one.");
const TOO_MANY_KEYS = refuse(
  "state_conflict",
  `There are ${ACCESS_KEYS_MAX} keys in force already; revoke some that nobody needs.`,
);

export function createKey(s: QueueState, command: CreateKey): Reply {
  const { id, name, verifier, permissions, createdBy, expiresAt } = command;
  const known = findAccessKey(s, accessKeyId(id));
  if (known !== undefined) return isSame(known.verifier, verifier) ? DONE_BEFORE : OTHER_KEY;
  if (!hasRoomForAccessKey(s)) return TOO_MANY_KEYS;
  putAccessKey(s, {
    id: id.slice(),
    name,
    verifier: verifier.slice(),
    permissions: [...permissions],
    createdBy,
    createdAt: s.clock,
    expiresAt,
    revoked: false,
  });
  return DONE;
}

/** A copy of the command has the same secret behind it, and nobody else knows that. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
