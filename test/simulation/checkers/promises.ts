/**
 * What callers were told, held against the committed log: an answer is that of an entry that holds
 * the very command, "certainly not done" is never followed by the deed, reads see every write that
 * was answered before they were asked, and a delivery is what the submitter sent.
 */
import {
  type Command,
  type Delivery,
  type Reply,
  type TaskView,
  versionNeededBy,
} from "../../../packages/broker/src/queue/index.ts";
import type { Outcome } from "../../../packages/broker/src/replica/index.ts";
import { demand } from "../violation.ts";
import type { Ledger } from "./ledger.ts";
import { sameBytes } from "./log.ts";
import { idText } from "./model.ts";

export class PromiseChecker {
  readonly #ledger: Ledger;
  /** Tasks whose submit was answered with their id. */
  readonly acknowledged = new Set<string>();
  readonly #never = new Set<string>();
  #ackedIndex = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Index of the newest write that any caller knows to be done. */
  get ackedIndex(): number {
    return this.#ackedIndex;
  }

  /** A caller received this outcome of its command. */
  answered(command: Command, outcome: Outcome): void {
    if (outcome.kind !== "applied") return;
    const { index, reply } = outcome;
    // A leader that works with an earlier version says so without an entry.
    if (versionNeededBy(command) > 1 && isTooEarly(reply)) return;
    const applied = this.#ledger.history.get(index);
    const isThere = applied?.batch.commands.some((logged, ordinal) => {
      return sameCommand(logged, command) && sameReply(applied.replies[ordinal]!, reply);
    });
    demand(isThere === true, "answers come from the log", () => {
      return `${command.type} is answered ${reply.code} by entry ${index}, which does not say so`;
    });
    this.#ackedIndex = Math.max(this.#ackedIndex, index);
    if (command.type === "submit" && reply.code === "ok") {
      this.acknowledged.add(idText(reply.id!));
    }
    // A copy may be late: the run may have ended without them after they were refused.
    if (command.type === "complete" && reply.code === "ok" && !reply.duplicate) {
      for (const { id } of command.children ?? []) this.acknowledged.add(idText(id));
    }
    if (reply.code !== "submitted") return;
    for (const { id } of reply.tasks) this.acknowledged.add(idText(id!));
  }

  /** Every try of this submit was refused as certainly not done, and its caller gave up. */
  refusedForGood(command: Command): void {
    if (command.type === "submit") this.#never.add(idText(command.id));
  }

  /** A linearizable read, asked for when `ackedIndex` was `minIndex`. */
  readServed(minIndex: number, applied: number): void {
    demand(applied >= minIndex, "linearizable read", () => {
      return `a read at ${applied} does not see entry ${minIndex}, answered before it was asked`;
    });
  }

  /** A session never sees an older state than before, on whatever node it reads. */
  sessionRead(seen: number, applied: number): void {
    demand(applied >= seen, "session read", () => {
      return `a session that has seen ${seen} reads at ${applied}`;
    });
  }

  /** What anybody reads is committed. */
  readCommitted(applied: number, commit: number): void {
    demand(applied <= commit, "no uncommitted read", () => {
      return `a read at ${applied}, committed is ${commit}`;
    });
  }

  /** What such a read, or one that waited for the write's index, finds for an acknowledged task. */
  taskRead(id: Uint8Array, view: TaskView | undefined): void {
    const task = this.#ledger.tasks.get(idText(id));
    if (!this.acknowledged.has(idText(id)) || task === undefined || task.deleted) return;
    demand(view !== undefined, "linearizable read", () => "an acknowledged task is not found");
  }

  delivered(session: string, delivery: Delivery): void {
    const { token, attempt, id, payload } = delivery;
    const grant = this.#ledger.grants.get(token);
    demand(grant !== undefined && grant.session === session, "delivery", () => {
      return `session ${session} gets token ${token}, granted to ${grant?.session ?? "nobody"}`;
    });
    const { submit } = grant.task;
    demand(idText(submit.id) === idText(id), "delivery", () => `token ${token} is of another task`);
    demand(sameBytes(submit.content.payload, payload), "delivery", () => {
      return `the payload under token ${token} is not what was submitted`;
    });
    demand(attempt === grant.attempt, "attempts", () => {
      return `token ${token} is delivered as attempt ${attempt}, it is the ${grant.attempt}.`;
    });
  }

  /** At the end: acknowledged means there, refused means not there. */
  finish(): void {
    for (const id of this.acknowledged) {
      demand(this.#ledger.tasks.has(id), "no lost submit", () => "an acknowledged task is gone");
    }
    for (const id of this.#never) {
      demand(!this.#ledger.tasks.has(id), "answers come from the log", () => {
        return "a submit that was certainly not done has been done";
      });
    }
  }
}

function isTooEarly(reply: Reply): boolean {
  return reply.code === "state_conflict" && reply.message.startsWith("this needs version");
}

/** What a command is about; two copies of one command have the same. */
function sameCommand(one: Command, other: Command): boolean {
  if (one.type !== other.type) return false;
  return "id" in one && "id" in other
    ? idText(one.id) === idText(other.id) && tokenOf(one) === tokenOf(other)
    : sessionOf(one) === sessionOf(other);
}

function tokenOf(command: Command): number {
  return "token" in command ? command.token : 0;
}

function sessionOf(command: Command): string {
  return "session" in command ? command.session : "";
}

function sameReply(one: Reply, other: Reply): boolean {
  if (one.code !== other.code) return false;
  if (one.code !== "ok" || other.code !== "ok") return true;
  return one.duplicate === other.duplicate && one.state === other.state;
}
