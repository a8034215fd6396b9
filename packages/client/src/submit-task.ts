/**
 * What a caller says of a task, turned into what travels. The id is minted here, before anything is
 * sent, so that every resend is the same task. Refusals are `TqError` `invalid_request` with the
 * field.
 */
import { parseTaskId, type SubmitRetry, type SubmitTask } from "task-queue-protocol";
import { uuidv7obj } from "uuidv7";
import { finite, invalid, text, toTime, whole } from "./check-options.ts";
import { type ExtraOptions, toExtras } from "./submit-extras.ts";
import type { RetryOptions, TaskDefaults } from "./task-map.ts";

export interface SubmitOptions extends TaskDefaults, ExtraOptions {
  /** UUIDv7; minted when absent. The same id with the same content is the same task. */
  readonly id?: string;
  /** Run after this long. */
  readonly delayMs?: number;
  /** Run at this time; milliseconds since 1970 or a Date. In the past = now. */
  readonly runAt?: Date | number;
  /** At most 255 bytes; a second submit with it within 24 hours answers with the first task. */
  readonly idempotencyKey?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** How long to keep trying; default is the client's. */
  readonly deadlineMs?: number;
  /** Ends the tries, with its reason. The task may have been taken by then. */
  readonly signal?: AbortSignal | undefined;
}

const utf8 = new TextEncoder();

export function toSubmitTask(
  type: string,
  payload: unknown,
  options: SubmitOptions,
  defaults: TaskDefaults | undefined,
): SubmitTask {
  const all: SubmitOptions = defaults === undefined ? options : over(defaults, options);
  const binary = payload instanceof Uint8Array;
  return {
    id: toId(all.id),
    content: {
      type: text("type", type),
      queue: text("queue", all.queue) || "default",
      priority: all.priority ?? "normal",
      payload: binary ? payload : toJson("payload", payload === undefined ? null : payload),
      payloadType: binary ? "binary" : "json",
      delayMs: whole("delayMs", all.delayMs),
      runAt: toTime("runAt", all.runAt),
      timeoutMs: whole("timeoutMs", all.timeoutMs),
      retry: toRetry(all),
      idempotencyKey: text("idempotencyKey", all.idempotencyKey),
      tags: all.tags ?? [],
      metadata: all.metadata === undefined ? "" : jsonText("metadata", all.metadata),
      traceparent: text("traceparent", all.traceparent),
      extras: toExtras(all),
    },
  };
}

/** What is named but undefined is not said, and leaves the default in force. */
function over(defaults: TaskDefaults, options: SubmitOptions): SubmitOptions {
  const said = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(said) };
}

/** About how much room it takes in a frame, never less than it does. */
export function frameBytes({ content }: SubmitTask): number {
  const { type, queue, idempotencyKey, tags, metadata, traceparent } = content;
  let characters = type.length + queue.length + idempotencyKey.length + metadata.length;
  characters += traceparent.length;
  for (const tag of tags) characters += tag.length + 1;
  return 128 + content.payload.length + 3 * characters + moreBytes(content);
}

function toId(id: string | undefined): Uint8Array {
  if (id === undefined) return uuidv7obj().bytes as Uint8Array;
  const bytes = parseTaskId(id);
  if (bytes === undefined) throw invalid("id", `"${id}" is not a UUID of version 7`);
  return bytes;
}

function toJson(field: string, value: unknown): Uint8Array {
  return utf8.encode(jsonText(field, value));
}

function jsonText(field: string, value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw invalid(field, `it cannot be written as JSON: ${(cause as Error).message}`, cause);
  }
  if (json === undefined) throw invalid(field, `a ${typeof value} cannot be written as JSON`);
  return json;
}

function toRetry({ maxRetries, retry }: SubmitOptions): SubmitRetry {
  return {
    ...(maxRetries !== undefined && { maxRetries: whole("maxRetries", maxRetries) }),
    ...(retry?.initialDelayMs !== undefined && {
      initialDelayMs: whole("retry.initialDelayMs", retry.initialDelayMs),
    }),
    ...(retry?.backoffMultiplier !== undefined && {
      multiplier: finite("retry.backoffMultiplier", retry.backoffMultiplier),
    }),
    ...(retry?.maxDelayMs !== undefined && {
      maxDelayMs: whole("retry.maxDelayMs", retry.maxDelayMs),
    }),
    ...toBackoff(retry),
    ...toJitter(retry?.jitter),
  };
}

function toBackoff(retry: RetryOptions | undefined): SubmitRetry {
  const { backoff, delaysMs } = retry ?? {};
  if (delaysMs === undefined) return backoff === undefined ? {} : { backoff };
  const delays = delaysMs.map((delay, at) => whole(`retry.delaysMs[${at}]`, delay));
  return { backoff: backoff ?? "list", delaysMs: delays };
}

/** A number says no kind: that is how brokers before version 3 of the cluster know it. */
function toJitter(jitter: RetryOptions["jitter"]): SubmitRetry {
  if (jitter === undefined) return {};
  if (jitter === "none") return { jitter: 0 };
  if (jitter === "full" || jitter === "equal") return { jitterKind: jitter };
  return { jitter: finite("retry.jitter", jitter) };
}

function moreBytes({ extras, retry }: SubmitTask["content"]): number {
  const delays = 8 * (retry.delaysMs?.length ?? 0);
  if (extras === undefined) return delays;
  const { unique, group, requires, dependsOn } = extras;
  let characters = group.length + (unique?.key.length ?? 0);
  for (const label of requires) characters += label.length + 1;
  return 64 + delays + 16 * dependsOn.length + 3 * characters;
}
