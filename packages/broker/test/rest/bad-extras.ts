/** Bad values of what a submit may say since version 3 of the cluster, and what is said of each. */
import { START } from "../operations/fake-broker.ts";

const ID = "019d42b3-1400-7000-8000-000000000001";
const DURATION = "allowed is a whole number from 0 to 315360000000";
const AT_LEAST_1 = "allowed is a whole number from 1 to 315360000000";
const LABEL = "is not a label; allowed is key=value, the key 1 to 100 of A-Z a-z 0-9 . _ / -";
const JITTER = 'allowed is a number from 0 to 1, "none", "full" or "equal"';
const BACKOFFS = "is none of exponential, linear, fixed, list.";

export type BadValue = readonly [field: string, change: object, detail: string];

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${ID.slice(0, -4)}${`${i}`.padStart(4, "0")}`);
}

export const BAD_EXTRAS: readonly BadValue[] = [
  ["expires_at", { expires_at: START }, `expires_at: text is expected, not a number (${START})`],
  [
    "expires_at",
    { expires_at: new Date(START).toISOString() },
    "expires_at: it is in the past: the task would never run",
  ],
  [
    "expires_at",
    { expires_at: "1969-01-01T00:00:00Z" },
    "expires_at: it is in the past: the task would never run",
  ],
  ["expires_at", { expires_at: "2036-04-30T00:00:00Z" }, "expires_at: more than ten years ahead"],
  [
    "expires_at",
    { expires_at: "2026-04-01T00:00:00Z", expires_in_ms: 5 },
    "expires_at: either expires_at or expires_in_ms, not both",
  ],
  ["expires_in_ms", { expires_in_ms: 0 }, `expires_in_ms: 0 is out of range; ${AT_LEAST_1}`],
  [
    "expires_in_ms",
    { expires_in_ms: 315_360_000_001 },
    `expires_in_ms: 315360000001 is out of range; ${AT_LEAST_1}`,
  ],
  [
    "expires_in_ms",
    { expires_in_ms: "1h" },
    'expires_in_ms: a whole number is expected, not text ("1h")',
  ],
  ["unique_key", { unique_key: 5 }, "unique_key: text is expected, not a number (5)"],
  ["unique_key", { unique_key: "" }, "unique_key: an empty key is none"],
  ["unique_key", { unique_key: "x".repeat(256) }, "unique_key: 256 bytes; at most 255 are allowed"],
  ["unique_key", { unique_key: "a\nb" }, "unique_key: control characters are not allowed"],
  ["unique_for_ms", { unique_for_ms: 5 }, "unique_for_ms: it goes with a unique_key"],
  [
    "unique_for_ms",
    { unique_key: "k", unique_for_ms: -1 },
    `unique_for_ms: -1 is out of range; ${DURATION}`,
  ],
  ["unique_conflict", { unique_conflict: "keep" }, "unique_conflict: it goes with a unique_key"],
  [
    "unique_conflict",
    { unique_key: "k", unique_conflict: "replac" },
    'unique_conflict: "replac" is none of keep, replace, reject. Did you mean "replace"?',
  ],
  ["group", { group: [] }, "group: text is expected, not a list"],
  ["group", { group: "é".repeat(128) }, "group: 256 bytes; at most 255 are allowed"],
  ["group", { group: "\u0000" }, "group: control characters are not allowed"],
  [
    "required_labels",
    { required_labels: { zone: "a" } },
    "required_labels: a list of texts is expected, not an object",
  ],
  [
    "required_labels[1]",
    { required_labels: ["a=b", "zone"] },
    `required_labels[1]: "zone" ${LABEL}`,
  ],
  ["required_labels[0]", { required_labels: ["=a"] }, `required_labels[0]: "=a" ${LABEL}`],
  [
    "required_labels[1]",
    { required_labels: ["zone=a", "zone=b"] },
    'required_labels[1]: "zone" is required twice',
  ],
  [
    "required_labels",
    { required_labels: Array.from({ length: 21 }, (_, i) => `k${i}=v`) },
    "required_labels: 21 labels; at most 20 are allowed",
  ],
  ["depends_on", { depends_on: ID }, `depends_on: a list of texts is expected, not text ("${ID}")`],
  ["depends_on[1]", { depends_on: [ID, 5] }, "depends_on[1]: text is expected, not a number (5)"],
  ["depends_on[0]", { depends_on: ["x"] }, 'depends_on[0]: "x" is not a UUID of version 7'],
  ["depends_on[1]", { depends_on: [ID, ID] }, "depends_on[1]: this parent stands there twice"],
  ["depends_on", { depends_on: ids(1001) }, "depends_on: 1001 parents; at most 1000 are allowed"],
  [
    "on_parent_failure",
    { depends_on: [ID], on_parent_failure: "stop" },
    'on_parent_failure: "stop" is none of fail, cancel, continue.',
  ],
  ["retry.backoff", { retry: { backoff: "cubic" } }, `retry.backoff: "cubic" ${BACKOFFS}`],
  [
    "retry.delays_ms",
    { retry: { backoff: "list" } },
    'retry.delays_ms: backoff "list" needs a list of delays',
  ],
  [
    "retry.delays_ms",
    { retry: { backoff: "fixed", delays_ms: [1] } },
    'retry.delays_ms: it goes with backoff "list" alone',
  ],
  [
    "retry.delays_ms",
    { retry: { delays_ms: [] } },
    "retry.delays_ms: 0 delays; allowed are 1 to 100",
  ],
  [
    "retry.delays_ms",
    { retry: { delays_ms: new Array(101).fill(1) } },
    "retry.delays_ms: 101 delays; allowed are 1 to 100",
  ],
  [
    "retry.delays_ms[1]",
    { retry: { delays_ms: [1, "2"] } },
    'retry.delays_ms[1]: a whole number is expected, not text ("2")',
  ],
  [
    "retry.delays_ms[0]",
    { retry: { delays_ms: [-1] } },
    `retry.delays_ms[0]: -1 is out of range; ${DURATION}`,
  ],
  ["retry.jitter", { retry: { jitter: "half" } }, `retry.jitter: "half" is no jitter; ${JITTER}`],
];

/** The largest of each that is taken. */
export const LARGEST_EXTRAS: readonly object[] = [
  { expires_at: "2036-03-28T08:00:00Z" },
  { expires_in_ms: 315_360_000_000 },
  { expires_in_ms: 1 },
  { unique_key: "x".repeat(255), unique_for_ms: 315_360_000_000, unique_conflict: "reject" },
  { unique_key: "k", unique_for_ms: 0, unique_conflict: "replace" },
  { group: `${"é".repeat(127)}a` },
  { group: "" },
  { required_labels: Array.from({ length: 20 }, (_, i) => `k${i}=${"v".repeat(200)}`) },
  { required_labels: [`${"k".repeat(100)}=`] },
  { depends_on: [], on_parent_failure: "cancel" },
  { retry: { backoff: "list", delays_ms: new Array(100).fill(315_360_000_000), jitter: "full" } },
  { retry: { delays_ms: [0], jitter: "none" } },
  { retry: { backoff: "linear", jitter: "equal" } },
];
