/**
 * The state of one node and the few moves that every role shares: taking up a term, committing,
 * appending, sending. The roles themselves stand in `follower.ts`, `candidate.ts` and `leader.ts`;
 * `Raft` is the face that callers see. Fields are open to those files and to nobody else.
 *
 * Invariants kept here: term and commit never fall; no message leaves before the hard state it
 * speaks for is on disk; nothing at or below commit is ever truncated; base <= log.prev <= commit.
 */
import { fail } from "./assert.ts";
import { ElectionTimer } from "./election-timer.ts";
import { RaftLog } from "./log.ts";
import { MembershipHistory, membershipProblem } from "./membership.ts";
import type { Message } from "./message.ts";
import type { Office } from "./office.ts";
import type { RaftOptions } from "./options.ts";
import { Persistence } from "./persistence.ts";
import { ForwardedReads } from "./reads.ts";
import type { LogRead, ReadState, SnapshotFetch } from "./ready.ts";
import type { Entry, EntryId, LogIndex, NodeId, Role, SnapshotId, Term } from "./types.ts";

/** Room for about two million read ids in one life, above a random base. */
const READ_ID_SPAN = 2 ** 21;
const READ_ID_BASES = 2 ** 31;

/** What a follower knows of its standing with the leader of this term. */
export interface Following {
  /** Our log equals the leader's up to here. Starts at commit, by leader completeness (§3.6.3). */
  verified: LogIndex;
  /** The last acknowledgement, and whether the leader awaits another. */
  matchSent: LogIndex;
  durableSent: LogIndex;
  replyDue: boolean;
  /** The highest commit index that this leader has spoken of, whether or not we have got there. */
  leaderCommit: LogIndex;
  /** What it wants us to fetch, not yet handed to the caller. */
  snapshotFetch: SnapshotFetch | undefined;
  /** Another member's snapshot was of no use under this leader: only its own will do. */
  leaderOnly: boolean;
}

export class Core {
  readonly id: NodeId;
  readonly options: RaftOptions;
  readonly log: RaftLog;
  readonly disk: Persistence;
  readonly timer: ElectionTimer;
  readonly memberships: MembershipHistory;
  /** Reads that wait for an answer of the leader. */
  readonly forwarded = new ForwardedReads();
  role: Role = "follower";
  term: Term;
  vote: NodeId | undefined;
  leader: NodeId | undefined;
  commit: LogIndex;
  /** Entries up to here are gone from the disk. */
  base: LogIndex;
  now: number;
  /** May this node stand for election, if it is a voter? See `Raft.setCampaigning`. */
  mayCampaign = true;
  /** Answers to our campaign; true = granted. */
  readonly votes = new Map<NodeId, boolean>();
  /** Exactly while role is leader. */
  office: Office | undefined;
  following: Following;
  /** May be sent now. */
  messages: Message[] = [];
  /** Speak for a hard state that is not on disk yet. */
  held: Message[] = [];
  reads: ReadState[] = [];
  /** The leader knows that our disk had this entry, and it does not. */
  lost: LogIndex | undefined;
  logReads: LogRead[] = [];
  #nextReadId: number;

  constructor(options: RaftOptions) {
    this.options = options;
    this.id = options.id;
    this.now = options.now;
    this.term = options.hardState.term;
    this.vote = options.hardState.vote;
    this.commit = options.applied;
    // An answer to the process that ran before us under this name must not fit one of our reads.
    this.#nextReadId = Math.floor(options.random() * READ_ID_BASES) * READ_ID_SPAN;
    this.base = options.log.base;
    this.log = new RaftLog(options.log);
    this.disk = new Persistence(this.log.lastIndex);
    this.memberships = new MembershipHistory(options.membership);
    for (const entry of options.log.tail) this.#noticeMembership(entry);
    this.memberships.committed(this.commit);
    this.timer = new ElectionTimer(options);
    this.following = this.#newFollowing();
    if (this.isSoleVoter) this.timer.skip(this.now);
  }

  get isVoter(): boolean {
    return this.memberships.isVoter(this.id);
  }

  /**
   * A voter stands for election. So does one that was left out by an entry which is not committed:
   * it may be the only one that has it, and no other could win (§4.2.2, Figure 4.6).
   */
  get mayStand(): boolean {
    return this.mayCampaign && (this.isVoter || this.memberships.wasVoter(this.id));
  }

