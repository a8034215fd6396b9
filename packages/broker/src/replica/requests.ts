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
  type NewTask,
  type Release,
  type Reply,
  type RunReport,
} from "../queue/index.ts";
import {
  ENTRY_BYTES_MAX,
  ENTRY_COMMANDS_MAX,
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
    const request = { origin, command, bytes, deadline: now + REQUEST_DEADLINE_MS, sent: false };
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
      this.#close(request, { kind: "applied", reply, index: id.index }, answers);
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
        this.#close(request, { kind: "applied", reply, index: outcome.index }, answers);
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
    if (request.origin.kind === "remote") this.#open.delete(request);
    else this.#enqueue(request);
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

function outcomeAtDeadline(sent: boolean): Outcome {
  if (sent) {
    const message = "the leader was lost before it answered; send the same request again";
    return { kind: "unknown", message };
  }
  const message = "no leader could be reached; nothing was done";
  return { kind: "refused", code: "no_leader", message };
}

/** What a command weighs on the wire, at most: entries that were larger could not be sent. */
export function sizeOf(command: Command): number {
  switch (command.type) {
    case "submit":
      return sizeOfTask(command);
    case "submitAll":
      return 64 + sizeOfTasks(command.tasks);
    case "complete":
      return 64 + command.result.length + sizeOfTasks(command.children ?? []);
    case "fail":
      return 64 + textBytes(command.error.message) + textBytes(command.error.stack);
    case "cancel":
      return 64 + textBytes(command.reason);
    case "register": {
      const { session, secret, name, version, queues, types, labels } = command;
      const texts = [session, name, version, ...queues, ...types, ...labels];
      return 64 + secret.length + textsBytes(texts);
    }
    case "report":
      return 64 + textBytes(command.session) + sizeOfRuns(command.runs);
    case "renew":
      return 64 + textsBytes(command.sessions);
    case "unregister":
    case "lapse":
    case "lease":
      return 64 + textBytes(command.session);
    default:
      return 64;
  }
}

function sizeOfRuns(runs: readonly RunReport[]): number {
  let bytes = 0;
  for (const { progress, lines } of runs) {
    bytes += 64 + textBytes(progress);
    for (const { text } of lines) bytes += 2 + textBytes(text);
  }
  return bytes;
}

function sizeOfTasks(tasks: readonly NewTask[]): number {
  let bytes = 0;
  for (const task of tasks) bytes += sizeOfTask(task);
  return bytes;
}

function sizeOfTask({ content, retry, ended }: NewTask): number {
  const { type, queue, payload, idempotencyKey, tags, metadata, traceparent } = content;
  const { unique, group, requires, dependsOn } = content;
  const names = type.length + queue.length + idempotencyKey.length + traceparent.length;
  const keys = group.length + (unique?.key.length ?? 0);
  const numbers = retry.delaysMs.length + (content.retry.delaysMs?.length ?? 0);
  const links = dependsOn.length * 16 + (ended?.length ?? 0) * 10;
  // Content and policy have some twenty-five other numbers of at most ten bytes each.
  const rest = 320 + payload.length + 10 * numbers + links;
  return rest + 3 * (names + keys + metadata.length) + textsBytes(tags) + textsBytes(requires);
}

/** A UTF-16 unit takes at most three bytes of UTF-8; the length before it, at most ten. */
function textBytes(text: string): number {
  return 10 + 3 * text.length;
}

function textsBytes(texts: readonly string[]): number {
  let bytes = 0;
  for (const text of texts) bytes += textBytes(text);
  return bytes;
}

/** A report that frees a slot of the worker that sends it. */
export function endsLease(command: Command): command is Complete | Fail | Release {
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
