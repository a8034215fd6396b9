/**
 * The verbs that the worker protocol carries as JSON, answered as REST answers them. One table, so
 * that a verb of the protocol that nothing answers does not compile.
 */
import { CALL_VERBS, type Calls, type CallVerb, didYouMean, TqError } from "task-queue-protocol";
import { type Caller, confirmed } from "./access.ts";
import { createKey, listKeys, revokeKey } from "./access-keys.ts";
import { type Audit, audited, NO_AUDIT, readerOf } from "./audit.ts";
import type { Broker } from "./broker.ts";
import { clusterStatus } from "./cluster.ts";
import { compactState } from "./compact.ts";
import { ERROR_GROUP_PARAMETERS, listErrorGroups } from "./error-groups.ts";
import { pollEvents } from "./events.ts";
import { readGraph } from "./graph.ts";
import { invalid, shown } from "./invalid.ts";
import { cancelJob, getJob, listJobs, startJob, verbOfJob } from "./jobs.ts";
import { listTasks } from "./list.ts";
import { LIST_PARAMETERS, parseListQuery } from "./list-query.ts";
import { readLogs } from "./logs.ts";
import {
  addMember,
  promoteMember,
  raiseVersion,
  removeMember,
  transferLeadership,
} from "./members.ts";
import { parseSettings } from "./queue-settings.ts";
import { configureQueue, deleteQueue, getQueue, listQueues } from "./queues.ts";
import { Fields } from "./read-fields.ts";
import { type Answer, readOptions } from "./read-options.ts";
import { readSnapshot } from "./snapshot.ts";
import { readStats } from "./stats.ts";
import { type SubmitSettings, submitAll } from "./submit.ts";
import {
  cancelTask,
  deleteDead,
  getTask,
  parseRequestId,
  RELEASE_FIELDS,
  releaseTask,
  rescheduleTask,
  retryTask,
  waitForTask,
} from "./tasks.ts";
import { listWorkers } from "./workers.ts";

/** What belongs to a call besides its verb and parameters. */
export interface CallContext {
  readonly caller: Caller;
  /** The caller's address without its port, for the audit log. */
  readonly from?: string | undefined;
  readonly audit?: Audit | undefined;
  /** The read sees at least everything up to this log index. */
  readonly minIndex: number;
  /** This node's settings for submits. */
  readonly submit: SubmitSettings;
  /** Ends a wait. */
  readonly signal: AbortSignal;
}

type Answering = {
  readonly [V in CallVerb]: (
    broker: Broker,
    params: Fields,
    context: CallContext,
  ) => Promise<Answer<Calls[V]["answer"]>>;
};

