/** Every verb, in the order of the help. */
import type { Command, CommandGroup } from "../command.ts";
import { cancel } from "./cancel.ts";
import { clusterStatus } from "./cluster-status.ts";
import { dlqDelete, dlqList, dlqRetry, dlqShow } from "./dlq.ts";
import { dlqGroups, purgeDlq } from "./dlq-bulk.ts";
import { get } from "./get.ts";
import { jobsCancel, jobsGet, jobsList, jobsWait } from "./jobs.ts";
import { list } from "./list.ts";
import { logs } from "./logs.ts";
import { addMember } from "./members/add.ts";
import { listMembers } from "./members/list.ts";
import { promoteMember } from "./members/promote.ts";
import { removeMember } from "./members/remove.ts";
import { replaceMember } from "./members/replace.ts";
import { queueDelete } from "./queue/delete.ts";
import { queueGet } from "./queue/get.ts";
import { drain, pause, resume, undrain } from "./queue/pause.ts";
import { queueSet } from "./queue/set.ts";
import { queueDepth } from "./queue-depth.ts";
import { reschedule } from "./reschedule.ts";
import { retry } from "./retry.ts";
import { stats } from "./stats.ts";
import { submit } from "./submit.ts";
import { transferLeadership } from "./transfer-leadership.ts";
import { upgradeFinalize } from "./upgrade/finalize.ts";
import { upgradeStatus } from "./upgrade/status.ts";
import { wait } from "./wait.ts";
import { workers } from "./workers.ts";

export const COMMANDS: readonly Command[] = [
  clusterStatus,
  workers,
  queueDepth,
  stats,
  list,
  get,
  logs,
  submit,
  cancel,
  retry,
  reschedule,
  pause,
  resume,
  purgeDlq,
  transferLeadership,
  wait,
];

export const GROUPS: readonly CommandGroup[] = [
  {
    name: "dlq",
    summary: "Look after dead tasks: list, groups, show, retry, delete",
    commands: [dlqList, dlqGroups, dlqShow, dlqRetry, dlqDelete],
  },
  {
    name: "jobs",
    summary: "Look after changes of many tasks: list, get, wait, cancel",
    commands: [jobsList, jobsGet, jobsWait, jobsCancel],
  },
  {
    name: "queue",
    summary: "Look after one queue: get, set, drain, undrain, delete",
    commands: [queueGet, queueSet, drain, undrain, queueDelete],
  },
  {
    name: "members",
    summary: "Look after the brokers: list, add, promote, remove, replace",
    commands: [listMembers, addMember, promoteMember, removeMember, replaceMember],
  },
  {
    name: "upgrade",
    summary: "Look after upgrades: status, finalize",
    commands: [upgradeStatus, upgradeFinalize],
  },
];
