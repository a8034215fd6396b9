/**
 * The life of every task as the committed log tells it, kept from replies and events alone: no
 * task without a submit, tokens that only grow, one live lease at a time, reports accepted for
 * the live token only, final states that stay and have a reason, attempts that are counted right,
 * children with their parent's result or not at all, dead letters in one queue. It does not share a
 * line with the queue machine or with the model.
 */
import type {
  Accepted,
  Batch,
  Command,
  LeasedEvent,
  LeaseLostEvent,
  NewTask,
  QueueEvent,
  Reply,
  TaskContent,
  TaskState,
} from "../../../packages/broker/src/queue/index.ts";
import { demand } from "../violation.ts";
import { isFinal, type LedgerTask } from "./ledger-task.ts";
import { idText } from "./model.ts";
import { type Look, StepsChecker, type Tally } from "./steps.ts";
import { TermsChecker } from "./terms.ts";

export interface Grant {
  readonly task: LedgerTask;
  readonly session: string;
  readonly attempt: number;
  /** Index of the entry that granted it. */
  readonly index: number;
}

/** What one entry did. */
export interface Applied {
  readonly batch: Batch;
  readonly replies: readonly Reply[];
}

/** Of the queue machine: a task that lapses so often is given up. */
const DELIVERIES_MAX = 20;

type Report = Extract<Command, { readonly type: "complete" | "fail" | "release" | "extend" }>;

type Recall = Extract<Command, { readonly type: "recall" }>;

export class Ledger {
  readonly tasks = new Map<string, LedgerTask>();
  readonly grants = new Map<number, Grant>();
  readonly terms = new TermsChecker(this.tasks);
  readonly #steps = new StepsChecker(this.tasks);
  /** By index of the entry. */
  readonly history = new Map<number, Applied>();
  readonly #leasesOf = new Map<string, Set<number>>();
  #lastToken = 0;
  /** Leases that the entry under way ends by another's hand, as its events say. */
  #lostTokens: ReadonlySet<number> = new Set();
  /** Tasks whose final state must be told by an event of the entry under way. */
  readonly #mustEnd = new Map<LedgerTask, TaskState>();
  readonly #mustHaveEnded = new Set<LedgerTask>();
  /** Tasks that the entry under way has moved to a dead letter queue. */
  readonly moved: LedgerTask[] = [];
  #look: Look = () => undefined;

  /**
   * An entry as the first node applied it; `look` shows its tasks right after. Returns what jobs and
   * retention did.
   */
  applied(
    index: number,
    batch: Batch,
    replies: readonly Reply[],
    events: readonly QueueEvent[],
    look: Look,
  ): Tally {
    this.#look = look;
    this.moved.length = 0;
    this.history.set(index, { batch, replies });
    this.terms.begin(batch);
    const lost = events.filter((event) => event.type === "leaseLost");
    this.#lostTokens = new Set(lost.map(({ token }) => token));
    batch.commands.forEach((command, ordinal) => {
      this.#command(index, command, replies[ordinal]!);
      this.#steps.command(command, replies[ordinal]!);
    });
    const tally = this.#settle(index, events, look);
    for (const event of events) this.#event(index, event);
    this.#checkEnds(index);
    for (const { submit, queue } of this.moved) {
      const place = look(submit.id)?.queue ?? queue;
      demand(place === queue, "exactly one place", () => {
        return `at ${index} a dead letter is in ${place}, and belongs into ${queue}`;
      });
    }
    this.#steps.end();
    this.terms.end(index);
    return tally;
  }

