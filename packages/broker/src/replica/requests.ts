/**
 * The writes that wait for an answer on this node. Every command is idempotent, so a write whose
 * leader was lost is simply sent again to the next one, until its deadline; only then is its
 * outcome called unknown. On the leader a write waits for its own entry, keyed by (term, index,
 * ordinal): another term applied at that index means that the entry was replaced.
 */

import type { EntryId, LogIndex, NodeId, Term } from "task-queue-raft";
import { assert, type Command, decodeReply, encodeCommand, type Reply } from "../queue/index.ts";
import {
  ENTRY_BYTES_MAX,
  ENTRY_COMMANDS_MAX,
  QUEUED_BYTES_MAX,
  REQUEST_DEADLINE_MS,
  REQUESTS_MAX,
} from "./limits.ts";
import type { Forward, ForwardReply, Outcome } from "./output.ts";

/** Who is waiting: a caller on this node, or a node that forwarded the write. */
export type Origin<W> =
  | { readonly kind: "local"; readonly waiter: W; readonly session: string | undefined }
  | { readonly kind: "remote"; readonly peer: NodeId; readonly requestId: number };

export interface Request<W> {
  readonly origin: Origin<W>;
  readonly command: Command;
  readonly bytes: number;
  readonly deadline: number;
  /** True once any leader may have seen it: from then on "not done" cannot be promised. */
  sent: boolean;
}

export interface Answer<W> {
  readonly request: Request<W>;
  readonly outcome: Outcome;
}

interface Proposed<W> {
  readonly term: Term;
  readonly requests: readonly Request<W>[];
}

export class Requests<W> {
  /** Neither proposed nor forwarded yet, oldest first. */
  #queued: Request<W>[] = [];
  #queuedBytes = 0;
  readonly #proposed = new Map<LogIndex, Proposed<W>>();
  readonly #forwarded = new Map<number, Request<W>>();
  /** All unanswered ones, oldest first: their deadlines are in the same order. */
  readonly #open = new Set<Request<W>>();
  #nextForwardId: number;

  /**
   * `firstForwardId` differs from start to start, so that a late answer to an earlier life is void.
   */
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
    if (this.#queuedBytes > QUEUED_BYTES_MAX) return undefined;
    const request = { origin, command, bytes, deadline: now + REQUEST_DEADLINE_MS, sent: false };
    this.#open.add(request);
    this.#queued.push(request);
    this.#queuedBytes += bytes;
    return request;
  }

  /** The first `count` queued ones became entry `id`, in this order from ordinal 0 on. */
  markProposed(count: number, id: EntryId): void {
    const requests = this.#take(count);
    for (const request of requests) request.sent = true;
    assert(!this.#proposed.has(id.index), `index ${id.index} was proposed twice`);
    if (requests.length > 0) this.#proposed.set(id.index, { term: id.term, requests });
  }

  /** All queued writes of this node, encoded for the leader. */
  takeForwards(): Forward[] {
    const forwards: Forward[] = [];
    for (const request of this.#take(this.#queued.length)) {
      const requestId = this.#nextForwardId++;
      request.sent = true;
      this.#forwarded.set(requestId, request);
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
      this.#requeue(proposed.requests);
      return;
    }
    proposed.requests.forEach((request, ordinal) => {
      const reply = replies[ordinal];
      assert(reply !== undefined, `entry ${id.index} has no reply ${ordinal}`);
      this.#close(request, { kind: "applied", reply, index: id.index }, answers);
    });
  }

  forwardAnswered(replies: readonly ForwardReply[], answers: Answer<W>[]): void {
    for (const { requestId, outcome } of replies) {
      const request = this.#forwarded.get(requestId);
      if (request === undefined) continue;
      this.#forwarded.delete(requestId);
      if (outcome === undefined) {
        this.#requeue([request]);
      } else {
        const reply = decodeReply(outcome.reply);
        this.#close(request, { kind: "applied", reply, index: outcome.index }, answers);
      }
    }
  }

  /**
   * Another leader, or none: what was on its way starts again. Writes that other nodes forwarded
   * here are dropped, for those nodes see the change too and send them again themselves.
   */
  leaderChanged(): void {
    const again = [...this.#forwarded.values()];
    this.#forwarded.clear();
    for (const proposed of this.#proposed.values()) again.push(...proposed.requests);
    this.#proposed.clear();
    again.push(...this.#take(this.#queued.length));
    this.#requeue(again);
  }

  /** Answers those whose deadline has passed. */
  expire(now: number, answers: Answer<W>[]): void {
    let expired = false;
    for (const request of this.#open) {
      if (request.deadline > now) break;
      expired = true;
      this.#close(request, outcomeAtDeadline(request.sent), answers);
    }
    if (!expired) return;
    const stillQueued = this.#take(this.#queued.length).filter((each) => this.#open.has(each));
    this.#requeue(stillQueued);
    for (const [id, request] of this.#forwarded) {
      if (!this.#open.has(request)) this.#forwarded.delete(id);
    }
  }

  /** When `expire` has something to do next. */
  nextDeadline(): number {
    for (const request of this.#open) return request.deadline;
    return Number.POSITIVE_INFINITY;
  }

  #requeue(requests: readonly Request<W>[]): void {
    for (const request of requests) {
      if (!this.#open.has(request)) continue;
      if (request.origin.kind === "remote") {
        this.#open.delete(request);
        continue;
      }
      this.#queued.push(request);
      this.#queuedBytes += request.bytes;
    }
  }

  #take(count: number): Request<W>[] {
    const taken = this.#queued;
    this.#queued = count >= taken.length ? [] : taken.splice(count);
    for (const request of taken) this.#queuedBytes -= request.bytes;
    return taken;
  }

  #close(request: Request<W>, outcome: Outcome, answers: Answer<W>[]): void {
    if (this.#open.delete(request)) answers.push({ request, outcome });
  }
}

function outcomeAtDeadline(sent: boolean): Outcome {
  if (sent) {
    const message = "the leader was lost before it answered; send the same request again";
    return { kind: "unknown", message };
  }
  const message = "no leader could be reached; nothing was done";
  return { kind: "refused", code: "no_leader", message };
}

/** What a command weighs in memory and on the wire, near enough for a limit. */
export function sizeOf(command: Command): number {
  switch (command.type) {
    case "submit":
      return 256 + command.content.payload.length + command.content.metadata.length;
    case "complete":
      return 64 + command.result.length;
    case "fail":
      return 64 + command.error.message.length + command.error.stack.length;
    case "register":
      return 256 + 32 * (command.queues.length + command.types.length + command.labels.length);
    case "renew":
      return 64 + 40 * command.sessions.length;
    default:
      return 64;
  }
}

/** A report that frees a slot of the worker that sends it. */
export function endsLease(command: Command): boolean {
  return command.type === "complete" || command.type === "fail" || command.type === "release";
}

/** How many of the queued writes fit into one entry; at least one, however large. */
export function entryLength(queued: readonly { readonly command: Command }[]): number {
  let bytes = 0;
  let length = 0;
  for (const { command } of queued) {
    bytes += sizeOf(command);
    if (length > 0 && (bytes > ENTRY_BYTES_MAX || length === ENTRY_COMMANDS_MAX)) break;
    length++;
  }
  assert(length > 0 || queued.length === 0, "an entry takes at least one waiting write");
  return length;
}
