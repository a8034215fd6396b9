/** What the committed log has said of one task so far; the ledger writes it, others only read. */
import type { NewTask, TaskState } from "../../../packages/broker/src/queue/index.ts";

export interface LedgerTask {
  readonly submit: NewTask;
  /** Index of the entry that created it. */
  readonly index: number;
  /** Where it is: that of its submit, or a dead letter queue. */
  queue: string;
  grants: number;
  /** Both since it began, began anew, or became a dead letter; releases are no deliveries. */
  deliveries: number;
  failures: number;
  live: { readonly token: number; readonly session: string } | undefined;
  /** Final states reached, and how often it was started again. */
  endings: number;
  restarts: number;
  state: TaskState | undefined;
  /** Cluster time of its newest end. */
  finishedAt: number;
  /** It has ended without success, once at least. */
  hasFailed: boolean;
  /** Tasks that name it as a parent. */
  readonly children: LedgerTask[];
  /** A parent has ended without success before it could run, and it minds. */
  doomed: boolean;
  deleted: boolean;
}

/** Between two entries: in a final state. */
export function isFinal({ endings, restarts }: LedgerTask): boolean {
  return endings > restarts;
}
