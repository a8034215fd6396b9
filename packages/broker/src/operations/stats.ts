/**
 * One page of figures: tasks by state, queues, workers, this node's part in Raft, and its storage.
 */
import type { TaskState } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { countsToJson, depthOf } from "./queues.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";
import { formatDateTime } from "./rfc3339.ts";

export interface StatsDetailJson extends Record<string, unknown> {
  node_id: string;
  role: string;
  /** The cluster's clock. */
  cluster_time: string;
  tasks: Record<TaskState, number>;
  unfinished: number;
  queues: number;
  workers: { connected: number; running: number; concurrency: number };
  raft: {
    term: number;
    applied_index: number;
    commit_index: number;
    leader_id: string | null;
    effect_hash: string;
  };
  /** Of LevelDB. */
  storage: Readonly<Record<string, number>>;
}

export async function readStats(
  broker: Broker,
  read: ReadOptions,
): Promise<Answer<StatsDetailJson>> {
  const index = await barrier(broker, read);
  const storage = await broker.storageStats();
  const status = broker.status();
  const counts = broker.counts();
  const value: StatsDetailJson = {
    node_id: status.nodeId,
    role: status.role,
    cluster_time: formatDateTime(broker.clock()),
    tasks: countsToJson(counts),
    unfinished: depthOf(counts),
    queues: broker.queues().length,
    workers: workerTotals(broker),
    raft: {
      term: status.term,
      applied_index: status.applied,
      commit_index: status.commit,
      leader_id: status.leader?.id ?? null,
      effect_hash: status.effectHash,
    },
    storage,
  };
  return { value, index };
}

function workerTotals(broker: Broker): StatsDetailJson["workers"] {
  const totals = { connected: 0, running: 0, concurrency: 0 };
  for (const session of broker.sessions()) {
    totals.running += session.running;
    if (session.lapsed) continue;
    totals.connected += 1;
    totals.concurrency += session.concurrency;
  }
  return totals;
}
