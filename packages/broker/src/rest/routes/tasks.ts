/** Submit, read, wait for, cancel and retry tasks. */
import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { parseDuration, TqError } from "task-queue-protocol";
import { readGraph } from "../../operations/graph.ts";
import { invalid, shown } from "../../operations/invalid.ts";
import { listTasks } from "../../operations/list.ts";
import { parseListQuery } from "../../operations/list-query.ts";
import { readLogs } from "../../operations/logs.ts";
import type { Fields } from "../../operations/read-fields.ts";
import type { Answer } from "../../operations/read-options.ts";
import {
  type BatchResult,
  batchErrorToJson,
  submitBatch,
  submitTask,
} from "../../operations/submit.ts";
import {
  cancelTask,
  getTask,
  RELEASE_FIELDS,
  releaseTask,
  rescheduleTask,
  retryTask,
  waitForTask,
} from "../../operations/tasks.ts";
import type { RestContext } from "../context.ts";
import { batchBodyBytesMax, taskBodyBytesMax } from "../limits.ts";
import { sendProblem } from "../problem.ts";
import {
  APPLIED_INDEX,
  headerOf,
  idempotencyKeyOf,
  minIndexOf,
  optionalBody,
  pathParameter,
  queryOf,
  readOf,
  send,
} from "../request-parts.ts";
import { sendLines, wantsLines } from "../task-lines.ts";

export function taskRoutes(app: FastifyInstance, context: RestContext): void {
  const { broker, settings } = context;
  const bodyLimit = taskBodyBytesMax(settings.maxPayloadBytes);

  app.post("/tasks", { bodyLimit, config: { verb: "submit" } }, async (request, reply) => {
    queryOf(request, []);
    const key = idempotencyKeyOf(request);
    const trace = headerOf(request, "traceparent");
    const answer = await submitTask(broker, request.body, settings, key, trace);
    const { task, duplicate } = answer.value;
    reply.code(duplicate ? 200 : 201).header("location", `/api/v1/tasks/${task.id}`);
    return send(reply, { value: task, index: answer.index });
  });

  const batchLimit = batchBodyBytesMax(settings.maxPayloadBytes);
  const config = { verb: "submit", counted: "by task" } as const;
  const batch = { bodyLimit: batchLimit, config };
  app.post("/tasks/batch", batch, async (request, reply) => {
    queryOf(request, []);
    return sendBatch(request, reply, await submitBatch(broker, request.body, settings));
  });

  app.get("/tasks", { config: { verb: "list" } }, (request, reply) => {
    return list(context, request, reply);
  });

  app.get("/tasks/:id", { config: { verb: "get" } }, async (request, reply) => {
    const { fields, read } = readOf(request, ["wait"]);
    const id = pathParameter(request, "id");
    const timeoutMs = readWait(fields);
    if (timeoutMs === undefined) return send(reply, await getTask(broker, id, read));
    const answer = await whileOpen(reply, context.closing, (signal) =>
      waitForTask(broker, id, read, { timeoutMs, signal }),
    );
    return send(reply, answer);
  });

  app.get("/tasks/:id/logs", { config: { verb: "logs" } }, async (request, reply) => {
    const { fields, read } = readOf(request, ["after", "limit"]);
    const wanted = { after: readCount(fields, "after"), limit: readCount(fields, "limit") };
    return send(reply, await readLogs(broker, pathParameter(request, "id"), wanted, read));
  });

  app.get("/tasks/:id/graph", { config: { verb: "graph" } }, async (request, reply) => {
    const { read } = readOf(request);
    return send(reply, await readGraph(broker, pathParameter(request, "id"), read));
  });

  const cancel = async (request: FastifyRequest, reply: FastifyReply) => {
    queryOf(request, []);
    const reason = optionalBody(request, ["reason"]).string("reason");
    return send(reply, await cancelTask(broker, pathParameter(request, "id"), reason));
  };
  app.post("/tasks/:id/cancel", { config: { verb: "cancel" } }, cancel);
  app.delete("/tasks/:id", { config: { verb: "cancel" } }, cancel);

  app.post("/tasks/:id/reschedule", { config: { verb: "reschedule" } }, async (request, reply) => {
    queryOf(request, []);
    const fields = optionalBody(request, ["run_at", "delay_ms"]);
    return send(reply, await rescheduleTask(broker, pathParameter(request, "id"), fields));
  });

  app.post("/tasks/:id/release", { config: { verb: "release" } }, async (request, reply) => {
    queryOf(request, []);
    const fields = optionalBody(request, RELEASE_FIELDS);
    return send(reply, await releaseTask(broker, pathParameter(request, "id"), fields));
  });

  app.post("/tasks/:id/retry", { config: { verb: "retry" } }, async (request, reply) => {
    queryOf(request, []);
    optionalBody(request, []);
    const id = pathParameter(request, "id");
    return send(reply, await retryTask(broker, id, requestIdOf(request)));
  });
}

/** A page, or all of them as lines. */
async function list(context: RestContext, request: FastifyRequest, reply: FastifyReply) {
  const { format, ...parameters } = request.query as Record<string, unknown>;
  const query = parseListQuery(parameters, minIndexOf(request));
  if (!wantsLines(request, format)) return send(reply, await listTasks(context.broker, query));
  if ("limit" in parameters) throw invalid("limit", "a stream has no pages; leave it out");
  return sendLines(context, reply, query);
}

/** A caller's idempotency key, made as long as the queue's request ids are. */
export function requestIdOf(request: FastifyRequest): Uint8Array | undefined {
  const key = idempotencyKeyOf(request);
  if (key === undefined) return undefined;
  return Uint8Array.from(createHash("sha256").update(key).digest().subarray(0, 16));
}

/** Runs with a signal that ends when the caller hangs up or the server closes. */
async function whileOpen<T>(
  reply: FastifyReply,
  closing: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const end = () => over.abort();
  if (closing.aborted) end();
  // By hand rather than `AbortSignal.any`, which keeps what it made for as long as `closing` lives.
  closing.addEventListener("abort", end);
  reply.raw.once("close", end);
  try {
    return await run(over.signal);
  } finally {
    closing.removeEventListener("abort", end);
  }
}

function readCount(fields: Fields, name: string): number | undefined {
  const text = fields.string(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw invalid(name, `${shown(text)} is not a whole number`);
  return Number(text);
}

function readWait(fields: Fields): number | undefined {
  const text = fields.string("wait");
  if (text === undefined) return undefined;
  const wait = parseDuration(text, 1000);
  if (wait === undefined) throw invalid("wait", `${shown(text)} is not a duration such as 30s`);
  return wait;
}

/**
 * 201 when any task is new, 200 when all that were taken had been there. When none was taken the
 * whole is a refusal, with the results beside it: an unknown outcome first, since it matters most.
 */
function sendBatch(
  request: FastifyRequest,
  reply: FastifyReply,
  { value: results, index }: Answer<readonly BatchResult[]>,
): FastifyReply {
  const tasks = results.map((result) =>
    "task" in result ? result.task : batchErrorToJson(result),
  );
  const errors = results.flatMap((result) => ("error" in result ? [result.error] : []));
  if (errors.length < results.length) {
    const isNew = results.some((result) => "task" in result && !result.duplicate);
    reply.header(APPLIED_INDEX, index);
    return reply.code(isNew ? 201 : 200).send({ tasks });
  }
  const worst = errors.find((error) => error.code === "outcome_unknown") ?? errors[0]!;
  const error = new TqError(worst.code, worst.message, { field: worst.field });
  return sendProblem(request, reply, error, { tasks });
}
