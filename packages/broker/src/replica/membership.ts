/**
 * Who belongs to the cluster, as this node sees it, and what follows from each change: whom the bus
 * must reach, what the operator reads, whether this node still belongs to it. As leader it also
 * proposes the changes asked of it, and the roster anew where it is wrong about a member.
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
  rosterOf,
} from "./members.ts";
import { noLeader } from "./no-leader.ts";
import type { MemberChange, Note } from "./output.ts";
import { Rosters } from "./rosters.ts";
import {
  clusterVersionOf,
  FIRST_VERSION,
  isSameRange,
  type VersionRange,
  versionsOf,
} from "./versions.ts";

export interface MembershipOptions {
  readonly raft: Raft;
  readonly self: Member;
  readonly electionTimeoutMs: number;
  /** See `ReplicaOptions`. */
  readonly joinedAt: number | undefined;
  readonly supports: VersionRange;
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
  readonly #supports: VersionRange;
  readonly #forget: (id: NodeId) => void;
  readonly #rosters: Rosters;
  readonly #changes = new Changes<C>();
  /** Older changes are history by the time this node hears of them: nobody need be told. */
  readonly #bornAt: number;
  /** The newest revision that is known to have this very node in it; -1: none is. */
  #presentAt: number;
  #removedAt: LogIndex | undefined;
  /** What members have said of their binaries since this node started. */
  readonly #announced = new Map<NodeId, VersionRange>();
  #notes: Note[] = [];
  /** That this node's addresses are another one's; once in its life. */
  #hasWarned = false;

  constructor(options: MembershipOptions) {
    const { roster, index, tail } = options;
    this.#raft = options.raft;
    this.#self = options.self;
    this.#electionTimeoutMs = options.electionTimeoutMs;
    this.#supports = options.supports;
    this.#forget = options.forget;
    const { electionTimeoutMs, supports } = options;
    this.#rosters = new Rosters(roster, index, tail, electionTimeoutMs, supports);
    this.#bornAt = roster.revision;
    this.#presentAt = options.joinedAt ?? -1;
    this.#notePresence(roster);
  }

  /** In force at the applied index. */
  get roster(): Roster {
    return this.#rosters.applied;
  }

  /** Those of `roster`. */
  get members(): readonly ClusterMember[] {
    return this.roster.members;
  }

  /**
   * An entry leaves this node out, after one that had it in; and `flushed` and the log on disk tell
   * of it, for the next start could not learn of it from anybody.
   */
  isRemoved(flushed: LogIndex): boolean {
    const onDisk = Math.min(flushed, this.#raft.durableIndex);
    return (this.#removedAt ?? Number.POSITIVE_INFINITY) <= onDisk;
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

  /**
   * As leader this node sees to it that the roster says so, too; as another it may lead soon. The
   * bus lets in members only, some of them before this node's log tells of them.
   */
  announced(peer: NodeId, versions: VersionRange): void {
    this.#announced.set(peer, versions);
  }

  /** It may come back with another binary, and tell that to somebody else first. */
  disconnected(peer: NodeId): void {
    this.#announced.delete(peer);
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
    if (entry.kind === "membership") this.#applied(entry, now);
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
    // First, so that a change is judged by what is known of the members now.
    const next = this.#rosters.isChanging ? undefined : this.#trueRoster();
    if (next !== undefined && settled) this.#propose(next.members, clusterVersionOf(next));
    this.#changes.run(this.#chair(now, next === undefined));
  }

  nextDeadline(): number {
    return Math.min(this.#changes.nextDeadline(), this.#rosters.nextDeadline());
  }

  #chair(now: number, isTrue: boolean): Chair {
    const present = clusterVersionOf(this.roster);
    return {
      judge: (change) => judge(change, this.#standing(now)),
      propose: ({ members, clusterVersion = present }) => this.#propose(members, clusterVersion),
      index: this.#rosters.appliedIndex,
      // Judged by a roster that may yet be cut off the log, a change could do harm.
      obstacle: this.#rosters.isChanging || !isTrue ? "pending" : undefined,
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
      clusterVersion: clusterVersionOf(this.roster),
      supports: this.#supports,
    };
  }

  #propose(members: readonly ClusterMember[], version: number) {
    const revision = this.#rosters.newest.revision + 1;
    return this.#raft.proposeMembership(encodeRoster(rosterOf(revision, members, version)));
  }

  #applied({ index, data }: Entry, now: number): void {
    const roster = decodeRoster(data, this.#supports);
    const before = this.roster;
    this.#rosters.apply(index, roster, now);
    this.#forgetLost(before.members, roster.members);
    if (roster.revision > this.#bornAt) {
      const texts = describeChange(before, roster);
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
      if (stays) continue;
      this.#announced.delete(id);
      this.#forget(id);
    }
  }

  /** This very node, not another one of the same name. */
  #contains({ members }: Roster): boolean {
    return members.some((each) => this.#isSelf(each));
  }

  #isSelf({ id, incarnation }: Member): boolean {
    return id === this.#self.id && incarnation === this.#self.incarnation;
  }

  /**
   * The roster as it should be: with what members have said of themselves since. Also when it is
   * all true, but only the founders' document: states take the version of the cluster from entries
   * alone, and there is none yet. undefined: it is as it should be.
   */
  #trueRoster(): Roster | undefined {
    const { roster } = this;
    const members = roster.members.map((each) => this.#trueRecord(each));
    const version = clusterVersionOf(roster);
    const isUnheard = roster.revision === 0 && version !== FIRST_VERSION;
    if (!isUnheard && members.every((each, place) => each === roster.members[place])) {
      return undefined;
    }
    return rosterOf(roster.revision, members, version);
  }

  /** The very same record if nothing is wrong with it. */
  #trueRecord(known: ClusterMember): ClusterMember {
    const isSelf = this.#isSelf(known);
    const member = isSelf ? this.#withOwnAddresses(known) : known;
    const versions = isSelf ? this.#supports : this.#announced.get(known.id);
    if (versions === undefined || isSameRange(versions, versionsOf(known))) return member;
    return { ...member, versions };
  }

  /** The operator may have given this node other ones: the members must learn of them. */
  #withOwnAddresses(known: ClusterMember): ClusterMember {
    const { bus, address } = this.#self;
    if (known.bus === bus && known.address === address) return known;
    const neighbour = this.members.find((each) => {
      return each !== known && (each.bus === bus || each.address === address);
    });
    if (neighbour === undefined) return { ...known, bus, address };
    this.#warnOfNeighbour(neighbour.id, neighbour.bus === bus ? bus : address);
    return known;
  }

  #warnOfNeighbour(id: NodeId, where: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const text = `this node is configured to be reached at ${where}, where ${id} is: correct one`;
    this.#notes.push({ level: "warn", text });
  }
}
