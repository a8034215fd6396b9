/**
 * Whether a task may be made. A copy is recognised by its id for as long as anything of the task is
 * left, and by its idempotency key within the window; then by its unique key; only then are the
 * limits looked at, so that a full queue never makes a copy look like a failure. Changes nothing.
 */
import { DONE_BEFORE, refuse } from "./answers.ts";
import { decodeKeyRecord } from "./codec/small-records.ts";
import type { NewTask } from "./command.ts";
import { fingerprint } from "./fingerprint.ts";
import { idempotencyKey } from "./keys.ts";
import { idTime } from "./known-ids.ts";
import { laneName } from "./lane.ts";
import {
  DEDUP_WINDOW_MS,
  GROUPS_MAX,
  ID_AHEAD_MS_MAX,
  LANES_MAX,
  LINKS_PER_COMMAND_MAX,
  QUEUES_MAX,
} from "./limits.ts";
import { NONE } from "./live-table.ts";
import { findFinished, findTombstone, finishedContent, liveContent, sameBytes } from "./lookup.ts";
import { checkParents } from "./parent-lookup.ts";
import type { Plan } from "./plan.ts";
import type { Queue } from "./queue.ts";
import type { Accepted, Refused } from "./reply.ts";
import type { QueueState } from "./state.ts";
import { stateName } from "./state-number.ts";
import type { TaskContent, TaskId, TaskState } from "./task.ts";
import { findHolder, type Holder, UNIQUE_TAKEN } from "./unique.ts";

