/** The calls with one answer. Each translates and nothing else; the operations do the rest. */
import * as grpc from "@grpc/grpc-js";
import { type Caller, confirmed } from "../operations/access.ts";
import { audited, NO_AUDIT, type Request } from "../operations/audit.ts";
import { clusterStatus } from "../operations/cluster.ts";
import { listTasks } from "../operations/list.ts";
import { parseListQuery } from "../operations/list-query.ts";
import { listQueues } from "../operations/queues.ts";
import { Fields } from "../operations/read-fields.ts";
import {
  type Answer,
  parseIndex,
  type ReadOptions,
  readOptions,
} from "../operations/read-options.ts";
import { submitBatch, submitTask } from "../operations/submit.ts";
import {
  cancelTask,
  getTask,
  parseRequestId,
  retryTask,
  waitForTask,
} from "../operations/tasks.ts";
import { listWorkers } from "../operations/workers.ts";
import type { GrpcContext } from "./context.ts";
import { APPLIED_INDEX, addressOf, type MethodName, visitOf } from "./gate.ts";
import type {
  CancelTaskRequest,
  GetTaskRequest,
  ListTasksRequest,
  ReadRequest,
  RetryTaskRequest,
  SubmitTaskRequest,
  SubmitTasksRequest,
} from "./service.ts";
import { toStatus } from "./status.ts";
import { orRefusal, toListInput, toSubmitInput } from "./to-input.ts";
import { toCluster, toQueue, toSubmitResult, toSubmitted, toTask, toWorker } from "./to-message.ts";
import { msOf, textOf, wordOf } from "./values.ts";
import { whileOpen } from "./while-open.ts";

/** What a call has beside its message. */
interface Surroundings {
  /** The log index that the caller has seen. */
  readonly minIndex: number | undefined;
  readonly caller: Caller;
  /** Runs with a signal that ends a wait. */
  readonly whileOpen: <T>(run: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}

type UnaryName = Exclude<MethodName, "SubmitStream" | "WatchTasks">;

export function unaryCalls(context: GrpcContext): Record<UnaryName, grpc.UntypedHandleCall> {
  const { broker, settings } = context;
  return {
    SubmitTask: unary<SubmitTaskRequest>(context, async ({ task }) => {
      return as(toSubmitted, await submitTask(broker, toSubmitInput(task), settings));
    }),
    SubmitTasks: unary<SubmitTasksRequest>(
      context,
      async ({ tasks: given, atomic }, { caller }) => {
        caller.spend(Math.max(1, given.length), 1);
        const tasks = given.map((task, at) =>
          orRefusal(() => toSubmitInput(task, `tasks[${at}].`)),
        );
        const answer = await submitBatch(broker, { tasks, atomic }, settings);
        return as((results) => ({ results: results.map(toSubmitResult) }), answer);
      },
    ),
    GetTask: unary<GetTaskRequest>(context, async (request, { minIndex, whileOpen }) => {
      const { id } = request;
      const read = readOf(request, minIndex);
      const timeoutMs = msOf(request.wait);
      if (timeoutMs === undefined) return as(toTask, await getTask(broker, id, read));
      const wait = (signal: AbortSignal) => waitForTask(broker, id, read, { timeoutMs, signal });
      return as(toTask, await whileOpen(wait));
    }),
    ListTasks: unary<ListTasksRequest>(context, async (request, { minIndex }) => {
      const query = parseListQuery(toListInput(request), minIndex);
      const toPage = ({ tasks, next_cursor }: Awaited<ReturnType<typeof listTasks>>["value"]) => {
        return { tasks: tasks.map(toTask), next_cursor };
      };
      return as(toPage, await listTasks(broker, query));
    }),
    CancelTask: unary<CancelTaskRequest>(context, async ({ id, reason }) => {
      return as(toTask, await cancelTask(broker, id, reason));
    }),
    RetryTask: unary<RetryTaskRequest>(context, async ({ id, request_id }) => {
      const text = textOf(request_id);
      const requestId = text === undefined ? undefined : parseRequestId(text, "request_id");
      return as(toTask, await retryTask(broker, id, requestId));
    }),
    ListQueues: unary<ReadRequest>(context, async (request, { minIndex }) => {
      const answer = await listQueues(broker, readOf(request, minIndex));
      return as(({ queues }) => ({ queues: queues.map(toQueue) }), answer);
    }),
    ListWorkers: unary<ReadRequest>(context, async (request, { minIndex }) => {
      const answer = await listWorkers(broker, readOf(request, minIndex));
      return as(({ workers }) => ({ workers: workers.map(toWorker) }), answer);
    }),
    ClusterStatus: unary<object>(context, async () => as(toCluster, clusterStatus(broker))),
  };
}

function unary<Q>(
  { closing, logger, audit = NO_AUDIT }: GrpcContext,
  run: (request: Q, surroundings: Surroundings) => Promise<Answer<object>>,
): grpc.handleUnaryCall<Q, object> {
  return async (call, callback) => {
    try {
      const minIndex = minIndexOf(call.metadata);
      const { caller } = visitOf(call);
      const open: Surroundings["whileOpen"] = (wait) => whileOpen(call, closing, wait);
      const act = () => run(call.request, { minIndex, caller, whileOpen: open });
      const asked = askedBy(call);
      const confirming = () => confirmed(caller, asked.verb, act);
      const { value, index } = await audited(audit, asked, confirming);
      const trailers = new grpc.Metadata();
      trailers.set(APPLIED_INDEX, String(index));
      callback(null, value, trailers);
    } catch (error) {
      callback(toStatus(error, call.getPath(), logger));
    }
  };
}

function askedBy<Q>(call: grpc.ServerUnaryCall<Q, object>): Request {
  const { caller, peer, verb } = visitOf(call);
  const params = call.request;
  return { caller, from: addressOf(peer), door: "grpc", verb: verb!, params };
}

function as<T>(toMessage: (value: T) => object, { value, index }: Answer<T>): Answer<object> {
  return { value: toMessage(value), index };
}

function readOf({ consistency }: ReadRequest, minIndex: number | undefined): ReadOptions {
  return readOptions(new Fields({ consistency: wordOf("CONSISTENCY", consistency) }), minIndex);
}

function minIndexOf(metadata: grpc.Metadata): number | undefined {
  const [text] = metadata.get(APPLIED_INDEX);
  return text === undefined ? undefined : parseIndex(String(text), APPLIED_INDEX);
}
