/**
 * Which finished tasks have been kept long enough, by the settings of their queue and the
 * configuration of the leader. Pure: from what is known of a task to what is to go of it.
 */
import {
  DEFAULT_RETENTION,
  type Expunge,
  type FinishedSummary,
  type QueueView,
  type Retention,
} from "../queue/index.ts";

export interface RetentionRules {
  /** Of completed, cancelled and expired tasks, where their queue says nothing; 0 = for ever. */
  readonly ageMs: number;
  /** By the name of the queue; of those that are not there nothing was said. */
  readonly queues: ReadonlyMap<string, Retention>;
}

export function rulesOf(ageMs: number, queues: readonly QueueView[]): RetentionRules {
  return { ageMs, queues: new Map(queues.map((view) => [view.name, view.settings.retention])) };
}

/** What of a finished task is to go at `now`; undefined: nothing. */
export function whatGoes(
  rules: RetentionRules,
  task: FinishedSummary,
  now: number,
): Expunge["what"] | undefined {
  const retention = rules.queues.get(task.queue) ?? DEFAULT_RETENTION;
  const age = now - task.finishedAt;
  if (isOver(age, ageOf(rules, retention, task.state === "dead"))) return "task";
  if (task.hasResult && isOver(age, retention.resultAgeMs)) return "result";
  return task.logLines > 0 && isOver(age, retention.logAgeMs) ? "log" : undefined;
}

/** What ended later than this stays whole, whatever its queue; undefined: all of it stays. */
export function newestEnd(rules: RetentionRules, now: number): number | undefined {
  const ages = [rules.ageMs];
  for (const { ageMs, deadAgeMs, resultAgeMs, logAgeMs } of rules.queues.values()) {
    ages.push(ageMs, deadAgeMs, resultAgeMs, logAgeMs);
  }
  const given = ages.filter((age) => age > 0);
  return given.length === 0 ? undefined : now - given.reduce((a, b) => Math.min(a, b));
}

/** How many tasks, and how many bytes of them, a queue has beyond what it may keep. */
export interface Excess {
  tasks: number;
  bytes: number;
}

/** Undefined: nothing. Dead tasks count for neither. */
export function excessOf({ counts, settings, finishedBytes }: QueueView): Excess | undefined {
  const { count, bytes } = settings.retention;
  const kept = counts.completed + counts.cancelled + counts.expired;
  const excess = {
    tasks: count === 0 ? 0 : Math.max(0, kept - count),
    bytes: bytes === 0 ? 0 : Math.max(0, finishedBytes - bytes),
  };
  return excess.tasks > 0 || excess.bytes > 0 ? excess : undefined;
}

function ageOf({ ageMs }: RetentionRules, retention: Retention, isDead: boolean): number {
  if (isDead) return retention.deadAgeMs;
  return retention.ageMs > 0 ? retention.ageMs : ageMs;
}

/** An age of 0 is never over. */
function isOver(age: number, limitMs: number): boolean {
  return limitMs > 0 && age >= limitMs;
}
