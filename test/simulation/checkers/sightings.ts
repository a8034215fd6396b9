/** Watches the committed log, the messages and the readies for situations; it checks nothing. */

import type { LogIndex, Message, NodeId, Raft, Ready, Role } from "task-queue-raft";
import {
  type Batch,
  type Command,
  decodeCommand,
  type QueueEvent,
  type Reply,
} from "../../../packages/broker/src/queue/index.ts";
import type { Forward } from "../../../packages/broker/src/replica/index.ts";
import type { SimulatedReplica } from "../boot.ts";
import type { Situation, Situations } from "../situations.ts";
import { LaterSightings } from "./later-sightings.ts";
import type { Ledger } from "./ledger.ts";
import type { LogChecker } from "./log.ts";
import { idText } from "./model.ts";
import type { Tally } from "./steps.ts";

type Code = Reply["code"] | "duplicate";

/** What a reply says beyond the course of things. */
const BY_REPLY: Partial<Record<Command["type"], Partial<Record<Code, Situation>>>> = {
  submit: {
    duplicate: "duplicate submit answered",
    idempotency_mismatch: "idempotency key with other content refused",
    queue_full: "submit to a full queue refused",
  },
  cancel: { state_conflict: "cancel came too late" },
  retry: { ok: "dead task retried" },
  delete: { ok: "dead task deleted" },
  complete: { duplicate: "report repeated", stale_token: "report with a stale token refused" },
  extend: { ok: "lease extended" },
  release: { ok: "task released" },
  recall: { ok: "task recalled", stale_token: "recall came too late" },
  createKey: { ok: "access key made" },
  revokeKey: { ok: "access key revoked" },
  lapse: { state_conflict: "lapse voided by a renewal" },
};

export class Sightings {
  readonly #situations: Situations;
  readonly #ledger: Ledger;
  readonly #log: LogChecker;
  readonly #roles = new Map<NodeId, Role>();
  readonly #transferees = new Map<NodeId, NodeId>();
  readonly #forwarded = new Set<string>();
  /** Term in which each session registered first, and tasks that a lapse gave back. */
  readonly #registeredIn = new Map<string, number>();
  readonly #lapsedTasks = new Set<string>();
  readonly #later: LaterSightings;
  #candidateTerm = 0;
  #electedTerm = 0;

  constructor(situations: Situations, ledger: Ledger, log: LogChecker) {
    this.#situations = situations;
    this.#ledger = ledger;
    this.#log = log;
    this.#later = new LaterSightings(situations, ledger);
  }

  booting(id: NodeId): void {
    this.#roles.delete(id);
    this.#transferees.delete(id);
  }

  // ---- consensus ----

  ready(id: NodeId, ready: Ready, raft: Raft): void {
    const { leadership } = ready;
    this.#transfer(id, raft);
    for (const entry of ready.committed) {
      if (entry.term < this.#electedTerm && entry.index > this.#log.commit) {
        this.#situations.hit("entry of an earlier term committed by a later leader");
      }
    }
    if (leadership === undefined) return;
    if (leadership.role === "leader") this.#elected(leadership.term);
    if (leadership.role === "candidate") this.#campaigns(raft.term);
    if (this.#roles.get(id) === "leader" && leadership.role !== "leader") {
      this.#situations.hit("leader stepped down");
      if (this.#log.lastIndex(id) > this.#log.commit) {
        this.#situations.hit("leader changed with proposals in flight");
      }
    }
    this.#roles.set(id, leadership.role);
  }

