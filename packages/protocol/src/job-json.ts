/** Jobs in calls and in REST: changes of many tasks at once. */
import type { ListParams, ReadParams } from "./calls.ts";

export type JobKindName = "retry" | "delete" | "cancel";

export type JobFilterJson = Pick<
  ListParams,
  | "status"
  | "queue"
  | "type"
  | "tag"
  | "created_from"
  | "created_to"
  | "finished_from"
  | "finished_to"
  | "error"
>;

/** A change of many tasks, which the leader carries out step by step. */
export interface JobJson {
  id: string;
  kind: JobKindName;
  filter: JobFilterJson;
  /** It counts what it would change, and changes nothing. */
  dry_run: boolean;
  /** Tasks a second at most; 0: as quickly as it goes. */
  per_second: number;
  state: "running" | "done" | "cancelled";
  /** Tasks that it came to, that it changed, and that had become something else by then. */
  matched: number;
  changed: number;
  skipped: number;
  started_at: string;
  updated_at: string;
}

export interface StartJobParams {
  /** UUIDv7, the same in every resend. */
  id?: string;
  kind: JobKindName;
  /** Without `status` a `retry` is of dead tasks. */
  filter?: JobFilterJson;
  dry_run?: boolean;
  per_second?: number;
}

export interface JobParams extends ReadParams {
  id: string;
}