const OTHER_CONTENT = refuse(
  "idempotency_mismatch",
  "This id or idempotency key belongs to a task with other content; use a new one.",
);
const OUT_OF_WINDOW = refuse(
  "id_out_of_window",
  "The time inside this id is more than 24 hours ago or 5 minutes ahead; make a new id.",
);
const DRAINING = refuse(
  "state_conflict",
  "The queue is draining: it takes no new tasks. Use another, or resume it.",
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
const TOO_MANY_GROUPS = refuse(
  "overloaded",
  `There are unfinished tasks of ${GROUPS_MAX} groups already.`,
);

const TOO_MANY_CUT = refuse(
  "overloaded",
  `More than ${LINKS_PER_COMMAND_MAX} tasks wait for those to be replaced; replace fewer at once.`,
);

/**
 * The answer to a task that is not to be made; undefined = it may be, and `plan` counts it in. The
 * state of one that an earlier task of the command stands for is not known yet.
 */
export function judge(
  s: QueueState,
  task: NewTask,
  bytes: Uint8Array,
  plan: Plan | undefined,
): Accepted | Refused | undefined {
  const { id, content } = task;
  const known = answerKnown(s, id, bytes, plan);
  if (known !== undefined) return known;
  const time = idTime(id);
  if (time < s.clock - DEDUP_WINDOW_MS || time > s.clock + ID_AHEAD_MS_MAX) return OUT_OF_WINDOW;
  if (content.idempotencyKey !== "") {
    const first = answerKey(s, content, bytes, plan);
    if (first !== undefined) return first;
  }
  const holder = content.unique === undefined ? undefined : holderOf(s, content, plan);
  if (holder !== undefined && !isReplaceable(holder, content)) {
    const isRejected = content.unique?.onConflict === "reject";
    return isRejected ? UNIQUE_TAKEN : repeated(holder.id, holder.state);
  }
  const queue = s.lanes.queues.get(content.queue);
  const refusal =
    checkLimits(s, task, queue, holder, plan) ??
    checkReplaced(s, holder, plan) ??
    checkOrigins(s, task, plan);
  if (refusal === undefined && plan !== undefined) enter(task, bytes, queue, holder, plan);
  return refusal;
}

/** The answer when something of this task is left, whatever its state, or will be there. */
function answerKnown(
  s: QueueState,
  id: TaskId,
  bytes: Uint8Array,
  plan: Plan | undefined,
): Accepted | Refused | undefined {
  const planned = plan?.contentOf(id);
  if (planned !== undefined) {
    return sameBytes(planned, bytes) ? repeated(id, undefined) : OTHER_CONTENT;
  }
  const slot = s.table.find(id);
  if (slot !== NONE) {
    const same = sameBytes(liveContent(s, slot), bytes);
    return same ? repeated(id, stateName(s.table.state[slot]!)) : OTHER_CONTENT;
  }
  if (!s.knownIds.mayKnow(id)) return undefined;
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
function answerKey(
  s: QueueState,
  content: TaskContent,
  bytes: Uint8Array,
  plan: Plan | undefined,
): Accepted | Refused | undefined {
  const planned = plan?.withIdempotencyKey(content);
  if (planned !== undefined) return answerKnown(s, planned, bytes, plan);
  const stored = s.overlay.get(idempotencyKey(content.queue, content.idempotencyKey));
  if (stored === undefined) return undefined;
  const { id, at } = decodeKeyRecord(stored);
  return at + DEDUP_WINDOW_MS > s.clock ? answerKnown(s, id.slice(), bytes, plan) : undefined;
}

function holderOf(
  s: QueueState,
  { queue, unique }: TaskContent,
  plan: Plan | undefined,
): Holder | undefined {
  const { key } = unique!;
  return plan?.holderOf(queue, key) ?? findHolder(s, queue, key, plan?.ending ?? NONE);
}

function isReplaceable(holder: Holder, { unique }: TaskContent): boolean {
  return unique?.onConflict === "replace" && holder.waits;
}

function repeated(id: TaskId, state: TaskState | undefined): Accepted {
  return { ...DONE_BEFORE, id, state };
}

function checkLimits(
  s: QueueState,
  { content, depthLimit }: NewTask,
  queue: Queue | undefined,
  holder: Holder | undefined,
  plan: Plan | undefined,
): Refused | undefined {
  if (queue === undefined) {
    const isPlanned = plan?.hasQueue(content.queue) === true;
    const queues = s.lanes.queues.size + (plan?.newQueues ?? 0);
    if (!isPlanned && queues >= QUEUES_MAX) return TOO_MANY_QUEUES;
  } else if (queue.draining && s.version >= 3 && !isChild(plan)) {
    return DRAINING;
  }
  const limit = queue === undefined ? depthLimit : queue.settings.depthLimit || depthLimit;
  if (limit > 0) {
    const gone = holder === undefined ? 0 : 1;
    const depth = (queue?.depth ?? 0) + (plan?.depthOf(content.queue) ?? 0) - gone;
    if (depth >= limit) return QUEUE_FULL;
  }
  const { lanes } = s;
  const isLaneThere = plan?.hasLane(content) === true;
  if (!isLaneThere && !lanes.hasRoomFor(queue, content, plan?.newLanes)) return TOO_MANY_LANES;
  const isGroupThere = plan?.hasGroup(content) === true;
  const hasRoom = isGroupThere || lanes.groups.hasRoomFor(queue, content.group, plan?.newGroups);
  return hasRoom ? undefined : TOO_MANY_GROUPS;
}

/** Begins with the end of a run, which could not end otherwise: it is part of what was there. */
function isChild(plan: Plan | undefined): boolean {
  return plan !== undefined && plan.ending !== NONE;
}

/** The end of each task that is replaced is heard by its children, within the same command. */
function checkReplaced(
  s: QueueState,
  holder: Holder | undefined,
  plan: Plan | undefined,
): Refused | undefined {
  const slot = holder === undefined ? NONE : s.table.find(holder.id);
  if (slot === NONE || plan === undefined) return undefined;
  const links = s.table.childCount[slot]! + s.table.waitsFor[slot]!;
  return plan.countCut(links) ? undefined : TOO_MANY_CUT;
}

function checkOrigins(s: QueueState, task: NewTask, plan: Plan | undefined): Refused | undefined {
  if (task.content.dependsOn.length === 0 || plan === undefined) return undefined;
  return checkParents(s, task, plan.parents);
}

/** Counts the task in. */
function enter(
  { id, content }: NewTask,
  bytes: Uint8Array,
  queue: Queue | undefined,
  holder: Holder | undefined,
  plan: Plan,
): void {
  const lane = queue?.lanes.get(laneName(content));
  plan.add(id, content, bytes, {
    queue: queue === undefined,
    lane: lane === undefined || lane.live === 0,
    group: content.group !== "" && queue?.groups.has(content.group) !== true,
  });
  if (holder !== undefined) plan.replace(holder.id, content.queue);
}
