/**
 * The life of every task as the committed log tells it, kept from replies and events alone: no
 * task without a submit, tokens that only grow, one live lease at a time, reports accepted for
 * the live token only, final states that stay, attempts that are counted right. It does not
 * share a line with the queue machine or with the model.
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

type Report = Extract<Command, { readonly type: "complete" | "fail" | "release" | "extend" }>;

export class Ledger {
  readonly tasks = new Map<string, LedgerTask>();
  readonly grants = new Map<number, Grant>();
  readonly terms = new TermsChecker(this.tasks);
  /** By index of the entry. */
  readonly history = new Map<number, Applied>();
  readonly #leasesOf = new Map<string, Set<number>>();
  #lastToken = 0;
  /** Leases that the entry under way ends by another's hand, as its events say. */
  #lostTokens: ReadonlySet<number> = new Set();
  /** Tasks whose final state must be told by an event of the entry under way. */
  readonly #mustEnd = new Map<LedgerTask, TaskState>();
  readonly #mustHaveEnded = new Set<LedgerTask>();

  /** An entry as the first node applied it. */
  applied(
    index: number,
    batch: Batch,
    replies: readonly Reply[],
    events: readonly QueueEvent[],
  ): void {
    this.history.set(index, { batch, replies });
    this.terms.begin(batch);
    const lost = events.filter((event) => event.type === "leaseLost");
    this.#lostTokens = new Set(lost.map(({ token }) => token));
    batch.commands.forEach((command, ordinal) => {
      this.#command(index, command, replies[ordinal]!);
    });
    for (const event of events) this.#event(index, event);
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
    this.terms.end(index);
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
        if (!reply.duplicate) this.#reported(index, command);
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

  #submitted(index: number, command: NewTask, id: Uint8Array, duplicate: boolean): void {
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
      grants: 0,
      failures: 0,
      live: undefined,
      endings: 0,
      restarts: 0,
      state: undefined,
      deleted: false,
    };
    this.tasks.set(key, task);
    this.terms.submitted(task);
  }

  #reported(index: number, command: Report): void {
    const task = this.#task(command.id);
    demand(task.live?.token === command.token, "fencing", () => {
      const { type, token } = command;
      return `at ${index} ${type} is accepted with token ${token}, live is ${task.live?.token}`;
    });
    if (command.type === "extend") return;
    this.#endLease(command.token);
    if (command.type === "complete") this.#mustEnd.set(task, "completed");
    if (command.type === "fail") this.#failed(task, command.retryable);
  }

  #failed(task: LedgerTask, retryable: boolean): void {
    task.failures++;
    const isOver = !retryable || task.failures > task.submit.retry.maxRetries;
    if (isOver) this.#mustEnd.set(task, "dead");
  }

  /** A cancel or a job before it in the entry has ended some already, and says so by events. */
  #released(session: string): void {
    for (const token of this.#leasesOf.get(session) ?? []) {
      if (!this.#lostTokens.has(token)) this.#endLease(token);
    }
  }

  #restarted(index: number, task: LedgerTask): void {
    task.restarts++;
    task.failures = 0;
    this.#mustEnd.delete(task);
    this.#mustHaveEnded.add(task);
    this.terms.restarted(task);
    demand(!task.deleted, "terminal is terminal", () => `at ${index} a deleted task starts again`);
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
    if (reason === "timeout") this.#failed(task, true);
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
    this.terms.finished(index, task, state);
    task.endings++;
    task.state = state;
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

/** Then one is answered with the other, whatever it says. */
function sharesUniqueKey(one: TaskContent, other: TaskContent): boolean {
  const key = other.unique?.key;
  return key !== undefined && one.unique?.key === key && one.queue === other.queue;
}

function samePayload(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
