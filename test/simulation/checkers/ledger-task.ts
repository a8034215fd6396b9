/** What the committed log has said of one task so far; the ledger writes it, others only read. */
import type { NewTask, TaskState } from "../../../packages/broker/src/queue/index.ts";

export interface LedgerTask {
  readonly submit: NewTask;
  /** Index of the entry that created it. */
  readonly index: number;
  grants: number;
  failures: number;
  live: { readonly token: number; readonly session: string } | undefined;
  /** Final states reached, and how often it was started again. */
  endings: number;
  restarts: number;
  state: TaskState | undefined;
  deleted: boolean;
}

/** Between two entries: in a final state. */
export function isFinal({ endings, restarts }: LedgerTask): boolean {
  return endings > restarts;
}
