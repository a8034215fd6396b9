/**
 * Expiry, unique key, group, labels and parents of a task, turned into what travels. Whoever says
 * none of it sends none of it, so that older brokers are spoken to as before.
 */
import {
  NO_SUBMIT_EXTRAS,
  type ParentFailureName,
  parseTaskId,
  type SubmitExtras,
  type UniqueConflictName,
} from "task-queue-protocol";
import { invalid, text, toTime, whole } from "./check-options.ts";
import type { TaskDefaults } from "./task-map.ts";

export interface ExtraOptions {
  /** Not begun by then it is expired; milliseconds since 1970 or a Date. */
  readonly expiresAt?: Date | number;
  /** At most one task of the queue has it: while that is live, or for `uniqueForMs`. */
  readonly uniqueKey?: string;
  readonly uniqueForMs?: number;
  /** What becomes of this submit when the key is taken; default `keep`: answered with that task. */
  readonly uniqueConflict?: UniqueConflictName;
  /** Tasks that it waits for: their ids, or handles. At most 1,000. */
  readonly dependsOn?: readonly (string | { readonly id: string })[];
  /** When one of those ends without success; default `fail`. */
  readonly onParentFailure?: ParentFailureName;
}

export function toExtras(options: ExtraOptions & TaskDefaults): SubmitExtras | undefined {
  const { expiresInMs, expiresAt, uniqueKey, group, requiredLabels, dependsOn } = options;
  const said = [expiresInMs, expiresAt, uniqueKey, group, requiredLabels, dependsOn];
  if (uniqueKey === undefined) refuseOrphans(options);
  if (said.every((option) => option === undefined)) return undefined;
  return {
    ...NO_SUBMIT_EXTRAS,
    // Of a time that is given, that of the type is no more than a default.
    expiresInMs: expiresAt === undefined ? whole("expiresInMs", expiresInMs) : 0,
    expiresAt: toTime("expiresAt", expiresAt),
    unique: toUnique(options),
    group: text("group", group),
    requires: requiredLabels ?? [],
    dependsOn: (dependsOn ?? []).map(toParent),
    onParentFailure: options.onParentFailure ?? "fail",
  };
}

function refuseOrphans({ uniqueForMs, uniqueConflict }: ExtraOptions): void {
  if (uniqueForMs !== undefined) throw invalid("uniqueForMs", "it goes with a uniqueKey");
  if (uniqueConflict !== undefined) throw invalid("uniqueConflict", "it goes with a uniqueKey");
}

function toUnique({ uniqueKey, uniqueForMs, uniqueConflict }: ExtraOptions) {
  if (uniqueKey === undefined) return undefined;
  const key = text("uniqueKey", uniqueKey);
  return { key, forMs: whole("uniqueForMs", uniqueForMs), onConflict: uniqueConflict ?? "keep" };
}

function toParent(parent: string | { readonly id: string }, at: number): Uint8Array {
  const id = typeof parent === "string" ? parent : parent.id;
  const bytes = parseTaskId(id);
  if (bytes === undefined) throw invalid(`dependsOn[${at}]`, `"${id}" is no UUID of version 7`);
  return bytes;
}
