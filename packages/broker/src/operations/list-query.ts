/**
 * The parameters of a list. They come as texts from a URL and as JSON values from the worker
 * protocol; both are read here by the same rules.
 */

import { didYouMean } from "task-queue-protocol";
import { TASK_STATES, type TaskState } from "../queue/index.ts";
import type { TaskFilter } from "./broker.ts";
import { invalid, shown } from "./invalid.ts";
import { LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from "./limits.ts";
import { decodeCursor, type ListCursor } from "./list-cursor.ts";
import { Fields } from "./read-fields.ts";
import { type ReadOptions, readOptions } from "./read-options.ts";

/** What the words for state, queue, type and tag do not say. */
const TASK_FILTERS = [
  "group",
  "created_from",
  "created_to",
  "finished_from",
  "finished_to",
  "error",
] as const;

export const LIST_PARAMETERS = [
  "status",
  "queue",
  "type",
  "tag",
  ...TASK_FILTERS,
  "limit",
  "cursor",
  "payload",
  "consistency",
] as const;

const FINGERPRINT = /^[0-9a-f]{16}$/;

/** Words that people use for a state. */
const STATE_SYNONYMS: Readonly<Record<string, TaskState>> = {
  failed: "dead",
  dead_letter: "dead",
  delayed: "scheduled",
};

export interface ListQuery {
  readonly filter: TaskFilter;
  readonly limit: number;
  readonly cursor: ListCursor | undefined;
  readonly payload: boolean;
  readonly read: ReadOptions;
}

/** `only` lists the parameters that this list takes. */
export function parseListQuery(
  input: unknown,
  minIndex?: number,
  only: readonly string[] = LIST_PARAMETERS,
): ListQuery {
  const fields = Fields.of(input, "parameters");
  fields.refuseUnknown(only);
  const cursor = fields.string("cursor");
  return {
    filter: readFilter(fields),
    limit: readLimit(fields),
    cursor: cursor === undefined ? undefined : decodeCursor(cursor),
    payload: readFlag(fields, "payload"),
    read: readOptions(fields, minIndex),
  };
}

export const FILTER_FIELDS = ["status", "queue", "type", "tag", ...TASK_FILTERS] as const;

/** Which tasks; nothing that is absent filters. */
export function readFilter(fields: Fields): TaskFilter {
  const error = fields.string("error");
  if (error !== undefined && !FINGERPRINT.test(error)) {
    throw invalid(fields.path("error"), "the fingerprint of an error is 16 hex digits");
  }
  return {
    state: readState(fields),
    queue: fields.string("queue"),
    type: fields.string("type"),
    tag: fields.string("tag"),
    group: fields.string("group"),
    createdFrom: fields.dateTime("created_from"),
    createdTo: fields.dateTime("created_to"),
    finishedFrom: fields.dateTime("finished_from"),
    finishedTo: fields.dateTime("finished_to"),
    error,
  };
}

function readState(fields: Fields): TaskState | undefined {
  const name = fields.string("status");
  if (name === undefined) return undefined;
  const state = TASK_STATES.find((candidate) => candidate === name);
  if (state !== undefined) return state;
  if (Object.hasOwn(STATE_SYNONYMS, name)) return STATE_SYNONYMS[name];
  const known = [...TASK_STATES, ...Object.keys(STATE_SYNONYMS)];
  const guess = didYouMean(name, known);
  throw invalid(fields.path("status"), `${shown(name)} is none of ${known.join(", ")}.${guess}`);
}

function readLimit(fields: Fields): number {
  const value = fields.get("limit");
  if (value === undefined) return LIST_LIMIT_DEFAULT;
  const limit = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= LIST_LIMIT_MAX) {
    return limit as number;
  }
  const allowed = `allowed is a whole number from 1 to ${LIST_LIMIT_MAX}`;
  throw invalid("limit", `${shown(value)} is out of range; ${allowed}`);
}

function readFlag(fields: Fields, name: string): boolean {
  const value = fields.get(name);
  if (value === undefined || value === false || value === "false") return false;
  if (value === true || value === "true") return true;
  throw invalid(name, `true or false is expected, not ${shown(value)}`);
}
