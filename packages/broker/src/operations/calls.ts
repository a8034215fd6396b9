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

type Answering = {
  readonly [V in CallVerb]: (
    broker: Broker,
    params: Fields,
    signal: AbortSignal,
  ) => Promise<Calls[V]["answer"]>;
};

const VERBS: Answering = {
  async get(broker, params) {
    params.refuseUnknown(["id", "consistency"]);
    return unwrap(getTask(broker, params.get("id"), readOptions(params)));
  },
  async list(broker, params) {
    params.refuseUnknown(LIST_PARAMETERS);
    return unwrap(listTasks(broker, parseListQuery(params.source)));
  },
  async wait(broker, params, signal) {
    params.refuseUnknown(["id", "timeout_ms", "consistency"]);
    const timeoutMs = params.integer("timeout_ms");
    if (timeoutMs === undefined) throw invalid("timeout_ms", "how long to wait is missing");
    const waiting = { timeoutMs, signal };
    return unwrap(waitForTask(broker, params.get("id"), readOptions(params), waiting));
  },
  async cancel(broker, params) {
    params.refuseUnknown(["id", "reason"]);
    return unwrap(cancelTask(broker, params.get("id"), params.string("reason")));
  },
  async retry(broker, params) {
    return unwrap(retryTask(broker, params.get("id"), readRequestId(params)));
  },
  async delete(broker, params) {
    await deleteDead(broker, params.get("id"), readRequestId(params));
    return {};
  },
  async queues(broker, params) {
    params.refuseUnknown(["consistency"]);
    return unwrap(listQueues(broker, readOptions(params)));
  },
  async workers(broker, params) {
    params.refuseUnknown(["consistency"]);
    return unwrap(listWorkers(broker, readOptions(params)));
  },
  async stats(broker, params) {
    params.refuseUnknown(["consistency"]);
    return unwrap(readStats(broker, readOptions(params)));
  },
  async cluster(broker, params) {
    params.refuseUnknown([]);
    return clusterStatus(broker).value;
  },
};

/** Answers one call. `params` is what JSON gave; `signal` ends a wait. Throws `TqError`. */
export async function answerCall(
  broker: Broker,
  verb: string,
  params: unknown,
  signal: AbortSignal,
): Promise<Calls[CallVerb]["answer"]> {
  const known = CALL_VERBS.find((candidate) => candidate === verb);
  if (known === undefined) {
    const message = `there is no verb ${shown(verb)}.${didYouMean(verb, CALL_VERBS)}`;
    throw new TqError("invalid_request", message);
  }
  return VERBS[known](broker, Fields.of(params ?? {}, "params"), signal);
}

function readRequestId(params: Fields): Uint8Array | undefined {
  params.refuseUnknown(["id", "request_id"]);
  const text = params.string("request_id");
  return text === undefined ? undefined : parseRequestId(text, "request_id");
}

async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  return (await answer).value;
}
