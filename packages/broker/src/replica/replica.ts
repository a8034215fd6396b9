/**
 * One broker's mind: consensus, the queue machine, and who waits for what, joined into one machine
 * without clock, socket, file or promise. Every input is a method; none of them answers by itself.
 * The caller feeds inputs, then calls `turn` and performs what it returns, in order.
 *
 * All commands of a turn become one log entry, closed while no earlier one is on its way to the
 * disk: that is the whole of group commit. The simulator drives this very class.
 */
import { type Entry, type EntryId, type Leadership, type NodeId, Raft } from "task-queue-raft";
import type { Command, QueueMachine, Reply, Token } from "../queue/index.ts";
import { Agreement } from "./agreement.ts";
import { Applier } from "./applier.ts";
import { attachSession } from "./attach.ts";
import { Beacons } from "./beacons.ts";
import { ClusterClock } from "./clock.ts";
import { Compaction } from "./compaction.ts";
import { DiskWatch } from "./disk-watch.ts";
import { Handover } from "./handover.ts";
import { Intake } from "./intake.ts";
import { buildMachinery, type Machinery } from "./machinery.ts";
import { type ClusterMember, decodeMembership, decodeRoster, type Member } from "./members.ts";
import { Membership } from "./membership.ts";
import type { Attachment, ReceivedSnapshot, ReplicaOptions } from "./options.ts";
import {
  type ContentLoad,
  carriesBeacon,
  type Envelope,
  emptyOutputs,
  type Forward,
  type ForwardReply,
  isRequest,
  type MemberChange,
  type Outputs,
} from "./output.ts";
import { Proposer } from "./proposer.ts";
import { Reads } from "./reads.ts";
import { Requests } from "./requests.ts";
import type { VersionRange } from "./versions.ts";
import { Writes } from "./writes.ts";

export class Replica<W, R, C = unknown> {
  readonly raft: Raft;
  readonly clock: ClusterClock;
  readonly #writes: Writes<W>;
  readonly #reads = new Reads<R>();
  readonly #proposer: Proposer<W>;
  readonly #applier: Applier;
  readonly #membership: Membership<C>;
  readonly #handover: Handover<C>;
  readonly #agreement: Agreement;
  readonly #beacons: Beacons;
  readonly #compaction: Compaction;
  readonly #intake: Intake;
  readonly #diskWatch: DiskWatch;
  readonly #self: Member;
  #machinery: Machinery;
  #now: number;
  #wallMs: number;
  #out: Outputs<W, R, C> = emptyOutputs();

