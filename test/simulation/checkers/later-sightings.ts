/** Watches the committed log for situations of what there is since version 3; it checks nothing. */
import type {
  Command,
  NewTask,
  QueueEvent,
  Reply,
} from "../../../packages/broker/src/queue/index.ts";
import type { Situation, Situations } from "../situations.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerTask } from "./ledger-task.ts";
import { idText } from "./model.ts";
import type { Tally } from "./steps.ts";

type Code = Reply["code"] | "duplicate";

const BY_REPLY: Partial<Record<Command["type"], Partial<Record<Code, Situation>>>> = {
  submit: { not_found: "submit behind an unknown parent refused" },
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
  readonly #begunIn = new Map<string, number>();
  /** Queues that drain, and are not known to be empty. */
  readonly #draining = new Set<string>();
  /** Tasks that were dead letters. */
  readonly #letters = new Set<LedgerTask>();

  constructor(situations: Situations, ledger: Ledger) {
    this.#situations = situations;
    this.#ledger = ledger;
  }

  command(command: Command, reply: Reply, term: number): void {
    const code = reply.code === "ok" && reply.duplicate ? "duplicate" : reply.code;
    const situation = BY_REPLY[command.type]?.[code];
    if (situation !== undefined) this.#situations.hit(situation);
    this.#order(command, code, term);
    if (command.type === "complete" && command.children !== undefined) {
      this.#children(command.children, code);
    }
    if (command.type === "submit" && code === "state_conflict") {
      const hasUnique = command.content.unique !== undefined;
      const isDraining = this.#ledger.terms.isDraining(command.content.queue);
      if (hasUnique && !isDraining) this.#situations.hit("unique key refused");
      if (!hasUnique) this.#situations.hit("submit to a draining queue refused");
    }
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

  /** What an operator says, and how far it is. */
  #order(command: Command, code: Code, term: number): void {
    if (code !== "ok") return;
    if (command.type === "startJob") this.#begunIn.set(idText(command.id), term);
    if (command.type === "stepJob" && (this.#begunIn.get(idText(command.id)) ?? term) < term) {
      this.#situations.hit("job carried on by a later leader");
    }
    if (command.type === "expunge" && command.what === "result") {
      this.#situations.hit("retention took a result");
    }
    if (command.type !== "configureQueue" || command.draining === undefined) return;
    if (command.draining) this.#draining.add(command.queue);
    else this.#draining.delete(command.queue);
  }

  #children(children: readonly NewTask[], code: Code): void {
    const { terms } = this.#ledger;
    if (code === "duplicate") this.#situations.hit("result with children repeated");
    else if (code === "ok") {
      this.#situations.hit("children begun with a result");
      if (children.some(({ content }) => terms.isDraining(content.queue))) {
        this.#situations.hit("draining queue took in children");
      }
    } else if (code !== "stale_token") this.#situations.hit("result with children refused");
  }

  /** To be called after the ledger has taken in the entry. */
  entry({ restarted, deleted, expunged, passedOver, kept }: Tally): void {
    const hit = (situation: Situation, times: number) => {
      for (let left = times; left > 0; left--) this.#situations.hit(situation);
    };
    hit("task started again by a job", restarted.length);
    hit("task deleted by a job", deleted.length);
    hit("task of a job passed over", passedOver);
    hit("retention took a task", expunged.length);
    hit("retention passed over a task", kept);
    for (const task of this.#ledger.moved) {
      hit("task became a dead letter", 1);
      if (this.#letters.has(task)) hit("dead letter went on to another", 1);
      this.#letters.add(task);
    }
    for (const queue of this.#draining) {
      if (!this.#ledger.terms.isEmpty(queue)) continue;
      this.#situations.hit("draining queue became empty");
      this.#draining.delete(queue);
    }
  }

  /** To be called after the ledger has taken in the entry. */
  event(event: QueueEvent, term: number): void {
    if (event.type === "leased") this.#leased(this.#task(event.id), event.id, term);
    if (event.type === "finished") this.#finished(this.#task(event.id), event.state, term);
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

  #finished(task: LedgerTask, state: string, term: number): void {
    const { content } = task.submit;
    if (state === "expired") {
      this.#situations.hit(task.grants === 0 ? "expired before a lease" : "expired after a run");
    }
    if (task.queue !== content.queue) {
      if (state === "completed") this.#situations.hit("dead letter completed");
      if (state === "dead") this.#situations.hit("dead letter dead");
    }
    if (!task.doomed || task.grants > 0) return;
    if (state === "dead") this.#situations.hit("task doomed by its parent");
    if (state === "cancelled") this.#situations.hit("task cancelled by its parent");
    const blockedIn = this.#blockedIn.get(idText(task.submit.id)) ?? term;
    if (blockedIn < term) this.#situations.hit("task doomed after a failover");
  }

  #task(id: Uint8Array): LedgerTask {
    return this.#ledger.tasks.get(idText(id))!;
  }
}
