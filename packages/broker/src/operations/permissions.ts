/**
 * The one table of what each verb needs, behind every door. A door names the verb that it is about
 * to perform; it decides nothing itself.
 */
import type { CallVerb, Permission } from "task-queue-protocol";

export { PERMISSIONS, type Permission } from "task-queue-protocol";

/** Verbs that are no calls of the worker protocol, or need more than the call of that name. */
type OtherVerb =
  | "submit"
  | "work"
  | "metrics"
  | "docs"
  | "retry_many"
  | "delete_many"
  | "cancel_many";

/** Whoever has these works on the cluster, and not with it. */
const OPERATORS: ReadonlySet<Permission> = new Set(["admin", "admin:dlq"]);

export type Verb = Exclude<CallVerb, "start_job"> | OtherVerb;

export const PERMISSION_OF: Readonly<Record<Verb, Permission>> = {
  submit: "submit_tasks",
  submit_all: "submit_tasks",
  get: "read_tasks",
  list: "read_tasks",
  error_groups: "read_tasks",
  wait: "read_tasks",
  logs: "read_tasks",
  graph: "read_tasks",
  events: "read_tasks",
  queues: "read_tasks",
  queue: "read_tasks",
  jobs: "read_tasks",
  job: "read_tasks",
  workers: "read_tasks",
  stats: "read_tasks",
  cluster: "read_tasks",
  metrics: "read_tasks",
  docs: "read_tasks",
  cancel: "cancel_tasks",
  cancel_many: "cancel_tasks",
  work: "process_tasks",
  retry: "admin:dlq",
  retry_many: "admin:dlq",
  delete: "admin:dlq",
  delete_many: "admin:dlq",
  cancel_job: "admin",
  release: "admin",
  reschedule: "admin",
  configure_queue: "admin",
  delete_queue: "admin",
  add_member: "admin",
  promote_member: "admin",
  remove_member: "admin",
  transfer_leadership: "admin",
  raise_version: "admin",
  create_key: "admin",
  keys: "admin",
  revoke_key: "admin",
  snapshot: "admin",
  audit: "admin",
  compact: "admin",
};

/** One job over all tasks does as much as an operator, whatever it needs. */
export function isOperatorsVerb(verb: Verb): boolean {
  return OPERATORS.has(PERMISSION_OF[verb]) || verb === "cancel_many";
}
