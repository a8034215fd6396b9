/**
 * The writes that wait for an answer on this node. Every command is idempotent, so a write whose
 * leader was lost is simply sent again to the next one, until its deadline; only then is its
 * outcome called unknown. On the leader a write waits for its own entry, keyed by (term, index,
 * ordinal): another term applied at that index means that the entry was replaced.
 */

import type { EntryId, LogIndex, NodeId, Term } from "task-queue-raft";
import {
  assert,
  type Command,
  type Complete,
  decodeReply,
  encodeCommand,
  type Fail,
  type Release,
  type Reply,
} from "../queue/index.ts";
import { sizeOf } from "./entry-size.ts";
import {
  FORWARD_RESEND_MS,
  FORWARD_RETRY_MS,
  QUEUED_BYTES_MAX,
  REQUEST_DEADLINE_MS,
  REQUESTS_MAX,
} from "./limits.ts";
import type { Forward, ForwardReply, Outcome } from "./output.ts";

/** Who is waiting: a caller on this node, or a node that forwarded the write. */
export type Origin<W> =
  /** `session`: whose credit the write frees, if it does. */
  | { readonly kind: "local"; readonly waiter: W; readonly session: string | undefined }
  | { readonly kind: "remote"; readonly peer: NodeId; readonly requestId: number };

export interface Request<W> {
  readonly origin: Origin<W>;
  readonly command: Command;
  readonly bytes: number;
  readonly deadline: number;
  /** True once any leader may have seen it: from then on "not done" cannot be promised. */
  sent: boolean;
  /** A leader may have seen it, and it was put in line again. */
  resent: boolean;
}

export interface Answer<W> {
  readonly request: Request<W>;
  readonly outcome: Outcome;
}

interface Proposed<W> {
  readonly term: Term;
  readonly requests: readonly Request<W>[];
}

interface Forwarded<W> {
  readonly request: Request<W>;
  readonly at: number;
  /** Some leader may have seen it before this try. */
  readonly wasSent: boolean;
}

export class Requests<W> {
  /** Neither proposed nor forwarded yet, oldest first. */
  #queued: Request<W>[] = [];
  /** Of the queued and the forwarded ones. */
  #waitingBytes = 0;
  readonly #proposed = new Map<LogIndex, Proposed<W>>();
  /** By id, in the order in which they were sent. */
  readonly #forwarded = new Map<number, Forwarded<W>>();
  /** All unanswered ones, oldest first: their deadlines are in the same order. */
  readonly #open = new Set<Request<W>>();
  #nextForwardId: number;
  /** Set while the leader is spared: it did not take what it was sent. */
  #pausedUntil: number | undefined;

  /** `firstForwardId` differs from start to start: a late answer to an earlier life is void. */
  constructor(firstForwardId: number) {
    this.#nextForwardId = firstForwardId;
  }

  get queued(): readonly Request<W>[] {
    return this.#queued;
  }

