/**
 * `submit`: a new task, or the same one again. A copy is recognised by its id for as long as
 * anything of the task is left, and by its idempotency key within the window; only then are the
 * limits looked at, so that a full queue never makes a copy look like a failure.
 */
import { DONE_BEFORE, refuse } from "../answers.ts";
import { encodeContent } from "../codec/content.ts";
import { decodeKeyRecord, encodeKeyRecord } from "../codec/small-records.ts";
import type { Submit } from "../command.ts";
import { fingerprint } from "../fingerprint.ts";
import { idempotencyKey } from "../keys.ts";
import { DEDUP_WINDOW_MS, ID_AHEAD_MS_MAX, LANES_MAX, QUEUES_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { findFinished, findTombstone, finishedContent, liveContent, sameBytes } from "../lookup.ts";
import type { Refused, Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { PENDING, SCHEDULED, stateName } from "../state-number.ts";
import type { ClusterTime, TaskContent, TaskId, TaskState } from "../task.ts";
import { PRIORITIES } from "../task.ts";
import { admit, place } from "../transitions.ts";

const OTHER_CONTENT = refuse(
  "idempotency_mismatch",
  "This id or idempotency key belongs to a task with other content; use a new one.",
);
const OUT_OF_WINDOW = refuse(
  "id_out_of_window",
  "The time inside this id is more than 24 hours ago or 5 minutes ahead; make a new id.",
);
const QUEUE_FULL = refuse(
  "queue_full",
  "The queue holds as many unfinished tasks as it may; try again later.",
);
const TOO_MANY_QUEUES = refuse(
  "overloaded",
  `There are ${QUEUES_MAX} queues already; use one of them.`,
);
const TOO_MANY_LANES = refuse(
  "overloaded",
  `There are unfinished tasks of ${LANES_MAX} pairs of queue and type already.`,
);

export function submit(s: QueueState, command: Submit): Reply {
  const { id, content } = command;
  const bytes = command.contentBytes ?? encodeContent(content);
  const known = answerKnown(s, id, bytes);
  if (known !== undefined) return known;
  const time = idTime(id);
  if (time < s.clock - DEDUP_WINDOW_MS || time > s.clock + ID_AHEAD_MS_MAX) return OUT_OF_WINDOW;
  const withKey = content.idempotencyKey !== "";
  const first = withKey ? answerKey(s, content, bytes) : undefined;
  if (first !== undefined) return first;
  const refusal = checkLimits(s, command);
  if (refusal !== undefined) return refusal;
  if (withKey) {
    const key = idempotencyKey(content.queue, content.idempotencyKey);
    s.overlay.put(key, encodeKeyRecord({ id, at: s.clock }));
  }
  return { code: "ok", id, state: stateName(create(s, command, bytes)), duplicate: false };
}

/** The answer when something of this task is left, whatever its state. */
function answerKnown(s: QueueState, id: TaskId, bytes: Uint8Array): Reply | undefined {
  const slot = s.table.find(id);
  if (slot !== NONE) {
    const same = sameBytes(liveContent(s, slot), bytes);
    return same ? repeated(id, stateName(s.table.state[slot]!)) : OTHER_CONTENT;
  }
  const finished = findFinished(s, id);
  if (finished !== undefined) {
    const same = sameBytes(finishedContent(s, id, finished), bytes);
    return same ? repeated(id, stateName(finished.state)) : OTHER_CONTENT;
  }
  const tombstone = findTombstone(s, id);
  if (tombstone === undefined) return undefined;
  const { high, low } = fingerprint(bytes);
  const same = tombstone.contentHigh === high && tombstone.contentLow === low;
  return same ? repeated(id, undefined) : OTHER_CONTENT;
}

/** The answer when the idempotency key stands for an earlier task. */
function answerKey(s: QueueState, content: TaskContent, bytes: Uint8Array): Reply | undefined {
  const stored = s.overlay.get(idempotencyKey(content.queue, content.idempotencyKey));
  if (stored === undefined) return undefined;
  const { id, at } = decodeKeyRecord(stored);
  return at + DEDUP_WINDOW_MS > s.clock ? answerKnown(s, id.slice(), bytes) : undefined;
}

function repeated(id: TaskId, state: TaskState | undefined): Reply {
  return { ...DONE_BEFORE, id, state };
}

function checkLimits(s: QueueState, { content, depthLimit }: Submit): Refused | undefined {
  const queue = s.lanes.queues.get(content.queue);
  if (queue === undefined && s.lanes.queues.size >= QUEUES_MAX) return TOO_MANY_QUEUES;
  if (depthLimit > 0 && queue !== undefined && queue.depth >= depthLimit) return QUEUE_FULL;
  return s.lanes.hasRoomFor(queue, content.type) ? undefined : TOO_MANY_LANES;
}

/** Returns the state the task begins in. */
function create(s: QueueState, { id, content, retry }: Submit, bytes: Uint8Array): number {
  const { table } = s;
  const lane = s.lanes.open(s.lanes.queue(content.queue), content.type);
  const slot = admit(s, id, lane, bytes);
  table.priority[slot] = PRIORITIES.indexOf(content.priority);
  table.createdAt[slot] = s.clock;
  table.timeoutMs[slot] = content.timeoutMs;
  table.setPolicy(slot, retry);
  const dueAt = dueTime(s, content);
  const state = dueAt > s.clock ? SCHEDULED : PENDING;
  place(s, slot, state, dueAt);
  return state;
}

function dueTime(s: QueueState, content: TaskContent): ClusterTime {
  return content.runAt > 0 ? s.after(content.runAt - s.clock) : s.after(content.delayMs);
}

/** The first 48 bits of a UUIDv7 are milliseconds since 1970. */
function idTime(id: TaskId): ClusterTime {
  let time = 0;
  for (let i = 0; i < 6; i++) time = time * 256 + id[i]!;
  return time;
}
