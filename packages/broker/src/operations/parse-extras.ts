/**
 * What a submit in JSON may say since version 3 of the cluster: expiry, unique key, group, labels
 * and parents. Only types are looked at here; the rules are in `check-extras.ts`.
 */
import { parseTaskId } from "task-queue-protocol";
import {
  NO_EXTRAS,
  PARENT_FAILURES,
  TASK_STATES,
  type TaskContent,
  type TaskId,
  UNIQUE_CONFLICTS,
  type Unique,
} from "../queue/index.ts";
import { sortedLabels } from "./check-extras.ts";
import { checkRange } from "./check-values.ts";
import { invalid, shown } from "./invalid.ts";
import { DURATION_MS_MAX } from "./limits.ts";
import type { Fields } from "./read-fields.ts";

export const EXTRA_FIELDS = [
  "expires_at",
  "expires_in_ms",
  "unique_key",
  "unique_for_ms",
  "unique_conflict",
  "group",
  "required_labels",
  "depends_on",
  "on_parent_failure",
] as const;

export type Extras = Pick<TaskContent, keyof typeof NO_EXTRAS>;

/** `exported`: as a broker has shown a task, whose expiry may be over. `now`: cluster time. */
export function readExtras(fields: Fields, exported: boolean, now: number): Extras {
  if (!EXTRA_FIELDS.some((name) => fields.has(name))) return NO_EXTRAS;
  const parents = readParents(fields);
  const dependsOn = waitsNoMore(fields) ? NO_EXTRAS.dependsOn : parents;
  const onFailure = fields.oneOf("on_parent_failure", PARENT_FAILURES) ?? "fail";
  return {
    ...readExpiry(fields, exported, now),
    unique: readUnique(fields),
    group: fields.string("group") ?? "",
    requires: sortedLabels(fields.strings("required_labels") ?? []),
    dependsOn,
    // Without parents it means nothing, and what means the same is the same content.
    onParentFailure: dependsOn.length === 0 ? "fail" : onFailure,
  };
}

/**
 * Is it a copy of a task whose parents have ended? Elsewhere they are not even known. Only its
 * state says so: what else a broker shows stands beside parents that are meant, too.
 */
function waitsNoMore(fields: Fields): boolean {
  if (fields.has("waits_for")) return false;
  const state = fields.get("state");
  return state !== "blocked" && TASK_STATES.some((known) => known === state);
}

/**
 * A broker shows both: when it expires, and what was said of that. A copy of a task is as long as
 * the original was meant to be; one whose time is over has none, like a task that is started again.
 */
function readExpiry(
  fields: Fields,
  exported: boolean,
  now: number,
): Pick<Extras, "expiresInMs" | "expiresAt"> {
  const field = "expires_in_ms";
  const expiresInMs = fields.integer(field);
  if (expiresInMs !== undefined) checkRange(expiresInMs, 1, DURATION_MS_MAX, fields.path(field));
  const time = fields.dateTime("expires_at");
  const isMoot = exported && (expiresInMs !== undefined || (time !== undefined && time <= now));
  // 0 stands for "none", and any instant up to 1970 is as past as the first after it.
  const expiresAt = time === undefined || isMoot ? 0 : Math.max(1, time);
  return { expiresInMs: expiresInMs ?? 0, expiresAt };
}

function readUnique(fields: Fields): Unique | undefined {
  const key = fields.string("unique_key");
  const forMs = fields.integer("unique_for_ms");
  const onConflict = fields.oneOf("unique_conflict", UNIQUE_CONFLICTS);
  if (key !== undefined) return { key, forMs: forMs ?? 0, onConflict: onConflict ?? "keep" };
  const orphan = forMs !== undefined ? "unique_for_ms" : "unique_conflict";
  if (fields.has(orphan)) throw invalid(fields.path(orphan), "it goes with a unique_key");
  return undefined;
}

function readParents(fields: Fields): readonly TaskId[] {
  const texts = fields.strings("depends_on") ?? [];
  if (texts.length === 0) return NO_EXTRAS.dependsOn;
  return texts.map((text, index) => {
    const id = parseTaskId(text);
    if (id !== undefined) return id;
    const field = fields.path(`depends_on[${index}]`);
    throw invalid(field, `${shown(text)} is not a UUID of version 7`);
  });
}
