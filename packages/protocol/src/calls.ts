/**
 * The verbs of `call`: for each the JSON it takes and the JSON it answers with. Names and shapes
 * are those of the REST interface.
 */
import type { AuditPageJson, AuditParams } from "./audit-line.ts";
import type { ClusterJson, CompactJson, WorkerJson } from "./cluster-json.ts";
import type { JobJson, JobParams, StartJobParams } from "./job-json.ts";
import type {
  AccessKeyJson,
  CreatedKeyJson,
  CreateKeyParams,
  RevokeKeyParams,
} from "./key-json.ts";
import type {
  ConfigureQueueParams,
  DeleteQueueParams,
  QueueJson,
  QueueParams,
} from "./queue-json.ts";
import type { LogLevelName, SubmitJson, TaskJson, TaskStateName } from "./task-json.ts";

export type Consistency = "linearizable" | "stale";

export interface ReadParams {
  /** Default linearizable. */
  consistency?: Consistency;
}

export interface GetParams extends ReadParams {
  id: string;
}

export interface ListParams extends ReadParams {
  /** A state, or one of the synonyms `failed`, `dead_letter`, `delayed`. */
  status?: TaskStateName | "failed" | "dead_letter" | "delayed";
  queue?: string;
  type?: string;
  tag?: string;
  group?: string;
  /** When they were submitted, and when they ended: RFC 3339, half open. */
  created_from?: string;
  created_to?: string;
  finished_from?: string;
  finished_to?: string;
  /** Dead tasks with an error of this fingerprint. */
  error?: string;
  /** 1 to 1,000; default 100. */
  limit?: number;
  cursor?: string;
  /** With payloads; default false. */
  payload?: boolean;
}

export interface ListJson {
  tasks: TaskJson[];
  next_cursor?: string;
}

/** Dead tasks of one type whose errors say the same but for what is particular to each. */
export interface ErrorGroupJson {
  /** 16 hex digits; `error` of a list. */
  fingerprint: string;
  type: string;
  /** Of the first of them. */
  message: string;
  count: number;
  first_at: string;
  last_at: string;
}

export interface ErrorGroupsParams extends ReadParams {
  /** A fingerprint: groups behind it. */
  after?: string;
  /** 1 to 1,000; default 100. */
  limit?: number;
}

export interface ErrorGroupsJson {
  groups: ErrorGroupJson[];
  next?: string;
}

/** One of several that were submitted together. */
export interface SubmittedJson {
  id: string;
  state: TaskStateName;
  /** It had been submitted before. */
  duplicate: boolean;
}

export interface WaitParams {
  id: string;
  /** At most 45,000. */
  timeout_ms: number;
}

export interface CancelParams {
  id: string;
  reason?: string;
}

/** `request_id`: 32 hex digits, the same in every resend. */
export interface RetryParams {
  id: string;
  request_id: string;
}

/** All are made, or none; each has its `id`, so that it can be sent again. At most 1,000. */
export interface SubmitAllParams {
  tasks: SubmitJson[];
}

export interface ReleaseParams {
  id: string;
  /** Only if this run is under way; default: whichever is. */
  token?: string;
}

/** Exactly one of the two times. */
export interface RescheduleParams {
  id: string;
  /** In the past = now. */
  run_at?: string;
  /** From now. */
  delay_ms?: number;
}

export interface LogsParams extends ReadParams {
  id: string;
  /** Lines behind this number; default 0. */
  after?: number;
  /** 1 to 1,000; default 100. */
  limit?: number;
}

export interface LogLineJson {
  /** Counted from 1 over all attempts. */
  number: number;
  at: string;
  level: LogLevelName;
  text: string;
}

export interface LogsJson {
  lines: LogLineJson[];
  /** Go on behind this number. */
  next: number;
  /** Lines that there have been; the newest 1,000 are kept. */
  total: number;
}

export interface GraphParams extends ReadParams {
  id: string;
}

/** A task among those that it depends on and that depend on it. */
export interface GraphNodeJson {
  id: string;
  /** `deleted`: nothing is left of it but its name with its children. */
  state: TaskStateName | "deleted";
  type?: string;
  queue?: string;
  /** Its parents. */
  depends_on: string[];
  /** Steps from the task that was asked for: its parents are at -1, its children at 1. */
  distance: number;
}

export interface GraphJson {
  id: string;
  /** The task itself, then the nearest first. */
  nodes: GraphNodeJson[];
  /** There are more than are shown. */
  truncated: boolean;
}

export interface EventsParams {
  /** A position: events behind it. Default: from now on. */
  after?: string;
  /** 1 to 1,000; default 100. */
  limit?: number;
  /** Wait for an event for so long, at most 45,000; default 0. */
  wait_ms?: number;
  queue?: string;
  type?: string;
  id?: string;
  /** Kinds with commas between them. */
  kind?: string;
}