const VERBS: Answering = {
  async get(broker, params, { minIndex }) {
    params.refuseUnknown(["id", "consistency"]);
    return getTask(broker, params.get("id"), readOptions(params, minIndex));
  },
  async list(broker, params, { minIndex }) {
    params.refuseUnknown(LIST_PARAMETERS);
    return listTasks(broker, parseListQuery(params.source, minIndex));
  },
  async error_groups(broker, params, { minIndex }) {
    params.refuseUnknown([...ERROR_GROUP_PARAMETERS, "consistency"]);
    return listErrorGroups(broker, params, readOptions(params, minIndex));
  },
  async wait(broker, params, { minIndex, signal }) {
    params.refuseUnknown(["id", "timeout_ms", "consistency"]);
    const timeoutMs = params.integer("timeout_ms");
    if (timeoutMs === undefined) throw invalid("timeout_ms", "how long to wait is missing");
    const waiting = { timeoutMs, signal };
    return waitForTask(broker, params.get("id"), readOptions(params, minIndex), waiting);
  },
  async submit_all(broker, params, { submit }) {
    params.refuseUnknown(["tasks"]);
    return submitAll(broker, { tasks: params.get("tasks"), atomic: true }, submit);
  },
  async cancel(broker, params) {
    params.refuseUnknown(["id", "reason"]);
    return cancelTask(broker, params.get("id"), params.string("reason"));
  },
  async retry(broker, params) {
    return retryTask(broker, params.get("id"), readRequestId(params));
  },
  async reschedule(broker, params) {
    params.refuseUnknown(["id", "run_at", "delay_ms"]);
    return rescheduleTask(broker, params.get("id"), params);
  },
  async release(broker, params) {
    params.refuseUnknown(["id", ...RELEASE_FIELDS]);
    return releaseTask(broker, params.get("id"), params);
  },
  async delete(broker, params) {
    const index = await deleteDead(broker, params.get("id"), readRequestId(params));
    return { value: {}, index };
  },
  async logs(broker, params, { minIndex }) {
    params.refuseUnknown(["id", "after", "limit", "consistency"]);
    const wanted = { after: params.integer("after"), limit: params.integer("limit") };
    return readLogs(broker, params.get("id"), wanted, readOptions(params, minIndex));
  },
  async graph(broker, params, { minIndex }) {
    params.refuseUnknown(["id", "consistency"]);
    return readGraph(broker, params.get("id"), readOptions(params, minIndex));
  },
  async events(broker, params, { signal }) {
    return pollEvents(broker, params, signal);
  },
  async queues(broker, params, { minIndex }) {
    params.refuseUnknown(["consistency"]);
    return listQueues(broker, readOptions(params, minIndex));
  },
  async queue(broker, params, { minIndex }) {
    params.refuseUnknown(["name", "consistency"]);
    return getQueue(broker, params.string("name") ?? "", readOptions(params, minIndex));
  },
  async configure_queue(broker, params) {
    params.refuseUnknown(["name", "settings", "paused", "draining", "if_revision"]);
    const name = params.string("name") ?? "";
    const settings = params.object("settings");
    const ifRevision = params.integer("if_revision");
    if (ifRevision !== undefined && ifRevision < 0) throw invalid("if_revision", "0 or more");
    return configureQueue(broker, name, {
      settings: settings && parseSettings(name, settings),
      paused: params.boolean("paused"),
      draining: params.boolean("draining"),
      ifRevision,
    });
  },
  async delete_queue(broker, params) {
    params.refuseUnknown(["name"]);
    return { value: {}, index: await deleteQueue(broker, params.string("name") ?? "") };
  },
  async start_job(broker, params) {
    return startJob(broker, params);
  },
  async jobs(broker, params, { minIndex }) {
    params.refuseUnknown(["consistency"]);
    return listJobs(broker, readOptions(params, minIndex));
  },
  async job(broker, params, { minIndex }) {
    params.refuseUnknown(["id", "consistency"]);
    return getJob(broker, params.get("id"), readOptions(params, minIndex));
  },
  async cancel_job(broker, params) {
    params.refuseUnknown(["id"]);
    return cancelJob(broker, params.get("id"));
  },
  async workers(broker, params, { minIndex }) {
    params.refuseUnknown(["consistency"]);
    return listWorkers(broker, readOptions(params, minIndex));
  },
  async stats(broker, params, { minIndex }) {
    params.refuseUnknown(["consistency"]);
    return readStats(broker, readOptions(params, minIndex));
  },
  async snapshot(broker, params, { minIndex }) {
    params.refuseUnknown(["id", "offset", "consistency"]);
    return readSnapshot(broker, params, readOptions(params, minIndex));
  },
  async create_key(broker, params, { caller }) {
    return createKey(broker, params, caller);
  },
  async keys(broker, params, { minIndex }) {
    params.refuseUnknown(["consistency"]);
    return listKeys(broker, readOptions(params, minIndex));
  },
  async revoke_key(broker, params) {
    params.refuseUnknown(["id", "grace_ms"]);
    return revokeKey(broker, params.get("id"), params.integer("grace_ms"));
  },
  async audit(broker, params, { caller, audit = NO_AUDIT }) {
    params.refuseUnknown(["position", "since"]);
    const [position, since] = [params.string("position"), params.number("since")];
    const wanted = {
      ...(position !== undefined && { position }),
      ...(since !== undefined && { since }),
    };
    const value = await audit.read(wanted, readerOf(caller));
    return { value, index: broker.applied };
  },
  async compact(broker, params) {
    params.refuseUnknown([]);
    return compactState(broker);
  },
  async cluster(broker, params) {
    params.refuseUnknown([]);
    return clusterStatus(broker);
  },
  async add_member(broker, params) {
    params.refuseUnknown(["peer"]);
    return addMember(broker, params);
  },
  async promote_member(broker, params) {
    params.refuseUnknown(["id", "force"]);
    return promoteMember(broker, params);
  },
  async remove_member(broker, params) {
    params.refuseUnknown(["id", "force"]);
    return removeMember(broker, params);
  },
  async transfer_leadership(broker, params) {
    params.refuseUnknown(["to"]);
    return transferLeadership(broker, params);
  },
  async raise_version(broker, params) {
    params.refuseUnknown(["to"]);
    return raiseVersion(broker, params);
  },
};

/** Answers one call. `params` is what JSON gave. Throws `TqError`. */
export async function answerCall(
  broker: Broker,
  verb: string,
  params: unknown,
  context: CallContext,
): Promise<Answer<Calls[CallVerb]["answer"]>> {
  const known = CALL_VERBS.find((candidate) => candidate === verb);
  if (known === undefined) {
    const message = `there is no verb ${shown(verb)}.${didYouMean(verb, CALL_VERBS)}`;
    throw new TqError("invalid_request", message);
  }
  const fields = Fields.of(params ?? {}, "params");
  const { caller, from = "", audit = NO_AUDIT } = context;
  const asked = known === "start_job" ? verbOfJob(fields) : known;
  caller.spend(asked === "submit_all" ? tasksIn(fields) : 1);
  caller.demand(asked);
  const request = { caller, from, door: "worker", verb: asked, params } as const;
  const answer = (): Promise<Answer<Calls[CallVerb]["answer"]>> => {
    return VERBS[known](broker, fields, context);
  };
  return audited(audit, request, () => confirmed(caller, asked, answer));
}

function tasksIn(fields: Fields): number {
  const tasks = fields.get("tasks");
  return Array.isArray(tasks) ? Math.max(1, tasks.length) : 1;
}

function readRequestId(params: Fields): Uint8Array | undefined {
  params.refuseUnknown(["id", "request_id"]);
  const text = params.string("request_id");
  return text === undefined ? undefined : parseRequestId(text, "request_id");
}
