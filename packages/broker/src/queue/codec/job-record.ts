/** The record of a job: what it is to do, and how far it is. Since version 3. */
import type { JobKind, JobState, JobView } from "../job.ts";
import { JOB_KINDS, JOB_STATES } from "../job.ts";
import { readFilter, writeFilter } from "./admin-commands.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter } from "./writer.ts";

const FORMAT = 1;
const ID_BYTES = 16;

export function encodeJob(job: JobView): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.raw(job.id);
  out.byte(JOB_KINDS.indexOf(job.kind));
  writeFilter(out, job.filter);
  out.flag(job.dryRun);
  out.uint(job.perSecond);
  out.byte(JOB_STATES.indexOf(job.state));
  out.uint(job.steps);
  out.uint(job.matched);
  out.uint(job.changed);
  out.uint(job.skipped);
  out.bytes(job.cursor);
  out.uint(job.startedAt);
  out.uint(job.updatedAt);
  return out.finish();
}

/** @throws CodecError */
export function decodeJob(bytes: Uint8Array): JobView {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const job: JobView = {
    id: from.raw(ID_BYTES).slice(),
    kind: JOB_KINDS[from.choice(JOB_KINDS.length)] as JobKind,
    filter: readFilter(from),
    dryRun: from.flag(),
    perSecond: from.uint(),
    state: JOB_STATES[from.choice(JOB_STATES.length)] as JobState,
    steps: from.uint(),
    matched: from.uint(),
    changed: from.uint(),
    skipped: from.uint(),
    cursor: from.bytes().slice(),
    startedAt: from.uint(),
    updatedAt: from.uint(),
  };
  from.end();
  return job;
}
