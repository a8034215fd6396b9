/**
 * Retry policies as JSON, and the rules for them: of a task, of a type, or of a queue. What is left
 * open stays open; whoever it is asked of fills it in.
 */
import type { RetryJson } from "task-queue-protocol";
import { BACKOFFS, type RetryPolicy } from "../queue/index.ts";
import { checkRange } from "./check-values.ts";
import { invalid, shown } from "./invalid.ts";
import {
  BACKOFF_MULTIPLIER_MAX,
  DURATION_MS_MAX,
  RETRIES_MAX,
  RETRY_DELAYS_MAX,
} from "./limits.ts";
import type { Fields } from "./read-fields.ts";

/** Under `retry`. */
export const RETRY_FIELDS = [
  "backoff",
  "initial_delay_ms",
  "backoff_multiplier",
  "max_delay_ms",
  "delays_ms",
  "jitter",
] as const satisfies readonly (keyof RetryJson)[];

type Wish = Partial<RetryPolicy>;

/** The members of `retry: {…}`; the number of retries is no business of this. */
export function readRetry(retry: Fields | undefined): Wish {
  if (retry === undefined) return {};
  retry.refuseUnknown(RETRY_FIELDS);
  const delaysMs = retry.integers("delays_ms");
  const asked = {
    backoff: retry.oneOf("backoff", BACKOFFS) ?? (delaysMs === undefined ? undefined : "list"),
    initialDelayMs: retry.integer("initial_delay_ms"),
    multiplier: retry.number("backoff_multiplier"),
    maxDelayMs: retry.integer("max_delay_ms"),
    delaysMs,
    ...readJitter(retry),
  };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
}

function readJitter(retry: Fields): Wish {
  const value = retry.get("jitter");
  if (value === undefined) return {};
  if (typeof value === "number" && Number.isFinite(value)) return { jitter: value };
  if (value === "none") return { jitter: 0 };
  if (value === "full" || value === "equal") return { jitterKind: value };
  const allowed = 'allowed is a number from 0 to 1, "none", "full" or "equal"';
  throw invalid(retry.path("jitter"), `${shown(value)} is no jitter; ${allowed}`);
}

/** `prefix`: of field names in messages, such as `tasks[3].`. Throws `TqError`. */
export function checkRetry(retry: Wish, prefix: string): void {
  const { maxRetries, initialDelayMs, multiplier, maxDelayMs, jitter } = retry;
  if (maxRetries !== undefined) checkRange(maxRetries, 0, RETRIES_MAX, `${prefix}max_retries`);
  if (initialDelayMs !== undefined) {
    checkRange(initialDelayMs, 0, DURATION_MS_MAX, `${prefix}retry.initial_delay_ms`);
  }
  if (maxDelayMs !== undefined) {
    checkRange(maxDelayMs, 0, DURATION_MS_MAX, `${prefix}retry.max_delay_ms`);
  }
  if (multiplier !== undefined && !(multiplier >= 1 && multiplier <= BACKOFF_MULTIPLIER_MAX)) {
    const allowed = `allowed is 1 to ${BACKOFF_MULTIPLIER_MAX}`;
    throw invalid(`${prefix}retry.backoff_multiplier`, `${multiplier} is out of range; ${allowed}`);
  }
  if (jitter !== undefined && !(jitter >= 0 && jitter <= 1)) {
    throw invalid(`${prefix}retry.jitter`, `${jitter} is out of range; allowed is 0 to 1`);
  }
  checkDelays(retry, prefix);
}

function checkDelays({ backoff, delaysMs }: Wish, prefix: string): void {
  const field = `${prefix}retry.delays_ms`;
  if (delaysMs === undefined) {
    if (backoff === "list") throw invalid(field, 'backoff "list" needs a list of delays');
    return;
  }
  if (backoff !== "list") throw invalid(field, 'it goes with backoff "list" alone');
  if (delaysMs.length < 1 || delaysMs.length > RETRY_DELAYS_MAX) {
    throw invalid(field, `${delaysMs.length} delays; allowed are 1 to ${RETRY_DELAYS_MAX}`);
  }
  for (const [index, delay] of delaysMs.entries()) {
    checkRange(delay, 0, DURATION_MS_MAX, `${field}[${index}]`);
  }
}

/** What there is of a policy. The backoff that every broker knows goes without saying. */
export function retryToJson(policy: Wish): RetryJson {
  const { backoff, initialDelayMs, multiplier, maxDelayMs, delaysMs, jitterKind, jitter } = policy;
  const json: RetryJson = {};
  if (backoff !== undefined && backoff !== "exponential") json.backoff = backoff;
  if (initialDelayMs !== undefined) json.initial_delay_ms = initialDelayMs;
  if (multiplier !== undefined) json.backoff_multiplier = multiplier;
  if (maxDelayMs !== undefined) json.max_delay_ms = maxDelayMs;
  if (backoff === "list" && delaysMs !== undefined) json.delays_ms = [...delaysMs];
  if (jitterKind === "full" || jitterKind === "equal") json.jitter = jitterKind;
  else if (jitter !== undefined) json.jitter = jitter;
  return json;
}
