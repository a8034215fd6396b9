/**
 * What tasks and queues ask for since version 3, held against the committed log: nobody runs before
 * its parents have ended, at or after its expiry, without a label it requires, in a paused queue or
 * beyond a limit; nobody ends without a reason; a draining queue takes in only what a task of its
 * own began; a unique key has one live task. It shares no line with the queue machine.
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
  isDraining: boolean;
  settings: QueueSettings | undefined;
}

export class TermsChecker {
  readonly #tasks: ReadonlyMap<string, LedgerTask>;
  readonly #rules = new Map<string, Rules>();
  readonly #running = new Map<string, number>();
  readonly #labels = new Map<string, readonly string[]>();
  /** Live tasks with a unique key, by its name. */
  readonly #holders = new Map<string, LedgerTask>();
  readonly #expiries = new Map<LedgerTask, number>();
  /** Queues that the entry under way says something of. */
  #touched = new Set<string>();
  /** Unfinished tasks. */
  readonly #live = new Map<string, number>();
  /** Of each unique key that the entry under way gives to a task: who had it, and who took it. */
  readonly #claims = new Map<string, Set<LedgerTask>>();
  /** Tasks that jobs of the entry under way may start again. */
  #stepped = new Set<string>();
  #clock = 0;

  constructor(tasks: ReadonlyMap<string, LedgerTask>) {
    this.#tasks = tasks;
  }

  get clock(): number {
    return this.#clock;
  }

  /** The entry under way changes settings, and it is not known what came before that. */
  get isUnsettled(): boolean {
    return this.#touched.size > 0;
  }

  begin({ at, commands }: Batch): void {
    this.#clock = Math.max(this.#clock, at);
    this.#touched = new Set();
    this.#stepped = new Set();
    for (const command of commands) {
      if (command.type === "configureQueue") this.#touched.add(command.queue);
      if (command.type === "stepJob") {
        for (const id of command.tasks) this.#stepped.add(idText(id));
      }
      if (command.type === "register") this.#labels.set(command.session, command.labels);
    }
  }

  end(index: number): void {
    for (const [name, claimants] of this.#claims) {
      const all = [...claimants];
      const [holder, another] = all.filter(isLive);
      demand(another === undefined, "unique keys", () => {
        return `at ${index} two live tasks have one unique key`;
      });
      // What jobs have restarted is known after all commands: with it there is no order.
      const isOrdered = !all.some(({ submit }) => this.#stepped.has(idText(submit.id)));
      demand(!isOrdered || holder === undefined || holder === all.at(-1), "unique keys", () => {
        return `at ${index} a task keeps a unique key that a later one took`;
      });
      if (holder === undefined) this.#holders.delete(name);
      else this.#holders.set(name, holder);
    }
    this.#claims.clear();
  }

  configured({ queue, paused, draining, settings }: Configure): void {
    const plain = { isPaused: false, isDraining: false, settings: undefined };
    const rules = this.#rules.get(queue) ?? plain;
    rules.isPaused = paused ?? rules.isPaused;
    rules.isDraining = draining ?? rules.isDraining;
    rules.settings = settings ?? rules.settings;
    this.#rules.set(queue, rules);
  }

  submitted(index: number, task: LedgerTask, isChild: boolean): void {
    const { expiresAt, expiresInMs } = task.submit.content;
    demand(isChild || !this.isDraining(task.queue), "drain", () => {
      return `at ${index} the draining ${task.queue} takes in a task`;
    });
    this.#countLive(task.queue, 1);
    for (const parent of this.#parentsOf(task)) {
      parent.children.push(task);
      const hasFailed = isFinal(parent) && parent.state !== "completed";
      if (hasFailed && !this.#stepped.has(idText(parent.submit.id))) doom(task);
    }
    if (expiresAt > 0) this.#expiries.set(task, expiresAt);
    else if (expiresInMs > 0) this.#expiries.set(task, this.#clock + expiresInMs);
    this.#takesKey(task);
  }

  restarted(task: LedgerTask): void {
    this.#expiries.delete(task);
    task.doomed = false;
    this.#countLive(task.queue, 1);
    this.#takesKey(task);
  }

  /** It goes on as a dead letter, does not expire any more, and has left its key. */
  moved(task: LedgerTask, to: string): void {
    this.#expiries.delete(task);
    const name = uniqueNameOf(task);
    if (this.#holders.get(name) === task) this.#holders.delete(name);
    this.#claims.get(name)?.delete(task);
    this.#countLive(task.queue, -1);
    this.#countLive(to, 1);
  }

  isDraining(queue: string): boolean {
    return this.#rules.get(queue)?.isDraining === true;
  }

  isEmpty(queue: string): boolean {
    return (this.#live.get(queue) ?? 0) === 0;
  }

  /** Where a task goes on that would be dead in this queue; undefined: nowhere. */
  deadLettersOf(queue: string): string | undefined {
    const first = this.#deadLetterQueue(queue);
    const seen = new Set<string>();
    for (let name = first; name !== ""; name = this.#deadLetterQueue(name)) {
      if (name === queue) return undefined;
      if (seen.has(name)) break;
      seen.add(name);
    }
    return first === "" ? undefined : first;
  }

  #deadLetterQueue(queue: string): string {
    return this.#rules.get(queue)?.settings?.deadLetterQueue ?? "";
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

  /** `isMeant`: a command of the entry ends it so. */
  finished(index: number, task: LedgerTask, state: TaskState, isMeant: boolean): void {
    this.#countLive(task.queue, -1);
    if (state !== "completed") this.#doomChildren(index, task);
    if (state === "dead" || state === "cancelled") {
      const fate = task.submit.content.onParentFailure === "cancel" ? "cancelled" : "dead";
      const isReplaced = state === "cancelled" && this.#isRivalled(task);
      const isFailed = fate === state && this.#parentsOf(task).some(({ hasFailed }) => hasFailed);
      demand(isMeant || isReplaced || isFailed, "reasons", () => {
        return `at ${index} a task is ${state} for no reason`;
      });
    }
    if (state !== "expired") return;
    demand(this.#clock >= (this.#expiries.get(task) ?? Number.POSITIVE_INFINITY), "expiry", () => {
      return `at ${index} a task expires too early`;
    });
  }

  /** Whether its queue, or its group, can take no more. */
  isAtLimit({ submit, queue }: LedgerTask): boolean {
    const { group } = submit.content;
    const settings = this.#rules.get(queue)?.settings;
    if (settings === undefined) return false;
    const { concurrency, groupConcurrency } = settings;
    if (concurrency > 0 && this.#runningIn(queue) >= concurrency) return true;
    return !isBelow(this.#runningIn(queue, group), group === "" ? 0 : groupConcurrency);
  }

  #checkParents(index: number, { submit, doomed }: LedgerTask): void {
    demand(!doomed, "parents first", () => `at ${index} a task that a parent failed is leased`);
    const { dependsOn, onParentFailure } = submit.content;
    for (const id of dependsOn) {
      const parent = this.#tasks.get(idText(id));
      const isEnough = onParentFailure === "continue" || parent?.state === "completed";
      demand(parent !== undefined && parent.endings > 0 && isEnough, "parents first", () => {
        return `at ${index} a task is leased, and a parent is ${parent?.state ?? "unfinished"}`;
      });
    }
  }

  #checkLimits(index: number, { submit, queue }: LedgerTask): void {
    const { group } = submit.content;
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

  /** The first failed parent decides. */
  #doomChildren(index: number, parent: LedgerTask): void {
    for (const child of parent.children) {
      // What came in this entry may have come after its parent was started again.
      const isLate = child.index === index && parent.restarts > parent.endings;
      if (child.restarts === 0 && child.grants === 0 && !isFinal(child) && !isLate) doom(child);
    }
  }

  #parentsOf({ submit }: LedgerTask): LedgerTask[] {
    const parents = submit.content.dependsOn.map((id) => this.#tasks.get(idText(id)));
    return parents.filter((parent) => parent !== undefined);
  }

  #takesKey(task: LedgerTask): void {
    const { queue, unique } = task.submit.content;
    if (unique === undefined || task.queue !== queue) return;
    const name = uniqueNameOf(task);
    const holder = this.#holders.get(name);
    const before = holder !== undefined && isLive(holder) ? [holder] : [];
    const claimants = this.#claims.get(name) ?? new Set(before);
    // The last one stands last, though it may have had the key before.
    claimants.delete(task);
    this.#claims.set(name, claimants.add(task));
  }

  /** Another task has taken its key in this entry, or had it before. */
  #isRivalled(task: LedgerTask): boolean {
    const claimants = this.#claims.get(uniqueNameOf(task));
    return claimants?.has(task) === true && claimants.size > 1;
  }

  #countLive(queue: string, change: number): void {
    this.#live.set(queue, (this.#live.get(queue) ?? 0) + change);
  }

  #runningIn(queue: string, group?: string): number {
    return this.#running.get(nameOf(queue, group)) ?? 0;
  }

  #count({ submit, queue }: LedgerTask, change: number): void {
    const { group } = submit.content;
    for (const name of [nameOf(queue), nameOf(queue, group)]) {
      this.#running.set(name, (this.#running.get(name) ?? 0) + change);
    }
  }
}

function isLive(task: LedgerTask): boolean {
  return !isFinal(task) && !task.deleted;
}

/** Of the key that it asked for, in the queue that it asked for. */
function uniqueNameOf({ submit }: LedgerTask): string {
  return `${submit.content.queue} ${submit.content.unique?.key}`;
}

function nameOf(queue: string, group?: string): string {
  return group === undefined ? queue : `${queue} of ${group}`;
}

/** It minds, and has not begun to run: it will never run before somebody starts it by hand. */
function doom(task: LedgerTask): void {
  if (task.submit.content.onParentFailure !== "continue") task.doomed = true;
}

/** 0 = no limit. */
function isBelow(count: number, limit: number): boolean {
  return limit === 0 || count < limit;
}
