/**
 * Changes of many tasks at once: started here, carried out by the leader in small steps, on any
 * node to be looked at and called off. A dry run counts and changes nothing.
 */
import { formatTaskId, type JobJson, parseTaskId, TqError } from "task-queue-protocol";
import {
  JOB_KINDS,
  type JobFilter,
  type JobKind,
  type JobView,
  type StartJob,
  type TaskState,
} from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { checkId } from "./check-submit.ts";
import { checkRange } from "./check-values.ts";
import { mintId } from "./ids.ts";
import { invalid, shown } from "./invalid.ts";
import { JOB_RATE_MAX } from "./limits.ts";
import { FILTER_FIELDS, readFilter } from "./list-query.ts";
import { perform } from "./perform.ts";
import type { Verb } from "./permissions.ts";
import { readAfter } from "./read-back.ts";
import { Fields } from "./read-fields.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";
import { formatDateTime } from "./rfc3339.ts";
import { FINISHED_STATES, type TaskFilter } from "./task-filter.ts";

export const JOB_FIELDS = ["id", "kind", "filter", "dry_run", "per_second"] as const;
/** Nothing but how: for the short ways that say themselves which tasks. */
export const JOB_OPTIONS = ["dry_run", "per_second"] as const;
const JOB_FILTERS = FILTER_FIELDS.filter((name) => name !== "group");

export interface JobOptions {
  readonly dryRun: boolean;
  readonly perSecond: number;
}

export async function startJob(broker: Broker, fields: Fields): Promise<Answer<JobJson>> {
  const kind = kindOf(fields);
  const filter = fields.object("filter") ?? new Fields({}, fields.path("filter."));
  filter.refuseUnknown(JOB_FILTERS);
  const id = fields.string("id");
  return begin(broker, kind, readFilter(filter), readJobOptions(fields), id, fields.path("id"));
}

/** What starting this job needs is a matter of its kind. Throws `invalid_request` without one. */
export function verbOfJob(fields: Fields): Verb {
  return `${kindOf(fields)}_many`;
}

function kindOf(fields: Fields): JobKind {
  fields.refuseUnknown(JOB_FIELDS);
  const kind = fields.oneOf("kind", JOB_KINDS);
  if (kind !== undefined) return kind;
  throw invalid(fields.path("kind"), `one of ${JOB_KINDS.join(", ")}`);
}

/** For dead tasks alone: `status` is not to be said. */
export async function startDeadJob(
  broker: Broker,
  kind: Exclude<JobKind, "cancel">,
  fields: Fields,
): Promise<Answer<JobJson>> {
  const filters = JOB_FILTERS.filter((name) => name !== "status");
  fields.refuseUnknown([...filters, ...JOB_OPTIONS]);
  const filter = { ...readFilter(fields), state: "dead" as const };
  return begin(broker, kind, filter, readJobOptions(fields));
}

/** Empties a queue: what is under way is cancelled, what has ended is deleted. */
export async function purgeQueue(
  broker: Broker,
  queue: string,
  fields: Fields,
): Promise<Answer<{ jobs: JobJson[] }>> {
  fields.refuseUnknown(JOB_OPTIONS);
  const options = readJobOptions(fields);
  await broker.readBarrier("linearizable");
  if (broker.queue(queue) === undefined) {
    throw new TqError("not_found", `there is no queue ${shown(queue)}`);
  }
  const cancelled = await begin(broker, "cancel", { queue }, options);
  const deleted = await begin(broker, "delete", { queue }, options);
  return { value: { jobs: [cancelled.value, deleted.value] }, index: deleted.index };
}

export function readJobOptions(fields: Fields): JobOptions {
  const perSecond = fields.number("per_second") ?? 0;
  checkRange(perSecond, 0, JOB_RATE_MAX, fields.path("per_second"));
  return { dryRun: fields.boolean("dry_run") ?? false, perSecond };
}

export async function listJobs(
  broker: Broker,
  read: ReadOptions,
): Promise<Answer<{ jobs: JobJson[] }>> {
  const index = await barrier(broker, read);
  return { value: { jobs: broker.jobs().map(jobToJson) }, index };
}

export async function getJob(
  broker: Broker,
  id: unknown,
  read: ReadOptions,
): Promise<Answer<JobJson>> {
  const jobId = jobToFind(id);
  const index = await barrier(broker, read);
  return { value: jobToJson(found(broker.job(jobId))), index };
}

