/**
 * The dead letter queue by what its tasks died of: errors of a type that say the same, but for
 * numbers, ids and quoted text. Only tasks that have died since version 3 of the cluster.
 */
import type { ErrorGroupJson, ErrorGroupsJson } from "task-queue-protocol";
import type { ErrorGroup } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { invalid, shown } from "./invalid.ts";
import { ERROR_GROUPS_MAX, LIST_LIMIT_DEFAULT } from "./limits.ts";
import type { Fields } from "./read-fields.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";
import { formatDateTime } from "./rfc3339.ts";

export const ERROR_GROUP_PARAMETERS = ["after", "limit"] as const;

const FINGERPRINT = /^[0-9a-f]{16}$/;

/** In the order of fingerprints; `next` is to be sent as `after`. */
export async function listErrorGroups(
  broker: Broker,
  fields: Fields,
  read: ReadOptions,
): Promise<Answer<ErrorGroupsJson>> {
  const after = fields.string("after");
  if (after !== undefined && !FINGERPRINT.test(after)) {
    throw invalid("after", `${shown(after)} is no fingerprint, which is 16 hex digits`);
  }
  const given = fields.get("limit") ?? LIST_LIMIT_DEFAULT;
  const limit = typeof given === "string" && /^\d{1,9}$/.test(given) ? Number(given) : given;
  if (typeof limit !== "number" || !(limit >= 1 && limit <= ERROR_GROUPS_MAX && limit % 1 === 0)) {
    throw invalid("limit", `allowed is a whole number from 1 to ${ERROR_GROUPS_MAX}`);
  }
  const index = await barrier(broker, read);
  const groups = await broker.errorGroups(after, limit);
  const last = groups.at(-1);
  const next = last === undefined || groups.length < limit ? {} : { next: last.fingerprint };
  return { value: { groups: groups.map(toJson), ...next }, index };
}

function toJson(group: ErrorGroup): ErrorGroupJson {
  const { fingerprint, type, message, count, firstAt, lastAt } = group;
  const times = { first_at: formatDateTime(firstAt), last_at: formatDateTime(lastAt) };
  return { fingerprint, type, message, count, ...times };
}
