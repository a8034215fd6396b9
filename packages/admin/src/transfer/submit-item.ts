/** A line of an export as a submit: under the id of the import, in the queue of the import. */
import type { AnyTasks, SubmitItem, SubmitOptions } from "task-queue-client";
import type { RetryJson } from "task-queue-protocol";
import type { ExportedSubmit } from "./format.ts";
import { type ImportIds, importKey } from "./import-ids.ts";

export type Item = SubmitItem<AnyTasks> & { readonly options: SubmitOptions };

export interface Wording {
  readonly ids: ImportIds;
  /** The queue that stands for one of the export. */
  readonly nameOf: (queue: string) => string;
  /** The id under which an earlier export's import has made the task of this one. */
  readonly idOf: (id: string) => string;
  /** Older clusters know one backoff, and take no word on it. */
  readonly saysBackoff: boolean;
}

export function toItem(submit: ExportedSubmit, { ids, nameOf, idOf, saysBackoff }: Wording): Item {
  const options = {
    id: ids.of(submit.id),
    queue: nameOf(submit.queue ?? "default"),
    priority: submit.priority,
    runAt: timeOf(submit.run_at),
    timeoutMs: submit.timeout_ms,
    maxRetries: submit.max_retries,
    retry: submit.retry && retryOf(submit.retry, saysBackoff),
    idempotencyKey: keyOf(submit, ids),
    tags: submit.tags,
    metadata: submit.metadata,
    traceparent: submit.traceparent,
    expiresAt: timeOf(submit.expires_at),
    uniqueKey: submit.unique_key,
    uniqueForMs: submit.unique_for_ms,
    // What is there stays: an import neither cancels a task nor takes one for another.
    uniqueConflict: submit.unique_key === undefined ? undefined : "reject",
    group: submit.group,
    requiredLabels: submit.required_labels,
    dependsOn: submit.depends_on?.map((id) => idOf(ids.of(id))),
    onParentFailure: submit.on_parent_failure,
  };
  return { type: submit.type, payload: payloadOf(submit), options: said(options) as SubmitOptions };
}

/** Of a later export its id may be another: then it is known by its key. */
function keyOf({ id, idempotency_key }: ExportedSubmit, ids: ImportIds): string | undefined {
  return idempotency_key ?? (ids.keepsAll ? undefined : importKey(id));
}

function payloadOf({ payload, payload_base64 }: ExportedSubmit): unknown {
  return payload_base64 === undefined ? payload : Buffer.from(payload_base64, "base64");
}

/** A task shows no backoff when it has the usual one; its new queue may have another. */
function retryOf(retry: RetryJson, saysBackoff: boolean): SubmitOptions["retry"] {
  return said({
    backoff: retry.backoff ?? (saysBackoff ? "exponential" : undefined),
    initialDelayMs: retry.initial_delay_ms,
    backoffMultiplier: retry.backoff_multiplier,
    maxDelayMs: retry.max_delay_ms,
    delaysMs: retry.delays_ms,
    jitter: retry.jitter,
  });
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}

type Said<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

function said<T extends object>(options: T): Said<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Said<T>;
}