  /** undefined = too many are waiting already. */
  add(origin: Origin<W>, command: Command, now: number): Request<W> | undefined {
    const bytes = sizeOf(command);
    if (this.#open.size >= REQUESTS_MAX) return undefined;
    if (this.#waitingBytes > QUEUED_BYTES_MAX) return undefined;
    const deadline = now + REQUEST_DEADLINE_MS;
    const request = { origin, command, bytes, deadline, sent: false, resent: false };
    this.#open.add(request);
    this.#enqueue(request);
    return request;
  }

  /** The first `count` queued ones became entry `id`, in this order from ordinal 0 on. */
  markProposed(count: number, id: EntryId): void {
    const requests = this.#take(count);
    for (const request of requests) request.sent = true;
    assert(!this.#proposed.has(id.index), `index ${id.index} was proposed twice`);
    if (requests.length > 0) this.#proposed.set(id.index, { term: id.term, requests });
  }

  /** All queued writes of this node, encoded for the leader; none while it is spared. */
  takeForwards(now: number): Forward[] {
    const forwards: Forward[] = [];
    if (this.#pausedUntil !== undefined) return forwards;
    for (const request of this.#take(this.#queued.length)) {
      const requestId = this.#nextForwardId++;
      this.#forwarded.set(requestId, { request, at: now, wasSent: request.sent });
      request.sent = true;
      this.#waitingBytes += request.bytes;
      forwards.push({ requestId, command: encodeCommand(request.command) });
    }
    return forwards;
  }

  /** Entry `id` was applied with these replies. */
  applied(id: EntryId, replies: readonly Reply[], answers: Answer<W>[]): void {
    const proposed = this.#proposed.get(id.index);
    if (proposed === undefined) return;
    this.#proposed.delete(id.index);
    if (proposed.term !== id.term) {
      for (const request of proposed.requests) this.#again(request);
      return;
    }
    proposed.requests.forEach((request, ordinal) => {
      const reply = replies[ordinal];
      assert(reply !== undefined, `entry ${id.index} has no reply ${ordinal}`);
      this.#close(request, outcomeOf(request, reply, id.index), answers);
    });
  }

  forwardAnswered(replies: readonly ForwardReply[], now: number, answers: Answer<W>[]): void {
    for (const { requestId, outcome } of replies) {
      const wasSent = this.#forwarded.get(requestId)?.wasSent ?? true;
      const request = this.#unforward(requestId);
      if (request === undefined) continue;
      if (outcome === undefined) {
        // Sent again at once it would go to and fro until the leader changes or has room.
        this.#pausedUntil = now + FORWARD_RETRY_MS;
        request.sent = wasSent;
        this.#again(request);
      } else {
        const reply = decodeReply(outcome.reply);
        this.#close(request, outcomeOf(request, reply, outcome.index), answers);
      }
    }
  }

  /**
   * Another leader, or none: what was on its way starts again. Writes that other nodes forwarded
   * here are dropped, for those nodes see the change too and send them again themselves.
   */
  leaderChanged(): void {
    const proposed = [...this.#proposed.values()].flatMap(({ requests }) => requests);
    this.#proposed.clear();
    this.#pausedUntil = undefined;
    const queued = this.#take(this.#queued.length);
    for (const id of [...this.#forwarded.keys()]) this.#again(this.#unforward(id));
    for (const request of proposed) this.#again(request);
    for (const request of queued) this.#again(request);
  }

  /** What time alone does: answers those whose deadline has passed, sends again what seems lost. */
  expire(now: number, answers: Answer<W>[]): void {
    if (this.#pausedUntil !== undefined && this.#pausedUntil <= now) this.#pausedUntil = undefined;
    let expired = false;
    for (const request of this.#open) {
      if (request.deadline > now) break;
      expired = true;
      this.#close(request, outcomeAtDeadline(request.sent), answers);
    }
    if (expired) this.#dropClosed();
    for (const [id, { at }] of this.#forwarded) {
      if (at + FORWARD_RESEND_MS > now) break;
      this.#again(this.#unforward(id));
    }
  }

  /**
   * Answers those of this node's callers that wait here with such a command, and of which no leader
   * has heard: for these alone "not done" is certain.
   */
  refuse(isMeant: (command: Command) => boolean, outcome: Outcome, answers: Answer<W>[]): void {
    const meant = this.#queued.filter(({ origin, sent, command }) => {
      return origin.kind === "local" && !sent && isMeant(command);
    });
    if (meant.length === 0) return;
    for (const request of meant) this.#close(request, outcome, answers);
    this.#dropClosed();
  }

  /** When `expire` has something to do next. */
  nextDeadline(): number {
    let next = this.#pausedUntil ?? Number.POSITIVE_INFINITY;
    for (const { deadline } of this.#open) {
      next = Math.min(next, deadline);
      break;
    }
    for (const { at } of this.#forwarded.values()) {
      next = Math.min(next, at + FORWARD_RESEND_MS);
      break;
    }
    return next;
  }

  #enqueue(request: Request<W>): void {
    this.#queued.push(request);
    this.#waitingBytes += request.bytes;
  }

  /** Back into line, if it is this node's own and still waits. */
  #again(request: Request<W> | undefined): void {
    if (request === undefined || !this.#open.has(request)) return;
    if (request.origin.kind === "remote") return void this.#open.delete(request);
    request.resent ||= request.sent;
    this.#enqueue(request);
  }

  /** What was answered waits no longer to be sent. */
  #dropClosed(): void {
    for (const request of this.#take(this.#queued.length)) {
      if (this.#open.has(request)) this.#enqueue(request);
    }
  }

  #take(count: number): Request<W>[] {
    const taken = this.#queued;
    this.#queued = count >= taken.length ? [] : taken.splice(count);
    for (const request of taken) this.#waitingBytes -= request.bytes;
    return taken;
  }

  #unforward(id: number): Request<W> | undefined {
    const request = this.#forwarded.get(id)?.request;
    if (request === undefined) return undefined;
    this.#forwarded.delete(id);
    this.#waitingBytes -= request.bytes;
    return request;
  }

  #close(request: Request<W>, outcome: Outcome, answers: Answer<W>[]): void {
    if (this.#open.delete(request)) answers.push({ request, outcome });
  }
}

function outcomeOf<W>({ resent }: Request<W>, reply: Reply, index: LogIndex): Outcome {
  return resent ? { kind: "applied", reply, index, resent } : { kind: "applied", reply, index };
}

function outcomeAtDeadline(sent: boolean): Outcome {
  if (sent) {
    const message = "the leader was lost before it answered; send the same request again";
    return { kind: "unknown", message };
  }
  const message = "no leader could be reached; nothing was done";
  return { kind: "refused", code: "no_leader", message };
}

/**
 * A report that frees a slot of the worker that sends it. One with children may be refused for
 * their sake, and then its run goes on: that slot is free only once it is applied.
 */
export function endsLease(command: Command): command is Complete | Fail | Release {
  if (command.type === "complete") return command.children === undefined;
  return command.type === "fail" || command.type === "release";
}
