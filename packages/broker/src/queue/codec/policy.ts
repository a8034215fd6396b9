/**
 * Retry policies as bytes: whole ones, as in commands and records, and what a submitter said of
 * one. Each has two forms. The first is all that a program before version 3 knows, and stands
 * wherever it is enough; which form follows is said by what it stands in.
 */
import { DEFAULT_SETTINGS } from "../queue-settings.ts";
import type { Backoff, JitterKind, RetryPolicy } from "../task.ts";
import { BACKOFFS, JITTER_KINDS } from "../task.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

const NO_DELAYS: readonly number[] = [];
const NO_RETRY: Partial<RetryPolicy> = DEFAULT_SETTINGS.retry;
/** What the first form says nothing of. */
export const PLAIN_BACKOFF = {
  backoff: "exponential",
  delaysMs: NO_DELAYS,
  jitterKind: "extra",
} as const;

/** Bits of what a submitter may say. */
const MAX_RETRIES = 1;
const INITIAL_DELAY = 2;
const MULTIPLIER = 4;
const MAX_DELAY = 8;
const JITTER = 16;
const PLAIN_PARTS = 32;
const BACKOFF = 32;
const DELAYS = 64;
const JITTER_KIND = 128;

const RATIO_BYTES = 8;

export type PolicyForm = 1 | 2;

/** The first form can say all of it. */
export function isPlainPolicy({ backoff, jitterKind, delaysMs }: RetryPolicy): boolean {
  return (
    backoff === PLAIN_BACKOFF.backoff &&
    jitterKind === PLAIN_BACKOFF.jitterKind &&
    delaysMs.length === 0
  );
}

/** The same of a wish: it names nothing that the first form does not know. */
export function isPlainWish({ backoff, jitterKind, delaysMs }: Partial<RetryPolicy>): boolean {
  return backoff === undefined && jitterKind === undefined && delaysMs === undefined;
}

export function writePolicy(out: Writer, policy: RetryPolicy, form: PolicyForm): void {
  out.uint(policy.maxRetries);
  out.uint(policy.initialDelayMs);
  out.ratio(policy.multiplier);
  out.uint(policy.maxDelayMs);
  out.ratio(policy.jitter);
  if (form === 1) return;
  out.byte(BACKOFFS.indexOf(policy.backoff));
  out.byte(JITTER_KINDS.indexOf(policy.jitterKind));
  writeDelays(out, policy.delaysMs);
}

/** Of each form the policy read last: most tasks have the same, which is then compared only. */
const newest = new Map<PolicyForm, { readonly bytes: Uint8Array; readonly policy: RetryPolicy }>();

/** The same object for the same bytes, frozen. @throws CodecError */
export function readPolicy(from: Reader, form: PolicyForm): RetryPolicy {
  const known = newest.get(form);
  if (known !== undefined && from.takes(known.bytes)) return known.policy;
  const left = from.left;
  const policy = Object.freeze(decodePolicy(from, form));
  newest.set(form, { bytes: from.since(left), policy });
  return policy;
}

function decodePolicy(from: Reader, form: PolicyForm): RetryPolicy {
  const plain = {
    maxRetries: from.uint(),
    initialDelayMs: from.uint(),
    multiplier: from.ratio(),
    maxDelayMs: from.uint(),
    jitter: from.ratio(),
  };
  if (form === 1) return { ...plain, ...PLAIN_BACKOFF };
  const backoff = readBackoff(from);
  const jitterKind = readJitterKind(from);
  return { ...plain, backoff, jitterKind, delaysMs: readDelays(from) };
}

/** Passes over a policy without looking at it. @throws CodecError */
export function skipPolicy(from: Reader, form: PolicyForm): void {
  from.uint(); // maxRetries
  from.uint(); // initialDelayMs
  from.skip(RATIO_BYTES); // multiplier
  from.uint(); // maxDelayMs
  from.skip(RATIO_BYTES); // jitter
  if (form === 1) return;
  from.skip(2); // backoff, jitterKind
  for (let left = from.count(); left > 0; left--) from.uint(); // delaysMs
}

export function writeWish(out: Writer, retry: Partial<RetryPolicy>, form: PolicyForm): void {
  const { maxRetries, initialDelayMs, multiplier, maxDelayMs, jitter } = retry;
  const { backoff, jitterKind, delaysMs } = retry;
  let given = 0;
  if (maxRetries !== undefined) given |= MAX_RETRIES;
  if (initialDelayMs !== undefined) given |= INITIAL_DELAY;
  if (multiplier !== undefined) given |= MULTIPLIER;
  if (maxDelayMs !== undefined) given |= MAX_DELAY;
  if (jitter !== undefined) given |= JITTER;
  if (form === 2 && backoff !== undefined) given |= BACKOFF;
  if (form === 2 && delaysMs !== undefined) given |= DELAYS;
  if (form === 2 && jitterKind !== undefined) given |= JITTER_KIND;
  out.byte(given);
  if (maxRetries !== undefined) out.uint(maxRetries);
  if (initialDelayMs !== undefined) out.uint(initialDelayMs);
  if (multiplier !== undefined) out.ratio(multiplier);
  if (maxDelayMs !== undefined) out.uint(maxDelayMs);
  if (jitter !== undefined) out.ratio(jitter);
  if (form === 1) return;
  if (backoff !== undefined) out.byte(BACKOFFS.indexOf(backoff));
  if (delaysMs !== undefined) writeDelays(out, delaysMs);
  if (jitterKind !== undefined) out.byte(JITTER_KINDS.indexOf(jitterKind));
}

/** @throws CodecError */
export function readWish(from: Reader, form: PolicyForm): Partial<RetryPolicy> {
  const given = form === 1 ? from.choice(PLAIN_PARTS) : from.byte();
  if (given === 0) return NO_RETRY;
  return {
    ...(given & MAX_RETRIES ? { maxRetries: from.uint() } : {}),
    ...(given & INITIAL_DELAY ? { initialDelayMs: from.uint() } : {}),
    ...(given & MULTIPLIER ? { multiplier: from.ratio() } : {}),
    ...(given & MAX_DELAY ? { maxDelayMs: from.uint() } : {}),
    ...(given & JITTER ? { jitter: from.ratio() } : {}),
    ...(given & BACKOFF ? { backoff: readBackoff(from) } : {}),
    ...(given & DELAYS ? { delaysMs: readDelays(from) } : {}),
    ...(given & JITTER_KIND ? { jitterKind: readJitterKind(from) } : {}),
  };
}

function writeDelays(out: Writer, delaysMs: readonly number[]): void {
  out.uint(delaysMs.length);
  for (const delay of delaysMs) out.uint(delay);
}

function readDelays(from: Reader): readonly number[] {
  const count = from.count();
  if (count === 0) return NO_DELAYS;
  const delays: number[] = [];
  for (let i = 0; i < count; i++) delays.push(from.uint());
  return delays;
}

function readBackoff(from: Reader): Backoff {
  return BACKOFFS[from.choice(BACKOFFS.length)] as Backoff;
}

function readJitterKind(from: Reader): JitterKind {
  return JITTER_KINDS[from.choice(JITTER_KINDS.length)] as JitterKind;
}
