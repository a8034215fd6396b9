/**
 * The rules for what a submit may say since version 3 of the cluster: expiry, unique key, group,
 * labels and parents. Like those of every submit they change nothing. A task that says none of it
 * passes without an allocation.
 */
import { isTaskId } from "task-queue-protocol";
import type { TaskContent, TaskId } from "../queue/index.ts";
import { checkKey, checkRange, isLabel } from "./check-values.ts";
import { invalid, shown } from "./invalid.ts";
import {
  DURATION_MS_MAX,
  GROUP_BYTES_MAX,
  PARENTS_MAX,
  REQUIRED_LABELS_MAX,
  UNIQUE_KEY_BYTES_MAX,
} from "./limits.ts";

/** `now`: cluster time. */
export function checkExtras(content: TaskContent, now: number, prefix: string): void {
  const { unique, group, requires, dependsOn } = content;
  checkExpiry(content, now, prefix);
  if (unique !== undefined) {
    if (unique.key === "") throw invalid(`${prefix}unique_key`, "an empty key is none");
    checkKey(unique.key, UNIQUE_KEY_BYTES_MAX, `${prefix}unique_key`);
    checkRange(unique.forMs, 0, DURATION_MS_MAX, `${prefix}unique_for_ms`);
  }
  if (group !== "") checkKey(group, GROUP_BYTES_MAX, `${prefix}group`);
  if (requires.length > 0) checkLabels(requires, `${prefix}required_labels`);
  if (dependsOn.length > 0) checkParents(dependsOn, `${prefix}depends_on`);
}

/** Labels in the one order in which they are kept. */
export function sortedLabels(labels: readonly string[]): readonly string[] {
  return labels.length < 2 ? labels : [...labels].sort();
}

function checkExpiry(content: TaskContent, now: number, prefix: string): void {
  const { expiresInMs, expiresAt } = content;
  checkRange(expiresInMs, 0, DURATION_MS_MAX, `${prefix}expires_in_ms`);
  if (expiresAt === 0) return;
  const field = `${prefix}expires_at`;
  if (expiresInMs > 0) throw invalid(field, "either expires_at or expires_in_ms, not both");
  if (!Number.isSafeInteger(expiresAt) || expiresAt > now + DURATION_MS_MAX) {
    throw invalid(field, "more than ten years ahead");
  }
  if (expiresAt <= now) throw invalid(field, "it is in the past: the task would never run");
}

function checkLabels(labels: readonly string[], field: string): void {
  if (labels.length > REQUIRED_LABELS_MAX) {
    throw invalid(field, `${labels.length} labels; at most ${REQUIRED_LABELS_MAX} are allowed`);
  }
  const keys = new Set<string>();
  for (const [index, label] of labels.entries()) {
    if (!isLabel(label)) {
      const allowed = "allowed is key=value, the key 1 to 100 of A-Z a-z 0-9 . _ / -";
      throw invalid(`${field}[${index}]`, `${shown(label)} is not a label; ${allowed}`);
    }
    const key = label.slice(0, label.indexOf("="));
    if (keys.has(key)) throw invalid(`${field}[${index}]`, `${shown(key)} is required twice`);
    keys.add(key);
  }
}

function checkParents(parents: readonly TaskId[], field: string): void {
  if (parents.length > PARENTS_MAX) {
    throw invalid(field, `${parents.length} parents; at most ${PARENTS_MAX} are allowed`);
  }
  const seen = new Set<string>();
  for (const [index, id] of parents.entries()) {
    if (!isTaskId(id)) throw invalid(`${field}[${index}]`, "a UUID of version 7 is expected");
    const text = Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
    if (seen.has(text)) throw invalid(`${field}[${index}]`, "this parent stands there twice");
    seen.add(text);
  }
}
