/**
 * The verbs of `call`: for each the JSON it takes and the JSON it answers with. Names and shapes
 * are those of the REST interface.
 */
import type { TaskJson, TaskStateName } from "./task-json.ts";

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

export interface QueueJson {
  name: string;
  counts: Partial<Record<TaskStateName, number>>;
  oldest_pending_at?: string;
}

export interface WorkerJson {
  id: string;
  name: string;
  state: string;
  queues: string[];
  types: string[];
  labels: Record<string, string>;
  concurrency: number;
  running: number;
  last_heartbeat_at: string;
  version: string;
}

export interface MemberJson {
  id: string;
  address: string;
  role: string;
  /** null: only the leader knows. */
  match_index: number | null;
  lag: number | null;
  healthy: boolean;
  /** Of its program; empty: only that member itself knows. */
  version: string;
  /** Versions of the cluster that its program knows, both ends included; null: it never said. */
  supports: { min: number; max: number } | null;
}

export interface ClusterJson {
  cluster_id: string;
  /** What all members work with. */
  cluster_version: number;
  leader_id: string | null;
  term: number;
  /** Who answers, and its part in the cluster. */
  node_id: string;
  role: string;
  ready: boolean;
  /** Why it is not ready; absent when it is. */
  reason?: string;
  applied_index: number;
  commit_index: number;
  durability: string;
  members: MemberJson[];
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
  wait: { params: WaitParams; answer: TaskJson };
  cancel: { params: CancelParams; answer: TaskJson };
  retry: { params: RetryParams; answer: TaskJson };
  delete: { params: RetryParams; answer: Record<string, never> };
  queues: { params: ReadParams; answer: { queues: QueueJson[] } };
  workers: { params: ReadParams; answer: { workers: WorkerJson[] } };
  stats: { params: ReadParams; answer: StatsJson };
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
  "wait",
  "cancel",
  "retry",
  "delete",
  "queues",
  "workers",
  "stats",
  "cluster",
  "add_member",
  "promote_member",
  "remove_member",
  "transfer_leadership",
  "raise_version",
] as const satisfies readonly CallVerb[];
