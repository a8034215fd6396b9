/**
 * One broker's mind: consensus, the queue machine, and who waits for what, joined into one machine
 * without clock, socket, file or promise. Every input is a method; none of them answers by itself.
 * The caller feeds inputs, then calls `turn` and performs what it returns, in order.
 *
 * All commands of a turn become one log entry, closed while no earlier one is on its way to the
 * disk: that is the whole of group commit. The simulator drives this very class.
 */

import { type Entry, type EntryId, type NodeId, Raft } from "task-queue-raft";
import {
  type Command,
  decodeBatch,
  decodeCommand,
  encodeBatch,
  type QueueMachine,
  type Reply,
  type Token,
} from "../queue/index.ts";
import { sortAnswers } from "./answers.ts";
import { ClusterClock } from "./clock.ts";
import { Dispatcher, unknownLeases } from "./dispatcher.ts";
import { Flusher } from "./flusher.ts";
import { ENTRIES_UNCOMMITTED_MAX } from "./limits.ts";
import { type ClusterMember, decodeMembers, decodeMembership } from "./members.ts";
import { Office } from "./office.ts";
import type { Attachment, ReplicaOptions, ReplicaSettings } from "./options.ts";
import {
  type ContentLoad,
  type Envelope,
  emptyOutputs,
  envelopeOf,
  type Forward,
  type ForwardReply,
  type Outputs,
} from "./output.ts";
import { Reads } from "./reads.ts";
import { type Answer, endsLease, entryLength, Requests } from "./requests.ts";
import { Sessions } from "./sessions.ts";

export class Replica<W, R> {
  readonly raft: Raft;
  readonly queue: QueueMachine;
  readonly clock: ClusterClock;
  readonly #settings: ReplicaSettings;
  readonly #requests: Requests<W>;
  readonly #reads = new Reads<R>();
  readonly #dispatcher: Dispatcher;
  readonly #sessions: Sessions;
  readonly #office: Office;
  readonly #flusher: Flusher;
  #now: number;
  #wallMs: number;
  #members: readonly ClusterMember[];
  /** The newest persist batch handed out, and the newest that the disk has confirmed. */
  #handedSeq = 0;
  #writtenSeq = 0;
  #committed: Entry[] = [];
  #out: Outputs<W, R> = emptyOutputs();
  #answers: Answer<W>[] = [];

  constructor(options: ReplicaOptions) {
    const { queue, now, wallMs } = options;
    this.queue = queue;
    this.#settings = options.settings;
    this.#now = now;
    this.#wallMs = wallMs;
    this.#members = decodeMembers(options.membership);
    this.raft = new Raft({
      ...options.raft,
      membership: decodeMembership(options.membership),
      decodeMembership,
      applied: options.applied.index,
      now,
    });
    this.clock = new ClusterClock(now, wallMs);
    this.#requests = new Requests(options.firstForwardId);
    this.#dispatcher = new Dispatcher(queue);
    this.#sessions = new Sessions(queue, this.#dispatcher);
    this.#office = new Office(queue, this.clock);
    this.#flusher = new Flusher(queue, options.applied, options.membership);
  }

  /** Members in force at the applied index. */
  get members(): readonly ClusterMember[] {
    return this.#members;
  }

  get leads(): boolean {
    return this.raft.role === "leader";
  }

  // ---- inputs ----

  /** Time has passed. To be called first in each turn. */
  advance(now: number, wallMs: number): void {
    this.#now = now;
    this.#wallMs = wallMs;
    this.clock.advance(now, wallMs);
    this.raft.tick(now);
  }

  receive(from: NodeId, envelope: Envelope): void {
    if (envelope.beacon !== undefined) this.#heardClock(from, envelope.beacon.wallMs);
    this.raft.step(envelope.message);
  }

  /** The control stream of a peer to this node opened or closed. */
  peer(peer: NodeId, connected: boolean): void {
    if (connected) {
      this.raft.peerConnected(peer);
      // What was on its way on the old stream may be lost; every command can be sent again.
      if (peer === this.raft.leader) this.#requests.leaderChanged();
    } else {
      this.clock.forget(peer);
      this.raft.peerDisconnected(peer);
    }
  }

  /** The disk holds persist batch `seq` and all before it; `durable`: and has fsynced them. */
  persisted(seq: number, durable: boolean): void {
    this.raft.persisted(seq, durable);
    // A later fsync vouches for what was written before it began; more has been written since.
    this.#writtenSeq = Math.max(this.#writtenSeq, seq);
  }

  flushed(): void {
    this.queue.flushed();
    this.#flusher.flushed();
  }

  logRead(to: NodeId, prev: EntryId, entries: readonly Entry[]): void {
    this.raft.provideLog({ to, prev, entries });
  }

  /** `content` undefined: the store has none under this key. */
  contentLoaded(load: ContentLoad, content: Uint8Array | undefined): void {
    this.#sessions.contentLoaded(load, content);
  }

