/**
 * What an operator says of a queue, as JSON. The whole of it is said each time: what is left out is
 * as it was for a queue that nobody has said anything of. Throws `TqError` naming the field, and
 * then nothing is changed.
 */
import type { QueueSettingsJson, RetentionJson } from "task-queue-protocol";
import {
  GROUP_WEIGHTS_MAX,
  type GroupWeight,
  type QueueSettings,
  type Retention,
  type RetryPolicy,
} from "../queue/index.ts";
import { checkName, checkRange } from "./check-values.ts";
import { invalid } from "./invalid.ts";
import { DURATION_MS_MAX, GROUP_BYTES_MAX, SETTING_MAX, WEIGHT_MAX } from "./limits.ts";
import { Fields } from "./read-fields.ts";
import { checkRetry, readRetry, retryToJson } from "./retry-policy.ts";

export const SETTINGS_FIELDS = [
  "depth_limit",
  "default_ttl_ms",
  "retry",
  "concurrency",
  "key_concurrency",
  "weight",
  "group_weights",
  "dead_letter_queue",
  "retention",
] as const satisfies readonly (keyof QueueSettingsJson)[];

/** In the order of `Retention`. */
const RETENTION_FIELDS = [
  ["age_ms", "ageMs", DURATION_MS_MAX],
  ["dead_age_ms", "deadAgeMs", DURATION_MS_MAX],
  ["count", "count", SETTING_MAX],
  ["bytes", "bytes", SETTING_MAX],
  ["result_age_ms", "resultAgeMs", DURATION_MS_MAX],
  ["log_age_ms", "logAgeMs", DURATION_MS_MAX],
] as const satisfies readonly (readonly [keyof RetentionJson, keyof Retention, number])[];

/** `queue`: whose settings they are. */
export function parseSettings(queue: string, fields: Fields): QueueSettings {
  fields.refuseUnknown(SETTINGS_FIELDS);
  const deadLetterQueue = fields.string("dead_letter_queue") ?? "";
  if (deadLetterQueue !== "") checkName(deadLetterQueue, fields.path("dead_letter_queue"));
  if (deadLetterQueue === queue) {
    throw invalid(fields.path("dead_letter_queue"), "a queue cannot be its own; name another one");
  }
  return {
    depthLimit: count(fields, "depth_limit", SETTING_MAX),
    defaultTtlMs: count(fields, "default_ttl_ms", DURATION_MS_MAX),
    retry: parseRetry(fields),
    concurrency: count(fields, "concurrency", SETTING_MAX),
    groupConcurrency: count(fields, "key_concurrency", SETTING_MAX),
    weight: readWeight(fields, "weight") ?? 1,
    groupWeights: readGroupWeights(fields),
    deadLetterQueue,
    retention: readRetention(fields),
  };
}

/** All that is not as it is by default would be too much to guess: each setting stands there. */
export function settingsToJson(settings: QueueSettings): QueueSettingsJson {
  const { retention } = settings;
  return {
    depth_limit: settings.depthLimit,
    default_ttl_ms: settings.defaultTtlMs,
    retry: policyToJson(settings.retry),
    concurrency: settings.concurrency,
    key_concurrency: settings.groupConcurrency,
    weight: settings.weight,
    group_weights: Object.fromEntries(
      settings.groupWeights.map(({ group, weight }) => [group, weight]),
    ),
    dead_letter_queue: settings.deadLetterQueue,
    retention: Object.fromEntries(
      RETENTION_FIELDS.map(([name, key]) => [name, retention[key]]),
    ) as unknown as RetentionJson,
  };
}

function count(fields: Fields, name: string, max: number): number {
  const value = fields.integer(name) ?? 0;
  checkRange(value, 0, max, fields.path(name));
  return value;
}

function readWeight(fields: Fields, name: string): number | undefined {
  const value = fields.integer(name);
  if (value !== undefined) checkRange(value, 1, WEIGHT_MAX, fields.path(name));
  return value;
}

/** Here `max_retries` stands with the rest of the policy; in a task it stands beside it. */
function parseRetry(fields: Fields): Partial<RetryPolicy> {
  const given = fields.object("retry");
  if (given === undefined) return {};
  const maxRetries = given.integer("max_retries");
  if (maxRetries !== undefined) checkRetry({ maxRetries }, given.path(""));
  const { max_retries: _, ...rest } = given.source as Record<string, unknown>;
  const policy = readRetry(new Fields(rest, given.path("")));
  checkRetry(policy, fields.path(""));
  return maxRetries === undefined ? policy : { ...policy, maxRetries };
}

/** Here a backoff that goes without saying may go before another one of the configuration. */
function policyToJson(policy: Partial<RetryPolicy>): QueueSettingsJson["retry"] {
  const { maxRetries, backoff } = policy;
  return {
    ...(maxRetries === undefined ? {} : { max_retries: maxRetries }),
    ...(backoff === undefined ? {} : { backoff }),
    ...retryToJson(policy),
  };
}

/** As the machine wants them: sorted by group. */
function readGroupWeights(fields: Fields): GroupWeight[] {
  const given = fields.object("group_weights");
  if (given === undefined) return [];
  const names = given.names();
  if (names.length > GROUP_WEIGHTS_MAX) {
    const message = `${names.length} groups; at most ${GROUP_WEIGHTS_MAX} may have a weight`;
    throw invalid(fields.path("group_weights"), message);
  }
  const weights: GroupWeight[] = [];
  for (const group of names) {
    const size = Buffer.byteLength(group);
    if (size < 1 || size > GROUP_BYTES_MAX) {
      const allowed = `the name of a group has 1 to ${GROUP_BYTES_MAX} bytes`;
      throw invalid(fields.path("group_weights"), `${allowed}, not ${size}`);
    }
    weights.push({ group, weight: readWeight(given, group) ?? 1 });
  }
  return weights.sort((a, b) => (a.group < b.group ? -1 : 1));
}

function readRetention(fields: Fields): Retention {
  const given = fields.object("retention");
  given?.refuseUnknown(RETENTION_FIELDS.map(([name]) => name));
  return Object.fromEntries(
    RETENTION_FIELDS.map(([name, key, max]) => [key, given ? count(given, name, max) : 0]),
  ) as unknown as Retention;
}
