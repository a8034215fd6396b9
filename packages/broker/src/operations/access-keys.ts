/**
 * Keys that the cluster keeps: made, listed and revoked while it runs, and in force on every node
 * as soon as that has applied the entry. The first of them is made by somebody with a key of the
 * configuration.
 */
import { type AccessKeyJson, type CreatedKeyJson, didYouMean, TqError } from "task-queue-protocol";
import { type AccessKey, accessKeyId, type ClusterTime, hasEnded } from "../queue/index.ts";
import { ANYBODY, type Caller } from "./access.ts";
import type { Broker } from "./broker.ts";
import { checkRange } from "./check-values.ts";
import { invalid } from "./invalid.ts";
import { drawKey, KEY_NAME } from "./key-text.ts";
import { DURATION_MS_MAX } from "./limits.ts";
import { perform } from "./perform.ts";
import { PERMISSIONS, type Permission } from "./permissions.ts";
import { readAfter } from "./read-back.ts";
import type { Fields } from "./read-fields.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";
import { formatDateTime } from "./rfc3339.ts";

export const KEY_FIELDS = ["name", "permissions", "expires_at", "expires_in_ms"] as const;

const KEY_ID = /^[0-9a-f]{32}$/;

/** The answer is the one time that the key is shown. */
export async function createKey(
  broker: Broker,
  fields: Fields,
  caller: Caller,
): Promise<Answer<CreatedKeyJson>> {
  fields.refuseUnknown(KEY_FIELDS);
  // What a stranger left behind would be good the day that keys are turned on.
  if (caller === ANYBODY) {
    const message = "nobody is asked for a key here; turn on auth.enabled first";
    throw new TqError("state_conflict", message);
  }
  const name = readName(fields);
  const permissions = readPermissions(fields);
  const expiresAt = readExpiry(fields, broker.clock());
  const { id, text, verifier } = drawKey();
  const createdBy = caller.name;
  const key = { id, name, verifier, permissions, createdBy, expiresAt };
  const { index } = await perform(broker, { type: "createKey", ...key });
  const answer = await readAfter(broker, index, () => broker.accessKey(accessKeyId(id)));
  return { value: { key: text, ...toJson(found(answer.value), broker.clock()) }, index };
}

/** Those that have ended included, as long as they are remembered. */
export async function listKeys(
  broker: Broker,
  read: ReadOptions,
): Promise<Answer<{ keys: AccessKeyJson[] }>> {
  const index = await barrier(broker, read);
  const now = broker.clock();
  return { value: { keys: broker.accessKeys().map((key) => toJson(key, now)) }, index };
}

/** It ends now, or after `graceMs`. It never ends later than it would have. */
export async function revokeKey(
  broker: Broker,
  id: unknown,
  graceMs = 0,
): Promise<Answer<AccessKeyJson>> {
  checkRange(graceMs, 0, DURATION_MS_MAX, "grace_ms");
  if (typeof id !== "string" || !KEY_ID.test(id)) throw noSuchKey();
  const at = graceMs === 0 ? 0 : broker.clock() + graceMs;
  const command = { type: "revokeKey", id: Uint8Array.from(Buffer.from(id, "hex")), at } as const;
  const { index } = await perform(broker, command);
  const answer = await readAfter(broker, index, () => broker.accessKey(id));
  return { value: toJson(found(answer.value), broker.clock()), index: answer.index };
}

export function isInForce(key: AccessKey, now: ClusterTime): boolean {
  return !hasEnded(key, now);
}

function readName(fields: Fields): string {
  const name = fields.string("name") ?? "";
  if (KEY_NAME.test(name)) return name;
  // Not repeated: somebody may have put the key itself there.
  throw invalid(fields.path("name"), "1 to 64 of A-Z a-z 0-9 . _ - are needed");
}

function readPermissions(fields: Fields): readonly Permission[] {
  const given = fields.strings("permissions") ?? [];
  const known = PERMISSIONS.join(", ");
  if (given.length === 0) throw invalid(fields.path("permissions"), `one or more of ${known}`);
  given.forEach((text, at) => {
    if (PERMISSIONS.some((permission) => permission === text)) return;
    const guess = didYouMean(text, PERMISSIONS);
    throw invalid(fields.path(`permissions[${at}]`), `this is none of ${known}.${guess}`);
  });
  return PERMISSIONS.filter((permission) => given.includes(permission));
}

/** 0 = never. */
function readExpiry(fields: Fields, now: ClusterTime): ClusterTime {
  const at = fields.dateTime("expires_at");
  const inMs = fields.integer("expires_in_ms");
  if (at !== undefined && inMs !== undefined) {
    throw invalid(fields.path("expires_at"), "either expires_at or expires_in_ms, not both");
  }
  if (inMs !== undefined) checkRange(inMs, 1, DURATION_MS_MAX, fields.path("expires_in_ms"));
  if (at === undefined) return inMs === undefined ? 0 : now + inMs;
  if (at <= now) throw invalid(fields.path("expires_at"), "this is over; say a time to come");
  if (at <= now + DURATION_MS_MAX) return at;
  throw invalid(fields.path("expires_at"), "more than ten years ahead; leave it out for ever");
}

function toJson(key: AccessKey, now: ClusterTime): AccessKeyJson {
  return {
    id: accessKeyId(key.id),
    name: key.name,
    permissions: [...key.permissions] as Permission[],
    created_by: key.createdBy,
    created_at: formatDateTime(key.createdAt),
    ...(key.expiresAt === 0 ? {} : { expires_at: formatDateTime(key.expiresAt) }),
    state: stateOf(key, now),
  };
}

function stateOf(key: AccessKey, now: ClusterTime): AccessKeyJson["state"] {
  if (!hasEnded(key, now)) return key.revoked ? "ending" : "active";
  return key.revoked ? "revoked" : "expired";
}

function found(key: AccessKey | undefined): AccessKey {
  if (key === undefined) throw noSuchKey();
  return key;
}

/** What was asked for is not repeated: it may be a whole key. */
function noSuchKey(): TqError {
  const message = "there is no key with this id, which is 32 hex digits: the middle of the key";
  return new TqError("not_found", message, { field: "id" });
}