  /** A write from a caller on this node. `session`: on behalf of this attached worker session. */
  request(command: Command, waiter: W, session?: string): void {
    const freed = session !== undefined && this.#freesCredit(session, command);
    const origin = { kind: "local", waiter, session: freed ? session : undefined } as const;
    if (this.#requests.add(origin, command, this.#now) === undefined) {
      const message = "too many writes are waiting on this node; slow down and try again";
      const outcome = { kind: "refused", code: "overloaded", message } as const;
      this.#out.outcomes.push({ waiter, outcome });
      return;
    }
    if (freed) this.#dispatcher.countEnding(session, 1);
  }

  /** What its worker resends may have been applied before: then it frees nothing any more. */
  #freesCredit(session: string, command: Command): boolean {
    return endsLease(command) && this.queue.holds(session, command.id, command.token);
  }

  /** Writes that another node took and this node, as leader, is asked to propose. */
  forwards(from: NodeId, forwards: readonly Forward[]): void {
    const refused: ForwardReply[] = [];
    for (const { requestId, command } of forwards) {
      const origin = { kind: "remote", peer: from, requestId } as const;
      const request = this.leads && this.#requests.add(origin, decodeCommand(command), this.#now);
      if (!request) refused.push({ requestId, outcome: undefined });
    }
    if (refused.length > 0) this.#out.forwardReplies.push({ to: from, replies: refused });
  }

  forwardReplies(replies: readonly ForwardReply[]): void {
    this.#requests.forwardAnswered(replies, this.#now, this.#answers);
  }

  /** Asks for the moment from which a local read is fresh enough. */
  read(waiter: R, linearizable: boolean, minIndex: number): void {
    if (this.#reads.add(waiter, linearizable, minIndex, this.#now)) return;
    this.#out.reads.push({ waiter, applied: undefined });
  }

  /** Connects a registered session to its worker; undefined when this node cannot. */
  attach(session: string, held: readonly Token[]): Attachment | undefined {
    const view = this.leads ? this.queue.session(session) : undefined;
    if (view === undefined || view.lapsed) return undefined;
    this.#dispatcher.attach(session);
    this.#sessions.attached(session);
    const leases = this.queue.leases(session);
    for (const lease of unknownLeases(leases, held)) {
      this.#sessions.deliver(session, lease.slot, lease.id, lease.token);
    }
    const live = new Set(leases.map((lease) => lease.token));
    return { lost: held.filter((token) => !live.has(token)), leaseMs: view.leaseMs };
  }

  detach(session: string): void {
    this.#dispatcher.detach(session);
  }

  setWindow(session: string, window: number): void {
    this.#dispatcher.setWindow(session, window);
  }

  beat(session: string): void {
    if (this.#dispatcher.isAttached(session)) this.#office.beat(session, this.#now);
  }

  // ---- the turn ----

  turn(): Outputs<W, R> {
    // Before apply moves on: what the disk has just confirmed may be all that was applied.
    const flush = this.#flusher.start(this.raft.durableIndex, this.#now);
    this.#requests.expire(this.#now, this.#answers);
    this.#answer();
    this.#reads.startRound(this.#now, () => this.raft.requestRead());
    this.#drainReady();
    // Applying may have freed credit or confirmed office: what follows from it rides in this turn.
    if (this.#propose()) this.#drainReady();
    this.#reads.serve(this.queue.applied, this.#now, (waiter, applied) => {
      this.#out.reads.push({ waiter, applied });
    });
    const syncLog = this.#flusher.isOverdue(this.raft.durableIndex, this.#now);
    const out = this.#out;
    this.#out = emptyOutputs();
    const { sessions, loads } = this.#sessions.take();
    return { ...out, sessions, contentLoads: loads, flush, syncLog };
  }

  /** Monotonic time at which `advance` and `turn` are due even if nothing else happens. */
  nextDeadline(): number {
    return Math.min(
      this.raft.nextDeadline(),
      this.#requests.nextDeadline(),
      this.#reads.nextDeadline(),
      this.#office.nextDeadline(),
      this.#flusher.nextDeadline(this.raft.durableIndex),
    );
  }

  #drainReady(): void {
    while (this.raft.hasReady()) {
      const ready = this.raft.takeReady();
      if (ready.leadership !== undefined) this.#leadershipChanged(ready.leadership);
      for (const message of ready.messages) this.#out.envelopes.push(this.envelope(message));
      if (ready.persist !== undefined) {
        this.#out.persists.push(ready.persist);
        this.#handedSeq = ready.persist.seq;
      }
      this.#out.logReads.push(...ready.logReads);
      this.#reads.confirmed(ready.reads, this.#now);
      for (const entry of ready.committed) this.#committed.push(entry);
    }
    this.#applyCommitted();
  }

  /** A message of a persist batch, ready to be sent once the batch is on disk. */
  envelope(message: Envelope["message"]): Envelope {
    return envelopeOf(message, () => ({
      wallMs: this.#wallMs,
      applied: this.queue.applied,
      effectHash: this.queue.effectHash,
    }));
  }

  #leadershipChanged(leadership: NonNullable<Outputs<W, R>["leadership"]>): void {
    this.#out.leadership = leadership;
    this.#requests.leaderChanged();
    this.#dispatcher.clear();
    if (leadership.role === "leader") this.#office.take();
    else this.#office.leave();
  }

  #heardClock(from: NodeId, wallMs: number): void {
    this.clock.heard(from, wallMs);
    for (const { who, ms } of this.clock.newDisagreements()) {
      const off = `${Math.round(ms / 1000)} s off the median`;
      const text = `the wall clock of ${who} is ${off}; check its time service`;
      this.#out.notes.push({ level: "warn", text });
    }
  }

  // ---- proposing ----

  /** Closes the waiting commands into one entry, or sends them to the leader. */
  #propose(): boolean {
    if (!this.leads) {
      this.#forward();
      return false;
    }
    if (this.#handedSeq > this.#writtenSeq) return false;
    if (this.raft.lastIndex - this.raft.commit >= ENTRIES_UNCOMMITTED_MAX) return false;
    if (this.#office.mustOpen) {
      const id = this.#proposeBatch([{ type: "takeOffice" }]);
      if (id !== undefined) this.#office.opened();
      return id !== undefined;
    }
    const requests = this.#requests.queued.slice(0, entryLength(this.#requests.queued));
    const commands: Command[] = requests.map((request) => this.#complete(request.command));
    const demands = this.#office.demands(this.#now);
    commands.push(...demands);
    commands.push(...this.#dispatcher.leases(commands));
    if (commands.length === 0) return false;
    const id = this.#proposeBatch(commands);
    if (id === undefined) {
      this.#dispatcher.leasesDropped(commands);
      return false;
    }
    this.#requests.markProposed(requests.length, id);
    this.#office.proposed(demands, id.index);
    return true;
  }

  #proposeBatch(commands: readonly Command[]): EntryId | undefined {
    const id = this.raft.propose(encodeBatch({ at: this.clock.read(), commands }));
    return typeof id === "string" ? undefined : id;
  }

  #forward(): void {
    const leader = this.raft.leader;
    if (leader === undefined || this.#requests.queued.length === 0) return;
    const forwards = this.#requests.takeForwards(this.#now);
    if (forwards.length > 0) this.#out.forwards.push({ to: leader, forwards });
  }

  /** Fills in what the leader decides, so that apply reads no settings of its own. */
  #complete(command: Command): Command {
    if (command.type !== "submit") return command;
    const { retry, depthLimit } = this.#settings;
    return { ...command, retry: { ...retry, ...command.content.retry }, depthLimit };
  }

  // ---- applying ----

  #applyCommitted(): void {
    let count = 0;
    for (const entry of this.#committed) {
      if (!this.#flusher.mayApply(entry.index, this.raft.durableIndex, this.#now)) break;
      this.#apply(entry);
      count++;
    }
    if (count > 0) this.#committed.splice(0, count);
  }

  #apply(entry: Entry): void {
    let replies: readonly Reply[] = [];
    if (entry.kind === "normal") {
      const batch = decodeBatch(entry.data);
      replies = this.queue.apply(entry.index, batch);
      if (this.leads) this.#learnFrom(batch.commands, replies, entry);
    } else {
      this.queue.skip(entry.index);
      if (entry.kind === "membership") {
        this.#members = decodeMembers(entry.data);
      }
    }
    const membership = entry.kind === "membership" ? entry.data : undefined;
    this.#flusher.applied(entry, membership, this.#now);
    this.#requests.applied(entry, replies, this.#answers);
    // Before the next lease is thought of: a slot must not count as held no more and ending, too.
    this.#answer();
    this.#office.applied(entry.index);
    for (const event of this.queue.events) {
      if (event.type === "finished") this.#out.finished.push(event.id);
      else if (this.leads) this.#sessions.handle(event);
    }
    this.queue.events.length = 0;
  }

  /** What the leader must notice of its own commands before the events speak. */
  #learnFrom(commands: readonly Command[], replies: readonly Reply[], entry: Entry): void {
    if (entry.term !== this.raft.term) return;
    commands.forEach((command, ordinal) => {
      const reply = replies[ordinal];
      if (command.type === "lease") {
        // A refused one says nothing about what is ready.
        const tookAll = reply?.code === "leased" && reply.granted < command.count;
        this.#dispatcher.leaseApplied(command.session, tookAll);
      } else if (command.type === "renew") {
        for (const session of command.sessions) this.#sessions.renewed(session);
      } else if (command.type === "takeOffice") {
        this.#office.settled();
      }
    });
  }

  #answer(): void {
    if (this.#answers.length === 0) return;
    for (const { request } of this.#answers) {
      const { origin } = request;
      if (origin.kind !== "local" || origin.session === undefined) continue;
      this.#dispatcher.countEnding(origin.session, -1);
    }
    const { outcomes, forwardReplies } = sortAnswers(this.#answers);
    for (const each of outcomes) this.#out.outcomes.push(each);
    this.#out.forwardReplies.push(...forwardReplies);
    this.#answers = [];
  }
}
