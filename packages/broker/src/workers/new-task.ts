/** A task as the worker protocol brings it, checked and turned into a part of a command. */
import type { SubmitContent, SubmitTask } from "task-queue-protocol";
import { sortedLabels } from "../operations/check-extras.ts";
import { checkSubmit, type SubmitLimits } from "../operations/check-submit.ts";
import type { EndedParents } from "../operations/ended-parents.ts";
import { newTaskOf, type SubmitSettings } from "../operations/submit.ts";
import { type NewTask, NO_EXTRAS, type TaskContent } from "../queue/index.ts";

export interface TaskReading {
  readonly settings: SubmitSettings;
  readonly limits: SubmitLimits;
  readonly parents: EndedParents;
}

/** Throws `TqError`; `prefix` goes before field names. */
export function readNewTask(task: SubmitTask, reading: TaskReading, prefix: string): NewTask {
  const { settings, limits, parents } = reading;
  const checked = checkSubmit(task.id, contentOf(task.content), limits, prefix);
  return newTaskOf(checked, settings, parents);
}

function contentOf(content: SubmitContent): TaskContent {
  const extras = content.extras ?? NO_EXTRAS;
  // One literal, with the members in the order of those that the log holds; see `decodeContent`.
  return {
    type: content.type,
    queue: content.queue,
    priority: content.priority,
    payload: content.payload,
    payloadType: content.payloadType,
    delayMs: content.delayMs,
    runAt: content.runAt,
    timeoutMs: content.timeoutMs,
    retry: content.retry,
    idempotencyKey: content.idempotencyKey,
    tags: content.tags,
    metadata: content.metadata,
    traceparent: content.traceparent,
    expiresInMs: extras.expiresInMs,
    expiresAt: extras.expiresAt,
    unique: extras.unique,
    group: extras.group,
    requires: sortedLabels(extras.requires),
    dependsOn: extras.dependsOn,
    // The protocol carries a word on failed parents only where there are parents.
    onParentFailure: extras.onParentFailure,
  };
}
