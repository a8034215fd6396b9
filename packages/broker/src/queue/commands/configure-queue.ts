/**
 * `configureQueue`: what an operator says of a queue. Idempotent: what is so already is answered as
 * a copy, whatever revision it asks for, since that is what a copy finds.
 */
import { DONE, DONE_BEFORE, queueChanged, refuse } from "../answers.ts";
import { sameSettings } from "../codec/queue-record.ts";
import type { ConfigureQueue } from "../command.ts";
import { GROUP_WEIGHTS_MAX, QUEUES_MAX } from "../limits.ts";
import type { Queue } from "../queue.ts";
import type { QueueSettings } from "../queue-settings.ts";
import type { Refused, Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { tellReady } from "../turns.ts";

const TOO_EARLY = refuse(
  "state_conflict",
  "Settings of queues need version 3 of the cluster: tq-admin upgrade finalize.",
);
const TOO_MANY_QUEUES = refuse(
  "overloaded",
  `There are ${QUEUES_MAX} queues already; use one of them.`,
);
const TOO_MANY_WEIGHTS = refuse(
  "invalid_request",
  `The settings of a queue may name the weights of ${GROUP_WEIGHTS_MAX} groups, not more.`,
);
const UNSORTED_WEIGHTS = refuse(
  "invalid_request",
  "Each group may have one weight, and they must be sorted by group.",
);

export function configureQueue(s: QueueState, command: ConfigureQueue): Reply {
  // The records of earlier versions have no room for it.
  if (s.version < 3) return TOO_EARLY;
  const refusal = command.settings === undefined ? undefined : check(command.settings);
  if (refusal !== undefined) return refusal;
  const known = s.lanes.queues.get(command.queue);
  if (known !== undefined && changesNothing(known, command)) return DONE_BEFORE;
  const revision = known?.revision ?? 0;
  if (command.ifRevision !== undefined && command.ifRevision !== revision) {
    return queueChanged(revision);
  }
  if (known === undefined && s.lanes.queues.size >= QUEUES_MAX) return TOO_MANY_QUEUES;
  change(s, s.lanes.queue(command.queue), command);
  return DONE;
}

function check({ groupWeights }: QueueSettings): Refused | undefined {
  if (groupWeights.length > GROUP_WEIGHTS_MAX) return TOO_MANY_WEIGHTS;
  const sorted = groupWeights.every(
    ({ group }, at) => at === 0 || groupWeights[at - 1]!.group < group,
  );
  return sorted ? undefined : UNSORTED_WEIGHTS;
}

function changesNothing(queue: Queue, { settings, paused, draining }: ConfigureQueue): boolean {
  if (paused !== undefined && paused !== queue.paused) return false;
  if (draining !== undefined && draining !== queue.draining) return false;
  return settings === undefined || sameSettings(settings, queue.settings);
}

function change(s: QueueState, queue: Queue, command: ConfigureQueue): void {
  queue.settings = command.settings ?? queue.settings;
  queue.paused = command.paused ?? queue.paused;
  queue.draining = command.draining ?? queue.draining;
  queue.revision++;
  s.hash.number(queue.revision);
  s.dirtyQueues.add(queue);
  for (const group of queue.groups.values()) s.lanes.recountGroup(group.lines.values());
  s.lanes.relist(queue);
  tellReady(s, queue);
}
