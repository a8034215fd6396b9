/**
 * Jobs: which there are, and whether a task is one that a job is after. All of them are in memory;
 * those that have ended are kept until there are too many, and the first that ended goes first.
 */
import { refuse } from "./answers.ts";
import { decodeContent } from "./codec/content.ts";
import type { FinishedRecord } from "./codec/finished-record.ts";
import { encodeJob } from "./codec/job-record.ts";
import { errorFingerprint } from "./error-groups.ts";
import type { JobFilter, JobKind, JobView } from "./job.ts";
import { JOB, taskKey } from "./keys.ts";
import { ENDED_JOBS_KEPT } from "./limits.ts";
import { finishedContent, liveContent } from "./lookup.ts";
import type { QueueState } from "./state.ts";
import { COMPLETED, DEAD, LIVE_STATES, stateName } from "./state-number.ts";
import type { ClusterTime, TaskId, TaskState } from "./task.ts";
import { TASK_STATES } from "./task.ts";
import { uuidText } from "./uuid-text.ts";

export const NO_JOB = refuse("not_found", "There is no job with this id.");

/** In which states a task can be what a job is after. */
export function statesFor(kind: JobKind): TaskState[] {
  const names = [...TASK_STATES];
  const isLive = (name: TaskState) => LIVE_STATES.includes(TASK_STATES.indexOf(name));
  if (kind === "cancel") return names.filter(isLive);
  const ended = names.filter((name) => !isLive(name));
  return kind === "delete" ? ended : ended.filter((name) => name !== stateName(COMPLETED));
}

/** In the order of their ids. */
export function listJobs(s: QueueState): JobView[] {
  return [...s.jobs].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, job]) => job);
}

export function findJob(s: QueueState, id: TaskId): JobView | undefined {
  return s.jobs.get(uuidText(id));
}

export function putJob(s: QueueState, job: JobView): void {
  s.jobs.set(uuidText(job.id), job);
  s.overlay.put(taskKey(JOB, job.id), encodeJob(job));
  if (job.state !== "running") dropOldest(s, job);
}

export function runningJobs(s: QueueState): number {
  let running = 0;
  for (const { state } of s.jobs.values()) if (state === "running") running++;
  return running;
}

/** A live task, in this slot, is what the filter describes. */
export function matchesLive(s: QueueState, slot: number, filter: JobFilter): boolean {
  const { table } = s;
  const { queue, type } = s.lanes.laneOf(slot);
  if (filter.finishedFrom > 0 || filter.finishedTo > 0 || filter.fingerprint !== "") return false;
  if (!isOneOf(filter, table.state[slot]!, queue.name, type)) return false;
  if (!isWithin(table.createdAt[slot]!, filter.createdFrom, filter.createdTo)) return false;
  return filter.tag === "" || hasTag(liveContent(s, slot), filter.tag);
}

/** Likewise a finished one. `content` is read when the filter asks for a tag, and only then. */
export function matchesFinished(
  s: QueueState,
  id: TaskId,
  record: FinishedRecord,
  filter: JobFilter,
): boolean {
  if (!isOneOf(filter, record.state, record.queue, record.type)) return false;
  if (!isWithin(record.createdAt, filter.createdFrom, filter.createdTo)) return false;
  if (!isWithin(record.at, filter.finishedFrom, filter.finishedTo)) return false;
  if (filter.fingerprint !== "" && fingerprintOf(record) !== filter.fingerprint) return false;
  return filter.tag === "" || hasTag(finishedContent(s, id, record), filter.tag);
}

/** Of a dead task's error; empty = it is not dead, or of nothing. */
export function fingerprintOf({ state, type, error }: FinishedRecord): string {
  return state === DEAD && error !== undefined ? errorFingerprint(type, error.message) : "";
}

function isOneOf(filter: JobFilter, state: number, queue: string, type: string): boolean {
  if (filter.state !== undefined && filter.state !== stateName(state)) return false;
  if (filter.queue !== "" && filter.queue !== queue) return false;
  return filter.type === "" || filter.type === type;
}

function isWithin(at: ClusterTime, from: ClusterTime, to: ClusterTime): boolean {
  return at >= from && (to === 0 || at < to);
}

function hasTag(content: Uint8Array, tag: string): boolean {
  return decodeContent(content).tags.includes(tag);
}

/** Of those that have ended before this one. */
function dropOldest(s: QueueState, newest: JobView): void {
  const ended = listJobs(s).filter((job) => job.state !== "running" && job !== newest);
  if (ended.length < ENDED_JOBS_KEPT) return;
  // Of equal times the smallest id, whatever the order in which they were loaded.
  const oldest = ended.reduce((a, b) => (b.updatedAt < a.updatedAt ? b : a));
  s.jobs.delete(uuidText(oldest.id));
  s.overlay.delete(taskKey(JOB, oldest.id));
}