/** Something that happened to a task. */
export interface EventJson {
  /** `<index of the log entry>.<ordinal>`, the same on every node. */
  position: string;
  at: string;
  id: string;
  kind: string;
  queue: string;
  type: string;
  /** After it; of the end of an attempt: `running`. */
  state: TaskStateName;
  attempt: number;
}

export interface EventsJson {
  events: EventJson[];
  /** Where to go on. */
  next: string;
}

/** The piece at 0 begins a snapshot, and each other one follows the one before. */
export interface SnapshotParams extends ReadParams {
  /** 32 hex digits, drawn by the asker for this one. */
  id: string;
  /** Default 0. */
  offset?: number;
}

export interface SnapshotJson {
  offset: number;
  /** Bytes in base64. */
  data: string;
  /** Of the bytes. */
  crc32: number;
  /** Of all bytes, in hex; there in the last piece, and only there. */
  sha256?: string;
}

/** The verbs about members and leadership are for the leader; elsewhere they are `no_leader`. */
export interface AddMemberParams {
  /** `id@host:port` of its worker port, with `/busport` where that is not 10,000 above. */
  peer: string;
}

export interface MemberParams {
  id: string;
  /** Even if it has not caught up, or if those who stay might not reach a quorum. */
  force?: boolean;
}

export interface TransferParams {
  /** The voter that is to lead; default: the one that is the furthest. */
  to?: string;
}

export interface RaiseVersionParams {
  /** Default: the highest that the leader's program knows. */
  to?: number;
}

/** Counts by state, and what else the broker tells of itself. */
export type StatsJson = Record<string, unknown>;

export interface Calls {
  get: { params: GetParams; answer: TaskJson };
  list: { params: ListParams; answer: ListJson };
  error_groups: { params: ErrorGroupsParams; answer: ErrorGroupsJson };
  wait: { params: WaitParams; answer: TaskJson };
  submit_all: { params: SubmitAllParams; answer: { tasks: SubmittedJson[] } };
  cancel: { params: CancelParams; answer: TaskJson };
  retry: { params: RetryParams; answer: TaskJson };
  release: { params: ReleaseParams; answer: TaskJson };
  reschedule: { params: RescheduleParams; answer: TaskJson };
  delete: { params: RetryParams; answer: Record<string, never> };
  logs: { params: LogsParams; answer: LogsJson };
  graph: { params: GraphParams; answer: GraphJson };
  events: { params: EventsParams; answer: EventsJson };
  queues: { params: ReadParams; answer: { queues: QueueJson[] } };
  queue: { params: QueueParams; answer: QueueJson };
  configure_queue: { params: ConfigureQueueParams; answer: QueueJson };
  delete_queue: { params: DeleteQueueParams; answer: Record<string, never> };
  start_job: { params: StartJobParams; answer: JobJson };
  jobs: { params: ReadParams; answer: { jobs: JobJson[] } };
  job: { params: JobParams; answer: JobJson };
  cancel_job: { params: { id: string }; answer: JobJson };
  workers: { params: ReadParams; answer: { workers: WorkerJson[] } };
  stats: { params: ReadParams; answer: StatsJson };
  snapshot: { params: SnapshotParams; answer: SnapshotJson };
  create_key: { params: CreateKeyParams; answer: CreatedKeyJson };
  keys: { params: ReadParams; answer: { keys: AccessKeyJson[] } };
  revoke_key: { params: RevokeKeyParams; answer: AccessKeyJson };
  audit: { params: AuditParams; answer: AuditPageJson };
  compact: { params: Record<string, never>; answer: CompactJson };
  cluster: { params: Record<string, never>; answer: ClusterJson };
  add_member: { params: AddMemberParams; answer: ClusterJson };
  promote_member: { params: MemberParams; answer: ClusterJson };
  remove_member: { params: MemberParams; answer: ClusterJson };
  transfer_leadership: { params: TransferParams; answer: ClusterJson };
  raise_version: { params: RaiseVersionParams; answer: ClusterJson };
}

export type CallVerb = keyof Calls;

export const CALL_VERBS = [
  "get",
  "list",
  "error_groups",
  "wait",
  "submit_all",
  "cancel",
  "retry",
  "release",
  "reschedule",
  "delete",
  "graph",
  "logs",
  "events",
  "queues",
  "queue",
  "configure_queue",
  "delete_queue",
  "start_job",
  "jobs",
  "job",
  "cancel_job",
  "workers",
  "stats",
  "snapshot",
  "create_key",
  "keys",
  "revoke_key",
  "audit",
  "compact",
  "cluster",
  "add_member",
  "promote_member",
  "remove_member",
  "transfer_leadership",
  "raise_version",
] as const satisfies readonly CallVerb[];
