/** Every verb, in the order of the help. */
import type { Command, CommandGroup } from "../command.ts";
import { audit } from "./audit/audit.ts";
import { bench } from "./bench.ts";
import { cancel } from "./cancel.ts";
import { clusterStatus } from "./cluster-status.ts";
import { compact } from "./compact.ts";
import { completion } from "./completion.ts";
import { configValidate } from "./config/validate.ts";
import { createSnapshot } from "./create-snapshot.ts";
import { dlqDelete, dlqRetry, dlqShow } from "./dlq.ts";
import { dlqGroups, dlqPurge, purgeDlq } from "./dlq-bulk.ts";
import { dlqExport, dlqList } from "./dlq-list.ts";
import { doctor } from "./doctor.ts";
import { events } from "./events.ts";
import { exportTasks } from "./export.ts";
import { get } from "./get.ts";
import { graph } from "./graph.ts";
import { importTasks } from "./import.ts";
import { jobsCancel, jobsGet, jobsList, jobsWait } from "./jobs.ts";
import { keysCreate } from "./keys/create.ts";
import { keysHash } from "./keys/hash.ts";
import { keysList } from "./keys/list.ts";
import { keysRevoke } from "./keys/revoke.ts";
import { keysRotate } from "./keys/rotate.ts";
import { list } from "./list.ts";
import { logs } from "./logs.ts";
import { addMember } from "./members/add.ts";
import { listMembers } from "./members/list.ts";
import { promoteMember } from "./members/promote.ts";
import { removeMember } from "./members/remove.ts";
import { replaceMember } from "./members/replace.ts";
import { peek } from "./peek.ts";
import { queueDelete } from "./queue/delete.ts";
import { queueGet } from "./queue/get.ts";
import { drain, pause, resume, undrain } from "./queue/pause.ts";
import { queuePurge } from "./queue/purge.ts";
import { queueSet } from "./queue/set.ts";
import { queueDepth } from "./queue-depth.ts";
import { release } from "./release.ts";
import { reschedule } from "./reschedule.ts";
import { retry } from "./retry.ts";
import { selftest } from "./selftest.ts";
import { extractSnapshot } from "./snapshot/extract.ts";
import { inspectSnapshot } from "./snapshot/inspect.ts";
import { verifySnapshot } from "./snapshot/verify.ts";
import { stats } from "./stats.ts";
import { submit } from "./submit.ts";
import { transferLeadership } from "./transfer-leadership.ts";
import { upgradeFinalize } from "./upgrade/finalize.ts";
import { upgradeStatus } from "./upgrade/status.ts";
import { wait } from "./wait.ts";
import { workers } from "./workers.ts";

export const COMMANDS: readonly Command[] = [
  clusterStatus,
  doctor,
  workers,
  queueDepth,
  stats,
  list,
  peek,
  get,
  graph,
  logs,
  events,
  audit,
  submit,
  cancel,
  retry,
  release,
  reschedule,
  pause,
  resume,
  purgeDlq,
  exportTasks,
  importTasks,
  createSnapshot,
  compact,
  transferLeadership,
  wait,
  bench,
  selftest,
  completion,
];

export const GROUPS: readonly CommandGroup[] = [
  {
    name: "dlq",
    summary: "Look after dead tasks: list, groups, show, export, retry, delete, purge",
    commands: [dlqList, dlqGroups, dlqShow, dlqExport, dlqRetry, dlqDelete, dlqPurge],
  },
  {
    name: "jobs",
    summary: "Look after changes of many tasks: list, get, wait, cancel",
    commands: [jobsList, jobsGet, jobsWait, jobsCancel],
  },
  {
    name: "queue",
    summary: "Look after one queue: get, set, drain, undrain, purge, delete",
    commands: [queueGet, queueSet, drain, undrain, queuePurge, queueDelete],
  },
  {
    name: "members",
    summary: "Look after the brokers: list, add, promote, remove, replace",
    commands: [listMembers, addMember, promoteMember, removeMember, replaceMember],
  },
  {
    name: "keys",
    summary: "Look after API keys: hash, create, list, revoke, rotate",
    commands: [keysHash, keysCreate, keysList, keysRevoke, keysRotate],
  },
  {
    name: "snapshot",
    summary: "Look into backups, without a broker: inspect, verify, extract",
    commands: [inspectSnapshot, verifySnapshot, extractSnapshot],
  },
  {
    name: "upgrade",
    summary: "Look after upgrades: status, finalize",
    commands: [upgradeStatus, upgradeFinalize],
  },
  {
    name: "config",
    summary: "Look after settings: validate",
    commands: [configValidate],
  },
];
