/**
 * Submitting: one task or up to a thousand. A task is read back after it was applied, so that what
 * is answered is what every later read will show.
 */
import {
  type ErrorBody,
  formatTaskId,
  type SubmittedJson,
  type TaskJson,
  TqError,
} from "task-queue-protocol";
import {
  type Accepted,
  type Command,
  encodeContent,
  LINKS_PER_COMMAND_MAX,
  type NewTask,
  type RetryPolicy,
  type TaskContent,
  type TaskId,
  type TaskView,
  withWish,
} from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import type { ParsedSubmit } from "./check-submit.ts";
import { EndedParents } from "./ended-parents.ts";
import { invalid } from "./invalid.ts";
import { ATOMIC_BYTES_MAX, BATCH_TASKS_MAX } from "./limits.ts";
import { parseSubmit, type SubmitContext, type SubmitOfJson } from "./parse-task.ts";
import { type Performed, perform, performAll, performEach } from "./perform.ts";
import { nameFullQueue } from "./queue-full.ts";
import { caughtUp, readBack } from "./read-back.ts";
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
  /** Whether answers repeat the payload, which the caller has; default: yes. */
  readonly showPayload?: boolean | undefined;
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

/** A new task of a submit that was checked; what it leaves open comes from the settings. */
export function newTaskOf(
  { id, content }: ParsedSubmit,
  settings: SubmitSettings,
  parents: EndedParents,
): NewTask {
  const retry = withWish(settings.retry, content.retry);
  const depthLimit = settings.queueDepthThreshold;
  return { id, content, retry, depthLimit, ...parents.of(content) };
}

export async function submitTask(
  broker: Broker,
  input: unknown,
  settings: SubmitSettings,
  idempotencyKey?: string,
  traceparent?: string,
): Promise<Answer<Submitted>> {
  const context = { ...contextOf(broker, settings), idempotencyKey, traceparent };
  const parsed = parseSubmit(input, context);
  const task = newTaskOf(parsed, settings, new EndedParents(broker));
  try {
    const { reply, index } = await perform(broker, { ...task, type: "submit" });
    const { value, index: applied } = await readBack(broker, reply.id ?? parsed.id, index);
    return { value: submittedOf(parsed, reply, value, settings), index: applied };
  } catch (error) {
    // Under a key that belongs to another task the id just made is nobody's.
    if (!(error instanceof TqError) || error.code === "idempotency_mismatch") throw error;
    const refusal = nameFullQueue(error, broker, task.content.queue, settings);
    throw new SubmitRefused(refusal, formatTaskId(parsed.id));
  }
}

/**
 * `{tasks: […], atomic?}`. Each task has a result of its own. With `atomic` all of them are made,
 * or none: the refusal names the first that cannot be.
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
  if (atomic) return submitTogether(broker, parsed, settings);
  return submitEach(broker, parsed, settings);
}

/** The same for callers that gave ids and need no more than how each stands now. */
export async function submitAll(
  broker: Broker,
  input: { readonly tasks: unknown; readonly atomic: true },
  settings: SubmitSettings,
): Promise<Answer<{ tasks: SubmittedJson[] }>> {
  const { value, index } = await submitBatch(broker, input, { ...settings, showPayload: false });
  const tasks = value.map((result) => {
    if ("error" in result) throw result.error;
    const { id, state } = result.task;
    return { id, state, duplicate: result.duplicate };
  });
  return { value: { tasks }, index };
}

