/** Watches the committed log for situations of what there is since version 3; it checks nothing. */
import type { Command, QueueEvent, Reply } from "../../../packages/broker/src/queue/index.ts";
import type { Situation, Situations } from "../situations.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerTask } from "./ledger-task.ts";
import { idText } from "./model.ts";

type Code = Reply["code"] | "duplicate";

const BY_REPLY: Partial<Record<Command["type"], Partial<Record<Code, Situation>>>> = {
  submit: {
    not_found: "submit behind an unknown parent refused",
    state_conflict: "unique key refused",
  },
  submitAll: { submitted: "batch taken whole", queue_full: "batch refused whole" },
  configureQueue: { ok: "queue configured", duplicate: "setting of a queue repeated" },
  startJob: { ok: "job begun", duplicate: "beginning of a job repeated" },
  cancelJob: { ok: "job cancelled" },
  stepJob: {
    ok: "step of a job done",
    duplicate: "step of a job repeated",
    state_conflict: "step of a job came too late",
  },
};

export class LaterSightings {
  readonly #situations: Situations;
  readonly #ledger: Ledger;
  /** Terms in which tasks with parents were submitted. */
  readonly #blockedIn = new Map<string, number>();

  constructor(situations: Situations, ledger: Ledger) {
    this.#situations = situations;
    this.#ledger = ledger;
  }

  command(command: Command, reply: Reply, term: number): void {
    const code = reply.code === "ok" && reply.duplicate ? "duplicate" : reply.code;
    const situation = BY_REPLY[command.type]?.[code];
    if (situation !== undefined) this.#situations.hit(situation);
    if (command.type === "submit" && reply.code === "ok") {
      if (reply.state === "blocked") this.#blockedIn.set(idText(command.id), term);
      const hasUnique = command.content.unique !== undefined;
      const isOther = idText(reply.id!) !== idText(command.id);
      if (hasUnique && isOther) this.#situations.hit("submit answered with the holder of its key");
    }
    if (command.type !== "submitAll" || reply.code !== "submitted") return;
    for (const { id, state } of reply.tasks) {
      if (state === "blocked") this.#blockedIn.set(idText(id!), term);
    }
  }

  /** To be called after the ledger has taken in the entry. */
  event(event: QueueEvent, term: number): void {
    if (event.type === "leased") this.#leased(this.#task(event.id), event.id, term);
    if (event.type === "finished") this.#finished(this.#task(event.id), event.state);
  }

  #leased(task: LedgerTask, id: Uint8Array, term: number): void {
    const { content } = task.submit;
    const blockedIn = this.#blockedIn.get(idText(id));
    if (blockedIn !== undefined && task.restarts === 0) {
      this.#situations.hit("blocked task released");
      if (blockedIn < term) this.#situations.hit("blocked task released after a failover");
    }
    if (content.requires.length > 0) this.#situations.hit("task that requires a label leased");
    if (this.#ledger.terms.isAtLimit(task)) this.#situations.hit("queue or group at its limit");
  }

  #finished(task: LedgerTask, state: string): void {
    const { content } = task.submit;
    if (state === "expired") {
      this.#situations.hit(task.grants === 0 ? "expired before a lease" : "expired after a run");
    }
    const isDoomed = content.dependsOn.length > 0 && task.grants === 0 && state === "dead";
    if (isDoomed) this.#situations.hit("task doomed by its parent");
  }

  #task(id: Uint8Array): LedgerTask {
    return this.#ledger.tasks.get(idText(id))!;
  }
}
