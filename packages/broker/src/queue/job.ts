/** Changes of many tasks at once: which ones, and how far they are. */
import type { ClusterTime, TaskId, TaskState } from "./task.ts";

/** The position is the stored number. */
export const JOB_KINDS = ["retry", "delete", "cancel"] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** The position is the stored number. */
export const JOB_STATES = ["running", "done", "cancelled"] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Which tasks; what is empty, zero or undefined does not filter. */
export interface JobFilter {
  readonly state: TaskState | undefined;
  readonly queue: string;
  readonly type: string;
  readonly tag: string;
  /** Of the error; 16 hexadecimal digits. */
  readonly fingerprint: string;
  /** Both ends of the time of the submit and of the end; half open. */
  readonly createdFrom: ClusterTime;
  readonly createdTo: ClusterTime;
  readonly finishedFrom: ClusterTime;
  readonly finishedTo: ClusterTime;
}

export interface JobView {
  readonly id: TaskId;
  readonly kind: JobKind;
  readonly filter: JobFilter;
  readonly dryRun: boolean;
  readonly perSecond: number;
  readonly state: JobState;
  readonly steps: number;
  /** Tasks that it came to, that it changed or would have, and that had become something else. */
  readonly matched: number;
  readonly changed: number;
  readonly skipped: number;
  readonly cursor: Uint8Array;
  readonly startedAt: ClusterTime;
  readonly updatedAt: ClusterTime;
}