/** Refuses contents that are larger, or name more parents, in all than one command may. */
export function checkTogether(contents: readonly TaskContent[]): void {
  let bytes = 0;
  let parents = 0;
  for (const content of contents) {
    bytes += encodeContent(content).length;
    parents += content.dependsOn.length;
  }
  if (parents > LINKS_PER_COMMAND_MAX) {
    const most = `tasks that are made together may name ${LINKS_PER_COMMAND_MAX}`;
    throw invalid("tasks", `they name ${parents} parents in all; ${most}`);
  }
  if (bytes <= ATOMIC_BYTES_MAX) return;
  const message = `${bytes} bytes in all; tasks that are made together have ${ATOMIC_BYTES_MAX}`;
  throw new TqError("too_large", `tasks: ${message} at most`, { field: "tasks" });
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

/** What a door could not even read stands in its place as the refusal that it is. */
function parseOne(task: unknown, context: SubmitContext, index: number): SubmitOfJson | TqError {
  if (task instanceof TqError) return task;
  try {
    return parseSubmit(task, { ...context, prefix: `tasks[${index}].` });
  } catch (error) {
    if (error instanceof TqError) return error;
    throw error;
  }
}

async function submitEach(
  broker: Broker,
  parsed: readonly (SubmitOfJson | TqError)[],
  settings: SubmitSettings,
): Promise<Answer<readonly BatchResult[]>> {
  const parents = new EndedParents(broker);
  const commands = parsed.flatMap((one): Command[] => {
    return one instanceof TqError ? [] : [{ ...newTaskOf(one, settings, parents), type: "submit" }];
  });
  const ended = (await performEach(broker, commands)).values();
  const sent = parsed.map((one): Sent => {
    return one instanceof TqError ? { ended: one } : { parsed: one, ended: ended.next().value! };
  });
  return readAllBack(broker, sent, settings);
}

async function submitTogether(
  broker: Broker,
  parsed: readonly (SubmitOfJson | TqError)[],
  settings: SubmitSettings,
): Promise<Answer<readonly BatchResult[]>> {
  const checked = parsed.map((one) => {
    if (one instanceof TqError) throw one;
    return one;
  });
  checkTogether(checked.map(({ content }) => content));
  const parents = new EndedParents(broker);
  const tasks = checked.map((one) => newTaskOf(one, settings, parents));
  try {
    const { replies, index } = await performAll(broker, { type: "submitAll", tasks });
    const sent = checked.map((one, at) => ({ parsed: one, ended: { reply: replies[at]!, index } }));
    return await readAllBack(broker, sent, settings);
  } catch (error) {
    // With the ids that were made here, so that it can be sent again.
    if (!(error instanceof TqError)) throw error;
    const at = Number(/\d+/.exec(error.field ?? "")?.[0] ?? 0);
    const { queue } = checked[at]!.content;
    if (error.code !== "outcome_unknown") throw nameFullQueue(error, broker, queue, settings);
    return { value: checked.map(({ id }) => ({ id: formatTaskId(id), error })), index: 0 };
  }
}

/** Of a batch: what was performed, or why nothing was, of a task that could at least be read. */
type Sent =
  | { readonly parsed: SubmitOfJson; readonly ended: Performed | TqError }
  | { readonly parsed?: undefined; readonly ended: TqError };

/** One wait for the last of them, and then how each stands. */
async function readAllBack(
  broker: Broker,
  sent: readonly Sent[],
  settings: SubmitSettings,
): Promise<Answer<readonly BatchResult[]>> {
  const indexes = sent.map(({ ended }) => (ended instanceof TqError ? 0 : ended.index));
  const last = Math.max(0, ...indexes);
  const late = last === 0 ? undefined : await refusalOf(caughtUp(broker, last));
  const value = sent.map((one) => resultOf(broker, one, late, settings));
  return { value, index: last === 0 ? 0 : broker.applied };
}

async function refusalOf(act: Promise<unknown>): Promise<TqError | undefined> {
  try {
    await act;
    return undefined;
  } catch (error) {
    if (error instanceof TqError) return error;
    throw error;
  }
}

/** `late`: why this node has not applied all of them, if it has not. */
function resultOf(
  broker: Broker,
  { parsed, ended }: Sent,
  late: TqError | undefined,
  settings: SubmitSettings,
): BatchResult {
  if (parsed === undefined) return { id: undefined, error: ended };
  const id = formatTaskId(parsed.id);
  if (ended instanceof TqError) {
    return { id, error: nameFullQueue(ended, broker, parsed.content.queue, settings) };
  }
  const { reply, index } = ended;
  if (late !== undefined && index > broker.applied) return { id, error: late };
  try {
    return submittedOf(parsed, reply, broker.task(reply.id ?? parsed.id), settings);
  } catch (error) {
    if (!(error instanceof TqError)) throw error;
    return { id, error };
  }
}

function submittedOf(
  parsed: SubmitOfJson,
  reply: Accepted,
  view: TaskView | undefined,
  { showPayload = true }: SubmitSettings,
): Submitted {
  if (view === undefined) {
    throw new TqError("not_found", "this task was submitted before and has since been deleted");
  }
  const duplicate = reply.duplicate && !isOwnCopy(parsed, reply.id);
  return { task: taskToJson(view, { payload: showPayload }), duplicate };
}

/**
 * A node sends a write again when the leader changes under it. The caller of a task whose id was
 * made here cannot have submitted it before: what the log had already was our own first copy.
 */
function isOwnCopy({ id, minted }: SubmitOfJson, found: TaskId | undefined): boolean {
  return minted && (found === undefined || Buffer.compare(found, id) === 0);
}
