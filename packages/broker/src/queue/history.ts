/**
 * For an edge that scans the history in the store by itself: how to read what it finds. The scan is
 * laid under the machine's `historyOverlay` of the same range, whose records win.
 */
import { decodeContent } from "./codec/content.ts";
import { decodeFinishedRecord } from "./codec/finished-record.ts";
import { historyBytes } from "./history-index.ts";
import { idOfIndexKey, idOfTaskKey } from "./keys.ts";
import { stateName } from "./state-number.ts";
import type { TaskId } from "./task.ts";
import { PRIORITIES } from "./task.ts";
import type { FinishedSummary } from "./view.ts";

/** Key and value as found in a history range. @throws CodecError */
export function decodeFinished(key: Uint8Array, value: Uint8Array): FinishedSummary {
  const record = decodeFinishedRecord(value);
  const content = record.content === undefined ? undefined : decodeContent(record.content);
  return {
    id: idOfTaskKey(key).slice(),
    state: stateName(record.state),
    type: record.type,
    queue: record.queue,
    priority: PRIORITIES[record.priority]!,
    attempt: record.attempt,
    createdAt: record.createdAt,
    finishedAt: record.at,
    tags: content?.tags,
    group: content?.group,
    order: record.order,
    contentBytes: record.contentBytes,
    historyBytes: record.order === undefined ? 0 : historyBytes(record.contentBytes, record),
    hasResult: record.result !== undefined,
    logLines: record.logLines,
    error: record.error,
  };
}

/** The task that an index key stands for. */
export function idOfFinishedKey(key: Uint8Array): TaskId {
  return idOfIndexKey(key).slice();
}
