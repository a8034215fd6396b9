/** Makes the tasks that `admission.ts` found nothing against; nothing is checked here. */
import { encodeContent } from "./codec/content.ts";
import { encodeKeyRecord } from "./codec/small-records.ts";
import type { NewTask } from "./command.ts";
import { expiryOf } from "./expiry.ts";
import { enterTags } from "./history-index.ts";
import { idempotencyKey } from "./keys.ts";
import { linkParents } from "./links.ts";
import { NONE } from "./live-table.ts";
import { withWish } from "./merge-policy.ts";
import type { Plan } from "./plan.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "./queue-settings.ts";
import type { QueueState } from "./state.ts";
import { BLOCKED, CANCELLED, PENDING, SCHEDULED } from "./state-number.ts";
import type { ClusterTime, RetryPolicy, TaskContent } from "./task.ts";
import { PRIORITIES } from "./task.ts";
import { admit, finish, place, withdraw } from "./transitions.ts";
import { joinGroup } from "./turns.ts";
import { takeUnique } from "./unique.ts";

const REPLACED = "replaced by another task with the same unique key";

/** The canonical bytes of what its submitter said. */
export function bytesOf({ content, contentBytes }: NewTask): Uint8Array {
  return contentBytes ?? encodeContent(content);
}

export function make(
  s: QueueState,
  task: NewTask,
  bytes: Uint8Array,
  plan: Plan | undefined,
): void {
  const { table } = s;
  const { id, content } = task;
  if (content.idempotencyKey !== "") {
    const key = idempotencyKey(content.queue, content.idempotencyKey);
    s.overlay.put(key, encodeKeyRecord({ id, at: s.clock }));
  }
  if (content.unique !== undefined) takeUnique(s, id, content.queue, content.unique);
  const queue = s.lanes.queue(content.queue);
  const settings = s.version >= 3 ? queue.settings : DEFAULT_SETTINGS;
  const slot = admit(s, id, s.lanes.open(queue, content), bytes);
  joinGroup(s, slot, content.group);
  table.priority[slot] = PRIORITIES.indexOf(content.priority);
  table.createdAt[slot] = s.clock;
  // Records before version 3 have no room for it.
  if (s.version >= 3) table.contentBytes[slot] = bytes.length;
  enterTags(s, id, content);
  table.timeoutMs[slot] = content.timeoutMs;
  table.expiresAt[slot] = expiryOf(s, content, settings);
  table.setPolicy(slot, policyOf(s, task, settings));
  const dueAt = dueTime(s, content);
  const withParents = content.dependsOn.length > 0 && plan !== undefined;
  const isBlocked = withParents && linkParents(s, slot, task, plan.parents);
  const state = isBlocked ? BLOCKED : dueAt > s.clock ? SCHEDULED : PENDING;
  place(s, slot, state, dueAt);
}

/**
 * When all tasks of a command are made: so whoever depends on one that gave up its unique key hears
 * of its end in the usual way.
 */
export function cancelReplaced(s: QueueState, { replaced }: Plan): void {
  for (const id of replaced) {
    const slot = s.table.find(id);
    if (slot === NONE) continue;
    withdraw(s, slot);
    const error = { message: REPLACED, stack: "" };
    const nothing = { final: undefined, result: undefined };
    finish(s, slot, { state: CANCELLED, at: s.clock, error, ...nothing });
  }
}

/** What the submitter said goes before what the operator said of the queue. */
function policyOf(s: QueueState, task: NewTask, settings: QueueSettings): RetryPolicy {
  const { content, retry } = task;
  if (s.version < 3) return retry;
  const nothing = DEFAULT_SETTINGS.retry;
  if (settings.retry === nothing && content.retry === nothing) return retry;
  return withWish(withWish(retry, settings.retry), content.retry);
}

function dueTime(s: QueueState, content: TaskContent): ClusterTime {
  return content.runAt > 0 ? s.after(content.runAt - s.clock) : s.after(content.delayMs);
}