/** It takes no further step; what it has changed stays changed. */
export async function cancelJob(broker: Broker, id: unknown): Promise<Answer<JobJson>> {
  const jobId = jobToFind(id);
  const { index } = await perform(broker, { type: "cancelJob", id: jobId });
  const answer = await readAfter(broker, index, () => broker.job(jobId));
  return { value: jobToJson(found(answer.value)), index: answer.index };
}

/** What a job is after, in the words of the lists. */
export function toTaskFilter(filter: JobFilter): TaskFilter {
  const text = (value: string) => (value === "" ? undefined : value);
  const time = (value: number) => (value === 0 ? undefined : value);
  return {
    state: filter.state,
    queue: text(filter.queue),
    type: text(filter.type),
    tag: text(filter.tag),
    error: text(filter.fingerprint),
    createdFrom: time(filter.createdFrom),
    createdTo: time(filter.createdTo),
    finishedFrom: time(filter.finishedFrom),
    finishedTo: time(filter.finishedTo),
  };
}

async function begin(
  broker: Broker,
  kind: JobKind,
  filter: TaskFilter,
  { dryRun, perSecond }: JobOptions,
  given?: string,
  field = "id",
): Promise<Answer<JobJson>> {
  const id = given === undefined ? mintId(broker.clock()) : parseTaskId(given);
  if (id === undefined) throw invalid(field, `${shown(given)} is not a UUID of version 7`);
  checkId(id, field);
  const jobFilter = toJobFilter(filter, stateFor(kind, filter));
  const command: StartJob = { type: "startJob", id, kind, filter: jobFilter, dryRun, perSecond };
  const { index } = await perform(broker, command);
  const answer = await readAfter(broker, index, () => broker.job(id));
  return { value: jobToJson(found(answer.value)), index: answer.index };
}

/** Who starts tasks again means the dead, unless another state is said. */
function stateFor(kind: JobKind, { state, error }: TaskFilter): TaskState | undefined {
  if (kind === "cancel") {
    if (error !== undefined || (state !== undefined && FINISHED_STATES.has(state))) {
      throw invalid("filter", "what has ended cannot be cancelled; delete or retry it");
    }
    return state;
  }
  return state ?? (kind === "retry" || error !== undefined ? "dead" : undefined);
}

function toJobFilter(filter: TaskFilter, state: TaskState | undefined): JobFilter {
  return {
    state,
    queue: filter.queue ?? "",
    type: filter.type ?? "",
    tag: filter.tag ?? "",
    fingerprint: filter.error ?? "",
    createdFrom: Math.max(0, filter.createdFrom ?? 0),
    createdTo: Math.max(0, filter.createdTo ?? 0),
    finishedFrom: Math.max(0, filter.finishedFrom ?? 0),
    finishedTo: Math.max(0, filter.finishedTo ?? 0),
  };
}

function jobToJson(job: JobView): JobJson {
  const { state, queue, type, tag, fingerprint, ...times } = job.filter;
  const time = (value: number) => (value === 0 ? undefined : formatDateTime(value));
  const filter = {
    status: state,
    queue: queue || undefined,
    type: type || undefined,
    tag: tag || undefined,
    error: fingerprint || undefined,
    created_from: time(times.createdFrom),
    created_to: time(times.createdTo),
    finished_from: time(times.finishedFrom),
    finished_to: time(times.finishedTo),
  };
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  return {
    id: formatTaskId(job.id),
    kind: job.kind,
    filter: Object.fromEntries(given),
    dry_run: job.dryRun,
    per_second: job.perSecond,
    state: job.state,
    matched: job.matched,
    changed: job.changed,
    skipped: job.skipped,
    started_at: formatDateTime(job.startedAt),
    updated_at: formatDateTime(job.updatedAt),
  };
}

function jobToFind(text: unknown): Uint8Array {
  const id = typeof text === "string" ? parseTaskId(text) : undefined;
  if (id === undefined) throw noSuchJob();
  return id;
}

function found(job: JobView | undefined): JobView {
  if (job === undefined) throw noSuchJob();
  return job;
}

function noSuchJob(): TqError {
  return new TqError("not_found", "there is no job with this id", { field: "id" });
}