  constructor(options: ReplicaOptions) {
    const { queue, now, wallMs, applied, membership, settings, self } = options;
    const { log, electionTimeoutMs } = options.raft;
    this.#self = self;
    this.#now = now;
    this.#wallMs = wallMs;
    const raft = new Raft({
      ...options.raft,
      membership: decodeMembership(membership, self),
      decodeMembership: (data) => decodeMembership(data, self),
      applied: applied.index,
      now,
    });
    this.raft = raft;
    this.clock = new ClusterClock(now, wallMs);
    this.#machinery = buildMachinery(queue, applied, membership, this.clock);
    this.#applier = new Applier(raft, options, {
      applied: (entry, replies) => this.#applied(entry, replies),
      finished: (id) => this.#out.finished.push(id),
    });
    this.#membership = new Membership({
      raft,
      self,
      electionTimeoutMs,
      joinedAt: options.joinedAt,
      supports: options.supports,
      roster: decodeRoster(membership),
      index: applied.index,
      tail: log.tail,
      forget: (id) => this.#forget(id),
    });
    this.#handover = new Handover(raft, () => this.members, electionTimeoutMs, settings.priority);
    const voters = () => raft.membership.voters;
    this.#agreement = new Agreement(this.#ownClaim(), electionTimeoutMs, voters);
    this.#compaction = Compaction.at(options, raft.lastIndex);
    const requests = new Requests<W>(options.firstForwardId);
    this.#intake = new Intake(raft);
    this.#diskWatch = new DiskWatch(raft, this.#handover, electionTimeoutMs);
    this.#writes = new Writes(raft, requests, this.#compaction, this.#intake);
    this.#proposer = new Proposer(raft, this.clock, settings, requests);
    this.#beacons = new Beacons(raft, this.clock, this.#agreement, this.#handover, this.#intake);
  }

  /** Another one after each install: not to be kept. */
  get queue(): QueueMachine {
    return this.#machinery.queue;
  }

  /** Members in force at the applied index. */
  get members(): readonly ClusterMember[] {
    return this.#membership.roster.members;
  }

  /** What the cluster works with at the applied index. */
  get clusterVersion(): number {
    return this.#membership.roster.clusterVersion ?? 1;
  }

  get leads(): boolean {
    return this.raft.role === "leader";
  }

  /** New tasks are refused for want of room on the disks, as far as this node knows. */
  get intakeClosed(): boolean {
    return this.#intake.isClosed;
  }

  /** Members whose effect hash was seen to differ from this leader's, since the start. */
  get divergences(): number {
    return this.#agreement.divergences;
  }

  // ---- inputs ----

  /** Time has passed. To be called first in each turn. */
  advance(now: number, wallMs: number): void {
    this.#now = now;
    this.#wallMs = wallMs;
    this.clock.advance(now, wallMs);
    this.raft.tick(now);
  }

  receive(from: NodeId, { message, beacon }: Envelope): void {
    this.raft.step(message);
    if (beacon === undefined || !this.#membership.knows(from)) return;
    this.#diverged(this.#beacons.heard(from, message, beacon, this.#now));
  }

  /** The control stream of a peer to this node opened or closed. */
  peer(peer: NodeId, connected: boolean): void {
    if (connected) {
      this.raft.peerConnected(peer);
      this.#writes.peerConnected(peer);
    } else {
      this.clock.forget(peer);
      this.raft.peerDisconnected(peer);
      this.#membership.disconnected(peer);
    }
  }

  /** What the peer's binary can work with, as it has just said of itself. */
  announced(peer: NodeId, versions: VersionRange): void {
    this.#membership.announced(peer, versions);
  }

  /** This node's disk has less room left than its floor, or has room again. */
  diskLow(isLow: boolean): void {
    this.#intake.diskLow(isLow);
  }

  /** The disk holds persist batch `seq` and all before it; `durable`: and has fsynced them. */
  persisted(seq: number, durable: boolean): void {
    this.raft.persisted(seq, durable);
    this.#diskWatch.written(seq, this.#now);
  }

  /** The flush under way is on disk. Not to be called for one of a state since replaced. */
  flushed(): void {
    this.#diskWatch.flushed();
    const applied = this.#machinery.flusher.flushed();
    if (applied !== undefined) this.#compaction.flushed(applied);
  }

  /** No entries: they have been compacted away meanwhile. */
  logRead(to: NodeId, prev: EntryId, entries: readonly Entry[]): void {
    this.raft.provideLog({ to, prev, entries });
  }

  /** `content` undefined: the store has none under this key. */
  contentLoaded(load: ContentLoad, content: Uint8Array | undefined): void {
    this.#machinery.sessions.contentLoaded(load, content);
  }

  /** A write from a caller on this node. `session`: on behalf of this attached worker session. */
  request(command: Command, waiter: W, session?: string): void {
    this.#writes.request(this.#machinery, command, waiter, session, this.#now);
  }

  /** Writes that another node took and this node, as leader, is asked to propose. */
  forwards(from: NodeId, forwards: readonly Forward[]): void {
    this.#writes.forwards(this.#machinery, from, forwards, this.#now);
  }

  forwardReplies(replies: readonly ForwardReply[]): void {
    this.#writes.forwardReplies(replies, this.#now);
  }

  /** Asks for the moment from which a local read is fresh enough. */
  read(waiter: R, linearizable: boolean, minIndex: number): void {
    if (this.#reads.add(waiter, linearizable, minIndex, this.#now)) return;
    this.#out.reads.push({ waiter, applied: undefined });
  }

  /** Connects a registered session to its worker; undefined when this node cannot. */
  attach(session: string, held: readonly Token[]): Attachment | undefined {
    return this.leads ? attachSession(this.#machinery, session, held) : undefined;
  }

  detach(session: string): void {
    this.#machinery.dispatcher.detach(session);
  }

  setWindow(session: string, window: number): void {
    this.#machinery.dispatcher.setWindow(session, window);
  }

  beat(session: string): void {
    const { dispatcher, office } = this.#machinery;
    if (dispatcher.beat(session)) office.beat(session, this.#now);
  }

  // ---- members, leadership, snapshots ----

  /** Changes who belongs to the cluster. Only a leader takes it. */
  change(change: MemberChange, waiter: C): void {
    this.#membership.change(change, waiter, this.#now);
  }

  /** Hands the office to `to`, or to the voter that is the furthest. Only a leader takes it. */
  transferLeadership(to: NodeId | undefined, waiter: C): void {
    this.#handover.start(to, waiter, this.#now);
  }

  /** From now on this node wants no office: it hands over the one it has, and never campaigns. */
  drain(): void {
    this.#handover.drain();
  }

  /**
   * Goes on with the state of a snapshot. True: from now on, and the next persist batch restores
   * it. False: this node is as far by itself; drop it.
   */
  install({ id, membership, queue }: ReceivedSnapshot): boolean {
    const members = decodeMembership(membership, this.#self);
    if (!this.raft.restore({ ...id, membership: members })) return false;
    // No write waits for one of its entries: no leader restores, and with the office all of them
    // have started again, or will in this turn. Every command is idempotent.
    this.#machinery = buildMachinery(queue, id, membership, this.clock);
    this.#diskWatch.flushed();
    this.#applier.skip(id.index);
    this.#membership.installed(id.index, decodeRoster(membership), this.#now);
    this.#diverged(this.#agreement.installed(this.#ownClaim(), this.#now));
    return true;
  }

  // ---- the turn ----

  turn(): Outputs<W, R, C> {
    const { flusher, sessions } = this.#machinery;
    // Before apply moves on: what the disk has just confirmed may be all that was applied.
    const flush = flusher.start(this.raft.durableIndex, this.#now);
    this.#writes.expire(this.#machinery, this.#now);
    this.#diskWatch.run(flusher.isFlushing, this.#now);
    this.#reads.startRound(this.#now, () => this.raft.requestRead());
    this.#drainReady();
    // Applying may have freed credit or confirmed office: what follows from it rides in this turn.
    this.#propose();
    this.#drainReady();
    this.#reads.serve(this.queue.applied, this.#now, (waiter, applied) => {
      this.#out.reads.push({ waiter, applied });
    });
    this.#compact();
    const out = this.#out;
    this.#out = emptyOutputs();
    this.#writes.take(out);
    sessions.take(out);
    out.roster = this.#membership.takeRoster();
    out.changes.push(...this.#membership.takeAnswers(), ...this.#handover.takeAnswers());
    out.notes.push(...this.#membership.takeNotes(), ...this.#beacons.takeNotes());
    out.notes.push(...this.#diskWatch.takeNotes());
    out.removed = this.#membership.isRemoved(flusher.flushedIndex);
    out.flush = flush;
    out.syncLog = flusher.isOverdue(this.raft.durableIndex, this.#now);
    return out;
  }

  /** Monotonic time at which `advance` and `turn` are due even if nothing else happens. */
  nextDeadline(): number {
    const { office, flusher } = this.#machinery;
    return Math.min(
      // What cannot be proposed now is not due: whatever makes room for it brings a turn.
      this.#mayPropose ? office.nextDeadline() : Number.POSITIVE_INFINITY,
      flusher.nextDeadline(this.raft.durableIndex),
      this.raft.nextDeadline(),
      this.#writes.nextDeadline(),
      this.#reads.nextDeadline(),
      this.#membership.nextDeadline(),
      this.#handover.nextDeadline(),
      this.#applier.nextDeadline(this.#now),
      this.#diskWatch.nextDeadline(),
    );
  }

  #drainReady(): void {
    while (this.raft.hasReady()) {
      const ready = this.raft.takeReady();
      if (ready.leadership !== undefined) this.#leadershipChanged(ready.leadership);
      if (ready.persist !== undefined) {
        this.#out.persists.push(ready.persist);
        this.#diskWatch.handed(ready.persist.seq, this.#now);
        this.#membership.persisted(ready.persist);
        this.#compaction.persisted(ready.persist);
      }
      for (const message of ready.messages) this.#out.envelopes.push(this.envelope(message));
      this.#out.logReads.push(...ready.logReads);
      this.#out.snapshotFetch = ready.snapshotFetch ?? this.#out.snapshotFetch;
      this.#reads.confirmed(ready.reads, this.#now);
      this.#out.lost ??= ready.lost;
      this.#applier.committed(ready.committed);
    }
    this.#applier.run(this.#machinery, this.#now);
  }

  /** Puts into the log, or on the way to the leader, what waits for it. */
  #propose(): void {
    const { leader } = this.raft;
    this.#membership.run(this.#now, this.#machinery.office.isSettled);
    this.#handover.run(this.#now);
    if (this.leads) {
      if (this.#mayPropose) this.#proposer.propose(this.#machinery, this.#now);
    } else if (leader !== undefined) {
      const forwards = this.#proposer.forwards(this.#now);
      if (forwards.length > 0) this.#out.forwards.push({ to: leader, forwards });
    }
  }

  /** As leader: not while an earlier entry is on its way to the disk. */
  get #mayPropose(): boolean {
    return !this.#diskWatch.owesLog && this.#proposer.mayPropose;
  }

  #compact(): void {
    const upTo = this.#compaction.next(() => this.raft.status(), this.#now);
    if (upTo === undefined) return;
    this.raft.compacted(upTo);
    this.#out.compact = upTo;
  }

  /** A message of a persist batch, ready to be sent once the batch is on disk. */
  envelope(message: Envelope["message"]): Envelope {
    const beacon = carriesBeacon(message) ? this.#beacons.own(this.queue, this.#wallMs) : undefined;
    if (!isRequest(message)) return { message, beacon };
    return { message, beacon, incarnation: this.#membership.incarnationOf(message.to) };
  }

  #leadershipChanged(leadership: Leadership): void {
    const { office, dispatcher } = this.#machinery;
    this.#out.leadership = leadership;
    this.#writes.leaderChanged();
    this.#handover.leadershipChanged();
    dispatcher.clear();
    if (leadership.role === "leader") {
      office.take();
    } else {
      office.leave();
      this.#membership.officeLost();
    }
  }

  #forget(peer: NodeId): void {
    this.clock.forget(peer);
    this.#handover.forget(peer);
    this.#intake.forget(peer);
    this.#agreement.forget(peer);
  }

  #applied(entry: Entry, replies: readonly Reply[]): void {
    this.#membership.applied(entry, this.#now);
    this.#writes.applied(this.#machinery, entry, replies);
    this.#diverged(this.#agreement.applied(this.#ownClaim(), this.#now));
  }

  #diverged(found: Outputs<W, R, C>["diverged"]): void {
    this.#out.diverged ??= found;
  }

  #ownClaim() {
    return { index: this.queue.applied, effectHash: this.queue.effectHash };
  }
}
