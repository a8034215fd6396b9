/**
 * What tasks and queues ask for since version 3, held against the committed log: nobody runs before
 * its parents have ended, at or after its expiry, without a label it requires, in a paused queue or
 * beyond a limit; a unique key has one live task. It shares no line with the queue machine.
 *
 * The ledger sees all commands of an entry before the events of any: so runs that the entry ends
 * count as ended from its beginning, and a queue that it configures is not held to its limits.
 */
import type {
  Batch,
  Command,
  QueueSettings,
  TaskState,
} from "../../../packages/broker/src/queue/index.ts";
import { demand } from "../violation.ts";
import { isFinal, type LedgerTask } from "./ledger-task.ts";
import { idText } from "./model.ts";

type Configure = Extract<Command, { readonly type: "configureQueue" }>;

interface Rules {
  isPaused: boolean;
  settings: QueueSettings | undefined;
}

export class TermsChecker {
  readonly #tasks: ReadonlyMap<string, LedgerTask>;
  readonly #rules = new Map<string, Rules>();
  readonly #running = new Map<string, number>();
  readonly #labels = new Map<string, readonly string[]>();
  readonly #holders = new Map<string, LedgerTask>();
  readonly #expiries = new Map<LedgerTask, number>();
  /** Queues that the entry under way says something of. */
  #touched = new Set<string>();
  /** Tasks that have lost their unique key in the entry under way. */
  #dispossessed: LedgerTask[] = [];
  #clock = 0;

  constructor(tasks: ReadonlyMap<string, LedgerTask>) {
    this.#tasks = tasks;
  }

  begin({ at, commands }: Batch): void {
    this.#clock = Math.max(this.#clock, at);
    this.#touched = new Set();
    for (const command of commands) {
      if (command.type === "configureQueue") this.#touched.add(command.queue);
      if (command.type === "register") this.#labels.set(command.session, command.labels);
    }
  }

  end(index: number): void {
    for (const task of this.#dispossessed) {
      demand(isFinal(task) || task.deleted, "unique keys", () => {
        return `at ${index} two live tasks have one unique key`;
      });
    }
    this.#dispossessed = [];
  }

  configured({ queue, paused, settings }: Configure): void {
    const rules = this.#rules.get(queue) ?? { isPaused: false, settings: undefined };
    rules.isPaused = paused ?? rules.isPaused;
    rules.settings = settings ?? rules.settings;
    this.#rules.set(queue, rules);
  }

  submitted(task: LedgerTask): void {
    const { expiresAt, expiresInMs } = task.submit.content;
    if (expiresAt > 0) this.#expiries.set(task, expiresAt);
    else if (expiresInMs > 0) this.#expiries.set(task, this.#clock + expiresInMs);
    this.#takesKey(task);
  }

  restarted(task: LedgerTask): void {
    this.#expiries.delete(task);
    this.#takesKey(task);
  }

  granted(index: number, task: LedgerTask, session: string): void {
    const { requires } = task.submit.content;
    const has = this.#labels.get(session) ?? [];
    demand(
      requires.every((label) => has.includes(label)),
      "labels",
      () => {
        return `at ${index} ${session} gets a task that requires ${requires.join()}`;
      },
    );
    demand(this.#clock < (this.#expiries.get(task) ?? Number.POSITIVE_INFINITY), "expiry", () => {
      return `at ${index} a task is leased after its expiry`;
    });
    if (task.restarts === 0) this.#checkParents(index, task);
    this.#checkLimits(index, task);
    this.#count(task, 1);
  }

  ended(task: LedgerTask): void {
    this.#count(task, -1);
  }

  finished(index: number, task: LedgerTask, state: TaskState): void {
    if (state !== "expired") return;
    demand(this.#clock >= (this.#expiries.get(task) ?? Number.POSITIVE_INFINITY), "expiry", () => {
      return `at ${index} a task expires too early`;
    });
  }

  /** Whether its queue, or its group, can take no more. */
  isAtLimit({ submit }: LedgerTask): boolean {
    const { queue, group } = submit.content;
    const settings = this.#rules.get(queue)?.settings;
    if (settings === undefined) return false;
    const { concurrency, groupConcurrency } = settings;
    if (concurrency > 0 && this.#runningIn(queue) >= concurrency) return true;
    return !isBelow(this.#runningIn(queue, group), group === "" ? 0 : groupConcurrency);
  }

  #checkParents(index: number, { submit }: LedgerTask): void {
    const { dependsOn, onParentFailure } = submit.content;
    for (const id of dependsOn) {
      const parent = this.#tasks.get(idText(id));
      const isEnough = onParentFailure === "continue" || parent?.state === "completed";
      demand(parent !== undefined && parent.endings > 0 && isEnough, "parents first", () => {
        return `at ${index} a task is leased, and a parent is ${parent?.state ?? "unfinished"}`;
      });
    }
  }

  #checkLimits(index: number, { submit }: LedgerTask): void {
    const { queue, group } = submit.content;
    const rules = this.#rules.get(queue);
    if (rules === undefined || this.#touched.has(queue)) return;
    demand(!rules.isPaused, "pause", () => `at ${index} a task of the paused ${queue} is leased`);
    const { concurrency = 0, groupConcurrency = 0 } = rules.settings ?? {};
    demand(isBelow(this.#runningIn(queue), concurrency), "limits", () => {
      return `at ${index} ${queue} has more than ${concurrency} tasks running`;
    });
    const inGroup = this.#runningIn(queue, group);
    demand(group === "" || isBelow(inGroup, groupConcurrency), "limits", () => {
      return `at ${index} ${group} has more than ${groupConcurrency} tasks running in ${queue}`;
    });
  }

  #takesKey(task: LedgerTask): void {
    const { queue, unique } = task.submit.content;
    if (unique === undefined) return;
    const name = `${queue} ${unique.key}`;
    const before = this.#holders.get(name);
    if (before !== undefined && before !== task) this.#dispossessed.push(before);
    this.#holders.set(name, task);
  }

  #runningIn(queue: string, group?: string): number {
    return this.#running.get(nameOf(queue, group)) ?? 0;
  }

  #count({ submit }: LedgerTask, change: number): void {
    const { queue, group } = submit.content;
    for (const name of [nameOf(queue), nameOf(queue, group)]) {
      this.#running.set(name, (this.#running.get(name) ?? 0) + change);
    }
  }
}

function nameOf(queue: string, group?: string): string {
  return group === undefined ? queue : `${queue} of ${group}`;
}

/** 0 = no limit. */
function isBelow(count: number, limit: number): boolean {
  return limit === 0 || count < limit;
}