  #settle(index: number, events: readonly QueueEvent[], look: Look): Tally {
    const tally = this.#steps.settle(index, events, look);
    for (const task of tally.restarted) {
      // A command behind the job's has deleted it again: what jobs did is known after all of them.
      this.#restarted(index, task, task.deleted && this.#mustHaveEnded.has(task));
    }
    for (const task of [...tally.deleted, ...tally.expunged]) this.#deleted(task);
    return tally;
  }

  #checkEnds(index: number): void {
    for (const [task, state] of this.#mustEnd) {
      demand(isFinal(task) && task.state === state, "attempts", () => {
        return `at ${index} a task should be ${state}, it is ${task.state ?? "unfinished"}`;
      });
    }
    this.#mustEnd.clear();
    for (const task of this.#mustHaveEnded) {
      const ended = task.deleted ? isFinal(task) : task.endings >= task.restarts;
      demand(ended, "terminal is terminal", () => {
        return `at ${index} an unfinished task is ${task.deleted ? "deleted" : "started again"}`;
      });
    }
    this.#mustHaveEnded.clear();
  }

  /** Every task has reached a final state. */
  allFinal(): boolean {
    for (const task of this.tasks.values()) if (!isFinal(task)) return false;
    return true;
  }

  /** Live leases of a session. */
  leaseCount(session: string): number {
    return this.#leasesOf.get(session)?.size ?? 0;
  }

  #command(index: number, command: Command, reply: Reply): void {
    if (reply.code === "leased") this.#leased(index, reply.tokens);
    if (reply.code === "ok") this.#accepted(index, command, reply);
    if (reply.code !== "submitted" || command.type !== "submitAll") return;
    reply.tasks.forEach(({ id, duplicate }, at) => {
      this.#submitted(index, command.tasks[at]!, id!, duplicate);
    });
  }

  #accepted(index: number, command: Command, reply: Accepted): void {
    switch (command.type) {
      case "submit":
        this.#submitted(index, command, reply.id!, reply.duplicate);
        break;
      case "complete":
      case "fail":
      case "release":
      case "extend":
        if (reply.duplicate) break;
        this.#reported(index, command, reply);
        if (command.type === "complete") this.#begun(index, command.children ?? []);
        break;
      case "recall":
        // The event that tells its worker ends the lease.
        if (!reply.duplicate) this.#liveUnder(index, command).deliveries--;
        break;
      case "cancel":
        if (!reply.duplicate) this.#mustEnd.set(this.#task(command.id), "cancelled");
        break;
      case "retry":
        if (!reply.duplicate) this.#restarted(index, this.#task(command.id));
        break;
      case "delete":
        if (!reply.duplicate) this.#deleted(this.#task(command.id));
        break;
      case "configureQueue":
        this.terms.configured(command);
        break;
      case "unregister":
        this.#released(command.session);
        break;
      default:
        break;
    }
  }

  /** All of them, and none was there before: the simulator gives them no keys that others have. */
  #begun(index: number, children: readonly NewTask[]): void {
    for (const child of children) this.#submitted(index, child, child.id, false, true);
  }

  #submitted(
    index: number,
    command: NewTask,
    id: Uint8Array,
    duplicate: boolean,
    isChild = false,
  ): void {
    const key = idText(id);
    const known = this.tasks.get(key);
    demand((known !== undefined) === duplicate, "no lost or doubled submit", () => {
      return `at ${index} a submit is ${duplicate ? "a duplicate of nothing" : "taken twice"}`;
    });
    if (known !== undefined) {
      const { content } = known.submit;
      if (sharesUniqueKey(content, command.content)) return;
      demand(samePayload(content.payload, command.content.payload), "idempotency", () => {
        return `at ${index} other content is taken for a duplicate`;
      });
      return;
    }
    demand(key === idText(command.id), "idempotency", () => `at ${index} a task has another id`);
    const task: LedgerTask = {
      submit: command,
      index,
      queue: command.content.queue,
      grants: 0,
      deliveries: 0,
      failures: 0,
      live: undefined,
      endings: 0,
      restarts: 0,
      state: undefined,
      finishedAt: 0,
      hasFailed: false,
      children: [],
      doomed: false,
      deleted: false,
    };
    this.tasks.set(key, task);
    this.terms.submitted(index, task, isChild);
  }

  #liveUnder(index: number, { type, id, token }: Report | Recall): LedgerTask {
    const task = this.#task(id);
    demand(task.live?.token === token, "fencing", () => {
      return `at ${index} ${type} is accepted with token ${token}, live is ${task.live?.token}`;
    });
    return task;
  }

  #reported(index: number, command: Report, reply: Accepted): void {
    const task = this.#liveUnder(index, command);
    if (command.type === "extend") return;
    this.#endLease(command.token);
    if (command.type === "complete") this.#mustEnd.set(task, "completed");
    if (command.type === "release") task.deliveries--;
    if (command.type !== "fail") return;
    if (!countFailure(task, command.retryable)) return;
    const next = this.terms.deadLettersOf(task.queue);
    demand((reply.state === "dead") === (next === undefined), "exactly one place", () => {
      return `at ${index} a task that should go on in ${next ?? "no queue"} is ${reply.state}`;
    });
    this.#givenUp(task, next);
  }

  /** No more retries: it goes on as a dead letter, or is dead. */
  #givenUp(task: LedgerTask, next: string | undefined): void {
    if (next === undefined) {
      this.#mustEnd.set(task, "dead");
      return;
    }
    this.terms.moved(task, next);
    task.queue = next;
    task.failures = 0;
    task.deliveries = 0;
    this.moved.push(task);
  }

  /** The events do not say whether settings that the entry changes were changed before. */
  #givenUpByTime(task: LedgerTask): void {
    if (!this.terms.isUnsettled) {
      this.#givenUp(task, this.terms.deadLettersOf(task.queue));
      return;
    }
    const place = this.#look(task.submit.id)?.queue ?? task.queue;
    this.#givenUp(task, place === task.queue ? undefined : place);
  }

  /** A cancel or a job before it in the entry has ended some already, and says so by events. */
  #released(session: string): void {
    for (const token of this.#leasesOf.get(session) ?? []) {
      if (this.#lostTokens.has(token)) continue;
      this.grants.get(token)!.task.deliveries--;
      this.#endLease(token);
    }
  }

  #restarted(index: number, task: LedgerTask, isGoneAgain = false): void {
    task.restarts++;
    task.failures = 0;
    task.deliveries = 0;
    this.#mustEnd.delete(task);
    this.#mustHaveEnded.add(task);
    this.terms.restarted(task);
    demand(!task.deleted || isGoneAgain, "terminal is terminal", () => {
      return `at ${index} a deleted task starts again`;
    });
  }

  #deleted(task: LedgerTask): void {
    task.deleted = true;
    this.#mustHaveEnded.add(task);
  }

  #leased(index: number, tokens: readonly number[]): void {
    for (const token of tokens) {
      demand(token > this.#lastToken, "token order", () => {
        return `at ${index} token ${token} is granted after ${this.#lastToken}`;
      });
      this.#lastToken = token;
    }
  }

  #event(index: number, event: QueueEvent): void {
    if (event.type === "leased") this.#granted(index, event);
    else if (event.type === "leaseLost") this.#lost(index, event);
    else if (event.type === "finished") this.#finished(index, this.#task(event.id), event.state);
  }

  #granted(index: number, { id, token, session }: LeasedEvent): void {
    const task = this.#task(id);
    demand(task.live === undefined, "single live lease", () => {
      return `at ${index} a task leased under ${task.live?.token} is leased under ${token}`;
    });
    demand(!isFinal(task) && !task.deleted, "terminal is terminal", () => {
      return `at ${index} a task that is ${task.state} is leased`;
    });
    demand(!this.grants.has(token), "token order", () => `token ${token} is granted twice`);
    this.terms.granted(index, task, session);
    task.grants++;
    task.deliveries++;
    task.live = { token, session };
    this.grants.set(token, { task, session, attempt: task.grants, index });
    const leases = this.#leasesOf.get(session) ?? new Set();
    this.#leasesOf.set(session, leases.add(token));
  }

  #lost(index: number, { id, token, session, reason }: LeaseLostEvent): void {
    const task = this.#task(id);
    demand(task.live?.token === token && task.live.session === session, "single live lease", () => {
      return `at ${index} lease ${token} ends (${reason}), live is ${task.live?.token}`;
    });
    this.#endLease(token);
    if (reason === "timeout" && countFailure(task, true)) this.#givenUpByTime(task);
    if (reason === "lapsed" && task.deliveries >= DELIVERIES_MAX) this.#givenUpByTime(task);
  }

  #finished(index: number, task: LedgerTask, state: TaskState): void {
    demand(task.live === undefined, "exactly one place", () => {
      return `at ${index} a task is ${state} and leased under ${task.live?.token}`;
    });
    demand(!isFinal(task), "terminal is terminal", () => {
      return `at ${index} a task that is ${task.state} becomes ${state}`;
    });
    demand(state !== "completed" || this.#mustEnd.get(task) === state, "fencing", () => {
      return `at ${index} a task is completed by nobody`;
    });
    const isMeant =
      this.#mustEnd.get(task) === state ||
      this.#mustHaveEnded.has(task) ||
      this.#steps.cancels(task);
    this.terms.finished(index, task, state, isMeant);
    task.endings++;
    task.hasFailed ||= state !== "completed";
    task.state = state;
    task.finishedAt = this.terms.clock;
  }

  #endLease(token: number): void {
    const grant = this.grants.get(token)!;
    if (grant.task.live !== undefined) this.terms.ended(grant.task);
    grant.task.live = undefined;
    this.#leasesOf.get(grant.session)!.delete(token);
  }

  #task(id: Uint8Array): LedgerTask {
    const task = this.tasks.get(idText(id));
    demand(task !== undefined, "no invented task", () => "a task that nobody submitted");
    return task;
  }
}

/** Whether that was its last retry. */
function countFailure(task: LedgerTask, retryable: boolean): boolean {
  task.failures++;
  return !retryable || task.failures > task.submit.retry.maxRetries;
}

/** Then one is answered with the other, whatever it says. */
function sharesUniqueKey(one: TaskContent, other: TaskContent): boolean {
  const key = other.unique?.key;
  return key !== undefined && one.unique?.key === key && one.queue === other.queue;
}

function samePayload(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
