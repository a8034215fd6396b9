/**
 * Submitting: one task or up to a thousand. A task is read back after it was applied, so that what
 * is answered is what every later read will show.
 */
import { type ErrorBody, formatTaskId, type TaskJson, TqError } from "task-queue-protocol";
import type { RetryPolicy, Submit, TaskId } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import type { ParsedSubmit } from "./check-submit.ts";
import { invalid } from "./invalid.ts";
import { BATCH_TASKS_MAX } from "./limits.ts";
import { parseSubmit, type SubmitContext, type SubmitOfJson } from "./parse-task.ts";
import { perform } from "./perform.ts";
import { readBack } from "./read-back.ts";
import { Fields } from "./read-fields.ts";
import type { Answer } from "./read-options.ts";
import { taskToJson } from "./task-to-json.ts";

/** This node's settings as far as a submit needs them. */
export interface SubmitSettings {
  readonly maxPayloadBytes: number;
  /** What a task that says nothing about retries gets. */
  readonly retry: RetryPolicy;
  /** Unfinished tasks per queue beyond which a submit is refused; 0 = no limit. */
  readonly queueDepthThreshold: number;
}

export interface Submitted {
  readonly task: TaskJson;
  /** It had been submitted before; nothing changed now. */
  readonly duplicate: boolean;
}

/** A submit that ended in a refusal, with the id that makes sending it again safe. */
export class SubmitRefused extends TqError {
  readonly taskId: string;

  constructor(error: TqError, taskId: string) {
    super(error.code, error.message, { field: error.field, cause: error });
    this.taskId = taskId;
  }
}

/** What became of one task of a batch: the task, or why there is none. */
export type BatchResult = Submitted | { readonly id: string | undefined; readonly error: TqError };

/** The command for a submit that was checked; what it leaves open comes from the settings. */
export function submitCommand({ id, content }: ParsedSubmit, settings: SubmitSettings): Submit {
  const retry = { ...settings.retry, ...content.retry };
  return { type: "submit", id, content, retry, depthLimit: settings.queueDepthThreshold };
}

export async function submitTask(
  broker: Broker,
  input: unknown,
  settings: SubmitSettings,
  idempotencyKey?: string,
): Promise<Answer<Submitted>> {
  const context = { ...contextOf(broker, settings), idempotencyKey };
  return submitParsed(broker, parseSubmit(input, context), settings);
}

/**
 * `{tasks: […], atomic?}`. Each task has a result of its own. With `atomic`, all of them are
 * checked before the first is submitted, and one that is not valid refuses the whole batch.
 */
export async function submitBatch(
  broker: Broker,
  input: unknown,
  settings: SubmitSettings,
): Promise<Answer<readonly BatchResult[]>> {
  const fields = Fields.of(input, "body");
  fields.refuseUnknown(["tasks", "atomic"]);
  const atomic = fields.boolean("atomic") ?? false;
  const inputs = fields.get("tasks");
  if (!Array.isArray(inputs)) throw invalid("tasks", "a list of tasks is expected");
  if (inputs.length < 1 || inputs.length > BATCH_TASKS_MAX) {
    throw invalid("tasks", `${inputs.length} tasks; allowed are 1 to ${BATCH_TASKS_MAX}`);
  }
  const context = contextOf(broker, settings);
  const parsed = inputs.map((task, index) => parseOne(task, context, index));
  const firstError = parsed.find((one) => one instanceof TqError);
  if (atomic && firstError !== undefined) throw firstError;
  const answers = await Promise.all(parsed.map((one) => settle(broker, one, settings)));
  return {
    value: answers.map((answer) => answer.value),
    index: Math.max(0, ...answers.map((answer) => answer.index)),
  };
}

/** The form in which a refusal stands among the results of a batch. */
export function batchErrorToJson(result: { id: string | undefined; error: TqError }): {
  id?: string;
  error: ErrorBody & { retryable: boolean };
} {
  const error = { ...result.error.toBody(), retryable: result.error.retryable };
  return result.id === undefined ? { error } : { id: result.id, error };
}

function contextOf(broker: Broker, settings: SubmitSettings): SubmitContext {
  // Before the first command was applied the cluster has no time yet; this machine's is then as
  // good.
  const now = broker.clock() || Date.now();
  return { maxPayloadBytes: settings.maxPayloadBytes, now };
}

function parseOne(task: unknown, context: SubmitContext, index: number): SubmitOfJson | TqError {
  try {
    return parseSubmit(task, { ...context, prefix: `tasks[${index}].` });
  } catch (error) {
    if (error instanceof TqError) return error;
    throw error;
  }
}

async function settle(
  broker: Broker,
  parsed: SubmitOfJson | TqError,
  settings: SubmitSettings,
): Promise<Answer<BatchResult>> {
  if (parsed instanceof TqError) return { value: { id: undefined, error: parsed }, index: 0 };
  try {
    return await submitParsed(broker, parsed, settings);
  } catch (error) {
    if (!(error instanceof TqError)) throw error;
    return { value: { id: formatTaskId(parsed.id), error }, index: 0 };
  }
}

async function submitParsed(
  broker: Broker,
  parsed: SubmitOfJson,
  settings: SubmitSettings,
): Promise<Answer<Submitted>> {
  try {
    const { reply, index } = await perform(broker, submitCommand(parsed, settings));
    const { value: view, index: applied } = await readBack(broker, reply.id ?? parsed.id, index);
    if (view === undefined) {
      throw new TqError("not_found", "this task was submitted before and has since been deleted");
    }
    const task = taskToJson(view, { payload: true });
    const duplicate = reply.duplicate && !isOwnCopy(parsed, reply.id);
    return { value: { task, duplicate }, index: applied };
  } catch (error) {
    // Under a key that belongs to another task the id just made is nobody's.
    if (!(error instanceof TqError) || error.code === "idempotency_mismatch") throw error;
    throw new SubmitRefused(error, formatTaskId(parsed.id));
  }
}

/**
 * A node sends a write again when the leader changes under it. The caller of a task whose id was
 * made here cannot have submitted it before: what the log had already was our own first copy.
 */
function isOwnCopy({ id, minted }: SubmitOfJson, found: TaskId | undefined): boolean {
  return minted && (found === undefined || Buffer.compare(found, id) === 0);
}
