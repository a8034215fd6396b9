/**
 * Who belongs to the cluster, as this node sees it, and what follows from each change: whom the bus
 * must reach, what the operator reads, whether this node still belongs to it. As leader it also
 * proposes the changes asked of it, and its own record when its addresses are other ones now.
 */
import type { Entry, LogIndex, NodeId, PersistBatch, Raft } from "task-queue-raft";
import { judge, type Standing } from "./change-rules.ts";
import { type Answered, type Chair, Changes } from "./changes.ts";
import { describeChange } from "./describe-change.ts";
import {
  type ClusterMember,
  decodeRoster,
  encodeRoster,
  type Member,
  type Roster,
} from "./members.ts";
import { noLeader } from "./no-leader.ts";
import type { MemberChange, Note } from "./output.ts";
import { Rosters } from "./rosters.ts";

export interface MembershipOptions {
  readonly raft: Raft;
  readonly self: Member;
  readonly electionTimeoutMs: number;
  /** See `ReplicaOptions`. */
  readonly joinedAt: number | undefined;
  /** In force at `index`, and the log behind it. */
  readonly roster: Roster;
  readonly index: LogIndex;
  readonly tail: readonly Entry[];
  /** A member is gone, or another node of that name has come. */
  readonly forget: (id: NodeId) => void;
}

export class Membership<C> {
  readonly #raft: Raft;
  readonly #self: Member;
  readonly #electionTimeoutMs: number;
  readonly #forget: (id: NodeId) => void;
  readonly #rosters: Rosters;
  readonly #changes = new Changes<C>();
  /** Older changes are history by the time this node hears of them: nobody need be told. */
  readonly #bornAt: number;
  /** The newest revision that is known to have this very node in it; -1: none is. */
  #presentAt: number;
  #removedAt: LogIndex | undefined;
  #notes: Note[] = [];
  /** That this node's addresses are another one's; once in its life. */
  #hasWarned = false;

  constructor(options: MembershipOptions) {
    const { roster, index, tail } = options;
    this.#raft = options.raft;
    this.#self = options.self;
    this.#electionTimeoutMs = options.electionTimeoutMs;
    this.#forget = options.forget;
    this.#rosters = new Rosters(roster, index, tail, options.electionTimeoutMs);
    this.#bornAt = roster.revision;
    this.#presentAt = options.joinedAt ?? -1;
    this.#notePresence(roster);
  }

  /** In force at the applied index. */
  get members(): readonly ClusterMember[] {
    return this.#rosters.applied.members;
  }

  /** The entry that leaves this node out, after one that had it in. */
  get removedAt(): LogIndex | undefined {
    return this.#removedAt;
  }

  /** Member now, or about to become one, or not quite removed. */
  knows(id: NodeId): boolean {
    const isThis = (member: ClusterMember): boolean => member.id === id;
    return this.members.some(isThis) || this.#rosters.newest.members.some(isThis);
  }

  /** Of the member that consensus means by `id` now; empty when it knows none. */
  incarnationOf(id: NodeId): string {
    return this.#rosters.incarnationOf(id);
  }

  takeNotes(): readonly Note[] {
    const notes = this.#notes;
    if (notes.length > 0) this.#notes = [];
    return notes;
  }

  takeAnswers(): readonly Answered<C>[] {
    return this.#changes.take();
  }

  /** Whom the bus must reach, if that is news. */
  takeRoster(): Roster | undefined {
    return this.#rosters.takeChange();
  }