  /** An office that is being handed over, and how that ended. */
  #transfer(id: NodeId, { transferee, role }: Raft): void {
    const before = this.#transferees.get(id);
    if (before === transferee) return;
    if (transferee === undefined) this.#transferees.delete(id);
    else this.#transferees.set(id, transferee);
    if (before === undefined) this.#situations.hit("transfer begun");
    else if (transferee === undefined && role === "leader") {
      this.#situations.hit("transfer aborted");
    }
  }

  sent(message: Message): void {
    if (message.type === "installSnapshot") this.#situations.hit("snapshot offered");
    if (message.type === "timeoutNow") this.#situations.hit("member asked to campaign at once");
    if (message.type === "vote" && message.transfer) this.#situations.hit("campaign of a transfer");
    if (message.type === "voteReply" && !message.granted) this.#situations.hit("vote refused");
    if (message.type === "preVoteReply" && !message.granted) {
      this.#situations.hit("pre-vote refused");
    }
    if (message.type === "appendReply" && message.rejected !== undefined) {
      this.#situations.hit("append refused with a hint");
    }
  }

  forwarded(id: NodeId, forwards: readonly Forward[]): void {
    for (const { command } of forwards) {
      this.#situations.hit("write forwarded to the leader");
      const decoded = decodeCommand(command);
      if (decoded.type !== "submit") continue;
      const key = id + idText(decoded.id);
      if (this.#forwarded.has(key)) this.#situations.hit("forwarded write sent again");
      this.#forwarded.add(key);
    }
  }

  turned(replica: SimulatedReplica, now: number): void {
    const { commit, durableIndex } = replica.raft;
    const isBehind = replica.queue.applied < Math.min(commit, durableIndex);
    if (isBehind && replica.nextDeadline() <= now) {
      this.#situations.hit("more to apply than a turn takes");
    }
  }

  #elected(term: number): void {
    this.#situations.hit(
      this.#electedTerm === 0 ? "leader elected" : "leader elected in a later term",
    );
    this.#electedTerm = Math.max(this.#electedTerm, term);
  }

  #campaigns(term: number): void {
    if (term > this.#candidateTerm && this.#candidateTerm > this.#electedTerm) {
      this.#situations.hit("election without a winner");
    }
    this.#candidateTerm = Math.max(this.#candidateTerm, term);
  }

  // ---- the queue ----

  /** To be called before the ledger takes in the entry: it still shows who held what. */
  applying(index: LogIndex, batch: Batch, replies: readonly Reply[]): void {
    const term = this.#termOf(index);
    batch.commands.forEach((command, ordinal) => {
      this.#command(command, replies[ordinal]!, term);
    });
  }

  /** To be called after it. */
  applied(index: LogIndex, events: readonly QueueEvent[], tally: Tally): void {
    const term = this.#termOf(index);
    for (const event of events) this.#event(event, term);
    this.#later.entry(tally);
  }

  #termOf(index: LogIndex): number {
    return this.#log.committedTerm(index) ?? 0;
  }

  #command(command: Command, reply: Reply, term: number): void {
    const code = reply.code === "ok" && reply.duplicate ? "duplicate" : reply.code;
    const situation = BY_REPLY[command.type]?.[code];
    this.#later.command(command, reply, term);
    if (situation !== undefined) this.#situations.hit(situation);
    if (command.type === "register") {
      if (code === "ok") this.#registeredIn.set(command.session, term);
    } else if (command.type === "submit" && reply.code === "ok" && reply.duplicate) {
      this.#repeated(command.id, reply.id!);
    } else if (command.type === "lapse" && code === "ok" && this.#holds(command.session)) {
      this.#situations.hit("session lapsed with leases");
    } else if (command.type === "unregister" && this.#holds(command.session)) {
      this.#situations.hit("session said good-bye with leases");
    } else if (command.type === "fail" && code === "ok" && !command.retryable) {
      this.#situations.hit("task failed for good");
    } else if (command.type === "fail" && reply.code === "ok" && !reply.duplicate) {
      const isDead = reply.state === "dead";
      this.#situations.hit(isDead ? "task dead after its retries" : "task failed and retried");
    } else if (command.type === "cancel" && code === "ok") {
      const task = this.#ledger.tasks.get(idText(command.id));
      const isRunning = task?.live !== undefined;
      this.#situations.hit(isRunning ? "running task cancelled" : "pending task cancelled");
    }
  }

  #repeated(sent: Uint8Array, answered: Uint8Array): void {
    if (idText(sent) !== idText(answered)) {
      this.#situations.hit("submit answered with the task of its idempotency key");
    }
    if (this.#ledger.tasks.get(idText(answered))?.deleted) {
      this.#situations.hit("submit of a deleted task repeated");
    }
  }

  #event(event: QueueEvent, term: number): void {
    this.#later.event(event, term);
    if (event.type === "leased") {
      const registeredIn = this.#registeredIn.get(event.session) ?? term;
      if (registeredIn < term) this.#situations.hit("session of an earlier term leased to");
      const id = idText(event.id);
      if (this.#lapsedTasks.delete(id)) this.#situations.hit("task leased again after a lapse");
      const { submit } = this.#ledger.tasks.get(id)!;
      const { delayMs, runAt } = submit.content;
      if (delayMs > 0 || runAt > 0) this.#situations.hit("delayed task came due");
    } else if (event.type === "leaseLost") {
      if (event.reason === "timeout") this.#situations.hit("run timed out");
      if (event.reason === "lapsed") this.#lapsedTasks.add(idText(event.id));
    } else if (event.type === "sessionEnded" && event.lapsed) {
      this.#situations.hit("session lapsed");
      if (this.#holds(event.session)) this.#situations.hit("extension outlived its session");
    }
  }

  #holds(session: string): boolean {
    return this.#ledger.leaseCount(session) > 0;
  }
}
