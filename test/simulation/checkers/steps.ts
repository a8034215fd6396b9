/**
 * What jobs and retention do to many tasks at once, held against the committed log. Their replies
 * do not say which tasks they changed. So the model is asked, which has applied just this entry, and
 * is believed only what it may say: a job starts a task at most once, and only one that it named,
 * of its queue, that had ended without success; nothing goes that nobody named; and what was named
 * and was there is started, or gone.
 */
import type {
  Command,
  JobFilter,
  JobKind,
  QueueEvent,
  Reply,
  TaskId,
} from "../../../packages/broker/src/queue/index.ts";
import { demand } from "../violation.ts";
import { isFinal, type LedgerTask } from "./ledger-task.ts";
import { idText } from "./model.ts";

/** What the model says of a task right after the entry; undefined: it is gone. */
export type Look = (id: TaskId) => Seen | undefined;

export interface Seen {
  /** Where it is. */
  readonly queue: string;
  /** 0 = it has not ended. */
  readonly finishedAt: number;
}

interface Job {
  readonly kind: JobKind;
  readonly filter: JobFilter;
  readonly restarted: Set<LedgerTask>;
}

interface Named {
  readonly task: LedgerTask;
  /** As the command came to it, but for what the entry's own events say. */
  readonly wasFinal: boolean;
  readonly restarts: number;
  /** Undefined: retention named it, as it was at `finishedAt`. */
  readonly job: Job | undefined;
  readonly finishedAt: number;
}

/** What became of the named ones in one entry. */
export interface Tally {
  readonly restarted: readonly LedgerTask[];
  readonly deleted: readonly LedgerTask[];
  readonly expunged: readonly LedgerTask[];
  /** Tasks that jobs, or retention, came to, and left as they were. */
  readonly passedOver: number;
  readonly kept: number;
}

const NOTHING: Tally = { restarted: [], deleted: [], expunged: [], passedOver: 0, kept: 0 };

export class StepsChecker {
  readonly #tasks: ReadonlyMap<string, LedgerTask>;
  readonly #jobs = new Map<string, Job>();
  readonly #cancelling = new Set<LedgerTask>();
  #named: Named[] = [];

  constructor(tasks: ReadonlyMap<string, LedgerTask>) {
    this.#tasks = tasks;
  }

  /** A command of the entry, with its reply, in order. */
  command(command: Command, reply: Reply): void {
    if (reply.code !== "ok" || reply.duplicate) return;
    if (command.type === "startJob") {
      const { kind, filter } = command;
      this.#jobs.set(idText(command.id), { kind, filter, restarted: new Set() });
    } else if (command.type === "stepJob") {
      this.#name(command.tasks, this.#jobs.get(idText(command.id)));
    } else if (command.type === "expunge" && command.what === "task") {
      for (const { id, finishedAt } of command.tasks) this.#name([id], undefined, finishedAt);
    }
  }

  /** A job that is to cancel has named it in this entry. */
  cancels(task: LedgerTask): boolean {
    return this.#cancelling.has(task);
  }

  /** When all commands were seen, and the events not yet: what became of those that were named. */
  settle(index: number, events: readonly QueueEvent[], look: Look): Tally {
    if (this.#named.length === 0) return NOTHING;
    const restarted: LedgerTask[] = [];
    const deleted: LedgerTask[] = [];
    const expunged: LedgerTask[] = [];
    let [passedOver, kept] = [0, 0];
    for (const named of this.#named) {
      const { task, job } = named;
      const view = look(task.submit.id);
      const ends = countEnds(events, task);
      const isGone = view === undefined && !task.deleted && !deleted.includes(task);
      if (isGone && (job === undefined ? !expunged.includes(task) : job.kind === "delete")) {
        (job === undefined ? expunged : deleted).push(task);
        if (!expunged.includes(task)) checkPlace(index, task, job!);
      } else if (job?.kind === "retry" && missing(task, ends, view, restarted) > 0) {
        this.#startedBy(index, job, task);
        restarted.push(task);
      } else {
        checkPassedOver(index, named, ends, view);
        if (job === undefined) kept++;
        else passedOver++;
      }
    }
    for (const { task, finishedAt } of this.#named.filter(({ job }) => job === undefined)) {
      demand(!expunged.includes(task) || task.finishedAt === finishedAt, "retention", () => {
        return `at ${index} a task goes that ended at ${task.finishedAt}, not at ${finishedAt}`;
      });
    }
    this.#checkAll(index, events, look, restarted);
    return { restarted, deleted, expunged, passedOver, kept };
  }

  end(): void {
    this.#named = [];
    this.#cancelling.clear();
  }

  #name(ids: readonly TaskId[], job: Job | undefined, finishedAt = 0): void {
    for (const id of ids) {
      const task = this.#tasks.get(idText(id));
      if (task === undefined) continue;
      if (job?.kind === "cancel") this.#cancelling.add(task);
      const { restarts } = task;
      this.#named.push({ task, wasFinal: isFinal(task), restarts, job, finishedAt });
    }
  }

  #startedBy(index: number, job: Job, task: LedgerTask): void {
    checkPlace(index, task, job);
    demand(!isFinal(task) || task.state !== "completed", "terminal is terminal", () => {
      return `at ${index} a job starts a completed task again`;
    });
    demand(!job.restarted.has(task), "a job goes on where it was", () => {
      return `at ${index} a job starts a task for the second time`;
    });
    job.restarted.add(task);
  }

  /** No task began anew that nobody started. */
  #checkAll(index: number, events: readonly QueueEvent[], look: Look, restarted: LedgerTask[]) {
    for (const { task } of this.#named) {
      const view = look(task.submit.id);
      const left = missing(task, countEnds(events, task), view, restarted);
      demand(left === 0, "terminal is terminal", () => {
        return `at ${index} a task is started ${left} times more than anybody asked for`;
      });
    }
  }
}

/** How often it was started again beyond what is known of: it has ended once more than begun. */
function missing(
  task: LedgerTask,
  ends: number,
  view: Seen | undefined,
  restarted: readonly LedgerTask[],
): number {
  const known = task.restarts + restarted.filter((each) => each === task).length;
  const isOver = view === undefined || view.finishedAt > 0;
  return task.endings + ends - known - (isOver ? 1 : 0);
}

function countEnds(events: readonly QueueEvent[], { submit }: LedgerTask): number {
  const id = idText(submit.id);
  return events.filter((event) => event.type === "finished" && idText(event.id) === id).length;
}

function checkPlace(index: number, task: LedgerTask, { filter }: Job): void {
  demand(filter.queue === "" || filter.queue === task.queue, "a job does what it is for", () => {
    return `at ${index} a job for ${filter.queue} changes a task of ${task.queue}`;
  });
}

/** What was there for the job, and has not moved in this entry, must not be left out. */
function checkPassedOver(
  index: number,
  { task, wasFinal, restarts, job, finishedAt }: Named,
  ends: number,
  view: Seen | undefined,
): void {
  if (!wasFinal || view === undefined || ends > 0 || task.restarts !== restarts) return;
  if (job === undefined) {
    demand(view.finishedAt !== finishedAt, "retention", () => `at ${index} a task stays`);
    return;
  }
  const isFor = job.filter.queue === "" || job.filter.queue === task.queue;
  // A task may be refused its unique key.
  const isFree = task.submit.content.unique === undefined && view.finishedAt > 0;
  const isMeant = job.kind === "delete" || (job.kind === "retry" && task.state !== "completed");
  demand(!(isFor && isFree && isMeant), "a job does what it is for", () => {
    return `at ${index} a job passes over a task that is ${task.state}`;
  });
}
