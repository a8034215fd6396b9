/**
 * The verbs that the worker protocol carries as JSON, answered as REST answers them. One table, so
 * that a verb of the protocol that nothing answers does not compile.
 */
import { CALL_VERBS, type Calls, type CallVerb, TqError } from "task-queue-protocol";
import type { Broker } from "./broker.ts";
import { clusterStatus } from "./cluster.ts";
import { invalid, shown } from "./invalid.ts";
import { listTasks } from "./list.ts";
import { LIST_PARAMETERS, parseListQuery } from "./list-query.ts";
import {
  addMember,
  promoteMember,
  raiseVersion,
  removeMember,
  transferLeadership,
} from "./members.ts";
import { didYouMean } from "./nearest.ts";
import { listQueues } from "./queues.ts";
import { Fields } from "./read-fields.ts";
import { type Answer, readOptions } from "./read-options.ts";
import { readStats } from "./stats.ts";
import {
  cancelTask,
  deleteDead,
  getTask,
  parseRequestId,
  retryTask,
  waitForTask,
} from "./tasks.ts";
import { listWorkers } from "./workers.ts";

/** What belongs to a call besides its verb and parameters. */
export interface CallContext {
  /** The read sees at least everything up to this log index. */
  readonly minIndex: number;
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
  async wait(broker, params, { minIndex, signal }) {
    params.refuseUnknown(["id", "timeout_ms", "consistency"]);
    const timeoutMs = params.integer("timeout_ms");
    if (timeoutMs === undefined) throw invalid("timeout_ms", "how long to wait is missing");
    const waiting = { timeoutMs, signal };
    return waitForTask(broker, params.get("id"), readOptions(params, minIndex), waiting);
  },
  async cancel(broker, params) {
    params.refuseUnknown(["id", "reason"]);
    return cancelTask(broker, params.get("id"), params.string("reason"));
  },
  async retry(broker, params) {
    return retryTask(broker, params.get("id"), readRequestId(params));
  },
  async delete(broker, params) {
    const index = await deleteDead(broker, params.get("id"), readRequestId(params));
    return { value: {}, index };
  },
  async queues(broker, params, { minIndex }) {
    params.refuseUnknown(["consistency"]);
    return listQueues(broker, readOptions(params, minIndex));
  },
  async workers(broker, params, { minIndex }) {
    params.refuseUnknown(["consistency"]);
    return listWorkers(broker, readOptions(params, minIndex));
  },
  async stats(broker, params, { minIndex }) {
    params.refuseUnknown(["consistency"]);
    return readStats(broker, readOptions(params, minIndex));
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
  return VERBS[known](broker, Fields.of(params ?? {}, "params"), context);
}

function readRequestId(params: Fields): Uint8Array | undefined {
  params.refuseUnknown(["id", "request_id"]);
  const text = params.string("request_id");
  return text === undefined ? undefined : parseRequestId(text, "request_id");
}
