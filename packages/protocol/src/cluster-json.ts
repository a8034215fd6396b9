/**
 * The cluster as verbs of `call` show it: who belongs to it, who works for it, what its disks hold.
 */
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
  /** New tasks are refused with `disk_full`; absent of brokers before 0.5. */
  intake_closed?: boolean;
  members: MemberJson[];
}

/** What a node's state took on its disk, about, before and after it was merged. */
export interface CompactJson {
  node_id: string;
  before_bytes: number;
  after_bytes: number;
}
