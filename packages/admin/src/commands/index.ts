/** Every verb, in the order of the help. */
import type { Command } from "../command.ts";
import { cancel } from "./cancel.ts";
import { clusterStatus } from "./cluster-status.ts";
import { dlqDelete, dlqList, dlqRetry, dlqShow } from "./dlq.ts";
import { get } from "./get.ts";
import { list } from "./list.ts";
import { queueDepth } from "./queue-depth.ts";
import { retry } from "./retry.ts";
import { stats } from "./stats.ts";
import { submit } from "./submit.ts";
import { wait } from "./wait.ts";
import { workers } from "./workers.ts";

export const COMMANDS: readonly Command[] = [
  clusterStatus,
  workers,
  queueDepth,
  stats,
  list,
  get,
  submit,
  cancel,
  retry,
  wait,
];

/** Verbs of the dead letter queue: `tq-admin dlq ...`. */
export const DLQ_COMMANDS: readonly Command[] = [dlqList, dlqShow, dlqRetry, dlqDelete];