  get isSoleVoter(): boolean {
    return this.isVoter && this.memberships.current.voters.length === 1;
  }

  /** Is the membership in force appended, but not committed? */
  get isChangingMembership(): boolean {
    return this.commit < this.memberships.currentIndex;
  }

  /**
   * Queues a message. Whoever hears it concludes that our term, and perhaps our vote, are what it
   * says; so it waits for the disk if that is not yet true there. A pre-vote promises nothing.
   */
  send(message: Message): void {
    const isFree = message.type === "preVote" || this.disk.hardStateSafe;
    (isFree ? this.messages : this.held).push(message);
  }

  /** Follower from now on, in `term`, under `leader` as far as known. */
  becomeFollower(term: Term, leader: NodeId | undefined): void {
    const wasLeader = this.office !== undefined;
    if (term > this.term) {
      this.term = term;
      this.vote = undefined;
      this.disk.hardStateChanged();
      this.abandonReads();
    } else if (wasLeader || leader !== this.leader) {
      this.abandonReads();
    }
    this.role = "follower";
    this.office = undefined;
    this.votes.clear();
    this.leader = leader;
    this.following = this.#newFollowing();
    // Not for any other step back: whoever only raises our term gets no more time from us by it.
    if (wasLeader) this.timer.reset(this.now);
  }

  /** Somebody is in a later term, so whatever we suspected of our leader is out of date. */
  takeUpTerm(term: Term): void {
    this.timer.calm();
    this.becomeFollower(term, undefined);
  }

  /** Nobody will confirm the reads that wait here; their callers may ask again. */
  abandonReads(): void {
    for (const id of this.forwarded.abandon()) this.readFailed(id);
    this.office?.reads.abandon(({ from, id }) => {
      if (from === undefined) this.readFailed(id);
    });
  }

  readFailed(id: number): void {
    this.reads.push({ id, index: undefined });
  }

  newReadId(): number {
    return this.#nextReadId++;
  }

  commitTo(index: LogIndex): boolean {
    if (index <= this.commit) return false;
    if (index > this.log.lastIndex) {
      fail(`commit ${index} lies beyond the last entry ${this.log.lastIndex}: was the log lost?`);
    }
    this.commit = index;
    this.memberships.committed(index);
    return true;
  }

  append(entry: Entry): void {
    this.log.append(entry);
    this.#noticeMembership(entry);
  }

  /** Cuts the log before the entry at `from`, which the leader of this term does not have. */
  truncateFrom(from: LogIndex): void {
    if (from <= this.commit) {
      fail(`term ${this.term} wants entry ${from} replaced, but ${this.commit} are committed`);
    }
    this.log.truncateFrom(from);
    this.disk.truncated(from);
    this.memberships.truncated(from);
  }

  /** A snapshot, which is committed, takes the place of the log and of all that was before it. */
  restore({ term, index, membership }: SnapshotId): void {
    this.disk.restored({ term, index }, this.commit);
    this.log.reset({ term, index });
    this.memberships.restored(membership);
    this.base = index;
    this.commit = index;
  }

  /** Is a log that ends in `last` at least as far as ours (§3.6.1)? The term decides first. */
  isUpToDate(last: EntryId): boolean {
    const { lastTerm, lastIndex } = this.log;
    return last.term > lastTerm || (last.term === lastTerm && last.index >= lastIndex);
  }

  /** Too sure of the present leader to help others to a new one (§4.2.3). */
  get trustsLeader(): boolean {
    if (this.role === "leader") return true;
    return this.leader !== undefined && this.timer.trustsLeader(this.now);
  }

  /** The highest index that this node itself may be counted with. */
  get counted(): LogIndex {
    return this.options.commitBy === "durable" ? this.disk.durable : this.disk.written;
  }

  #noticeMembership(entry: Entry): void {
    if (entry.kind !== "membership") return;
    const membership = this.options.decodeMembership(entry.data);
    const problem = membershipProblem(membership);
    if (problem !== undefined) fail(`entry ${entry.index}: ${problem}`);
    this.memberships.appended(entry.index, membership);
  }

  #newFollowing(): Following {
    return {
      verified: this.commit,
      matchSent: Math.min(this.commit, this.disk.written),
      durableSent: Math.min(this.commit, this.disk.durable),
      replyDue: false,
      leaderCommit: 0,
      snapshotFetch: undefined,
      leaderOnly: false,
    };
  }
}