  change(change: MemberChange, waiter: C, now: number): void {
    if (this.#raft.role === "leader") this.#changes.add(change, waiter, now);
    else this.#changes.answer(waiter, noLeader(this.#raft, this.members));
  }

  persisted(batch: PersistBatch): void {
    this.#rosters.persisted(batch);
  }

  applied(entry: Entry, now: number): void {
    if (entry.kind === "membership") this.#applied(entry.index, decodeRoster(entry.data), now);
    this.#changes.applied(entry);
  }

  installed(index: LogIndex, roster: Roster, now: number): void {
    this.#forgetLost(this.members, roster.members);
    this.#rosters.install(index, roster, now);
    this.#notePresence(roster);
    this.#changes.installed(index);
  }

  officeLost(): void {
    this.#changes.officeLost();
  }

  /** `settled`: in office, and able to propose. */
  run(now: number, settled: boolean): void {
    this.#changes.expire(now);
    this.#rosters.expire(now);
    if (this.#raft.role !== "leader") return;
    this.#changes.run(this.#chair(now));
    if (settled) this.#correctOwnRecord();
  }

  nextDeadline(): number {
    return Math.min(this.#changes.nextDeadline(), this.#rosters.nextDeadline());
  }

  #chair(now: number): Chair {
    return {
      judge: (change) => judge(change, this.#standing(now)),
      propose: (next) => this.#propose(next),
      index: this.#rosters.appliedIndex,
      // Judged by a roster that may yet be cut off the log, a change could do harm.
      obstacle: this.#rosters.isChanging ? "pending" : undefined,
    };
  }

  #standing(now: number): Standing {
    const raft = this.#raft;
    return {
      self: raft.id,
      members: this.members,
      progress: new Map(raft.status().map((each) => [each.id, each])),
      lastIndex: raft.lastIndex,
      now,
      electionTimeoutMs: this.#electionTimeoutMs,
    };
  }

  #propose(members: readonly ClusterMember[]) {
    const revision = this.#rosters.newest.revision + 1;
    return this.#raft.proposeMembership(encodeRoster({ revision, members }));
  }

  #applied(index: LogIndex, roster: Roster, now: number): void {
    const before = this.members;
    this.#rosters.apply(index, roster, now);
    this.#forgetLost(before, roster.members);
    if (roster.revision > this.#bornAt) {
      const texts = describeChange(before, roster.members);
      this.#notes.push(...texts.map((text) => ({ level: "info", text }) as const));
    }
    this.#notePresence(roster);
  }

  #notePresence(roster: Roster): void {
    if (this.#contains(roster)) {
      this.#presentAt = Math.max(this.#presentAt, roster.revision);
    } else if (this.#presentAt >= 0 && roster.revision > this.#presentAt) {
      // A node that has just joined reads of the cluster's life before it: that is no removal.
      this.#removedAt ??= this.#rosters.appliedIndex;
    }
  }

  #forgetLost(before: readonly ClusterMember[], after: readonly ClusterMember[]): void {
    for (const { id, incarnation } of before) {
      const stays = after.some((each) => each.id === id && each.incarnation === incarnation);
      if (!stays) this.#forget(id);
    }
  }

  /** This very node, not another one of the same name. */
  #contains({ members }: Roster): boolean {
    return members.some((each) => this.#isSelf(each));
  }

  #isSelf({ id, incarnation }: Member): boolean {
    return id === this.#self.id && incarnation === this.#self.incarnation;
  }

  /** The operator has given this node other addresses: the members must learn of them. */
  #correctOwnRecord(): void {
    if (this.#rosters.isChanging) return;
    const { members } = this;
    const { bus, address } = this.#self;
    const own = members.find((each) => this.#isSelf(each));
    if (own === undefined || (own.bus === bus && own.address === address)) return;
    const neighbour = members.find((each) => {
      return each !== own && (each.bus === bus || each.address === address);
    });
    if (neighbour !== undefined) {
      this.#warnOfNeighbour(neighbour.id, neighbour.bus === bus ? bus : address);
      return;
    }
    this.#propose(members.map((each) => (each === own ? { ...own, bus, address } : each)));
  }

  #warnOfNeighbour(id: NodeId, where: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const text = `this node is configured to be reached at ${where}, where ${id} is: correct one`;
    this.#notes.push({ level: "warn", text });
  }
}
