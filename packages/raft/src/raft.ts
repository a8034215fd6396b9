/**
 * One member of a Raft cluster, as a machine without clock, disk or network. Feed it time, messages
 * and the disk's confirmations; after each turn do what `takeReady` says, in the order given there.
 *
 * All inputs of a turn may be fed before one `takeReady`: what they cause is gathered, so that a
 * hundred proposals make one batch for the disk and one message for each follower. An exception
 * from any method means that an invariant is broken: the process must end, nothing can be saved.
 */
import { fail } from "./assert.ts";
import { electionTick, selfVotePersisted, setCampaigning } from "./candidate.ts";
import { proposeMembership, settleMembership } from "./changes.ts";
import { Core } from "./core.ts";
import { dispatch } from "./dispatch.ts";
import { entriesPersisted, flushFollower } from "./follower.ts";
import {
  advanceCommit,
  appendOwn,
  type FetchedLog,
  flushLeader,
  hasCommittedInTerm,
  isOverloaded,
  leaderTick,
  provideLog,
} from "./leader.ts";
import type { Message } from "./message.ts";
import type { Office } from "./office.ts";
import { checkOptions, type RaftOptions } from "./options.ts";
import type { Leadership, PersistBatch, Ready, SnapshotFetch } from "./ready.ts";
import { resign } from "./resign.ts";
import { compactTo, restore } from "./snapshots.ts";
import {
  type MemberStatus,
  type MembershipRefusal,
  membersStatus,
  type TransferRefusal,
} from "./status.ts";
import { flushTransfer, transferLeadership, transferTick } from "./transfer.ts";
import type { EntryId, LogIndex, Membership, NodeId, Role, SnapshotId, Term } from "./types.ts";

export class Raft {
  readonly #core: Core;
  /** Last index that has left in `Ready.committed`. */
  #handedOut: LogIndex;
  #announced: Leadership;

  /** Throws when the options contradict each other or what was found on disk. */
  constructor(options: RaftOptions) {
    checkOptions(options);
    this.#core = new Core(options);
    this.#handedOut = options.applied;
    this.#announced = this.#leadership();
  }

  get id(): NodeId {
    return this.#core.id;
  }

  get role(): Role {
    return this.#core.role;
  }

  get term(): Term {
    return this.#core.term;
  }

  /** Whom this node takes for the leader of its term, itself included. */
  get leader(): NodeId | undefined {
    return this.#core.leader;
  }

  get commit(): LogIndex {
    return this.#core.commit;
  }

  get lastIndex(): LogIndex {
    return this.#core.log.lastIndex;
  }

  /** This node's own log is fsynced up to here. */
  get durableIndex(): LogIndex {
    return this.#core.disk.durable;
  }

  /** In force now: that of the newest membership entry, committed or not (§4.1). */
  get membership(): Membership {
    return this.#core.memberships.current;
  }

  /**
   * True once this node, as leader, has committed an entry of its term: it then knows all that is.
   */
  get hasCommittedInTerm(): boolean {
    return hasCommittedInTerm(this.#core);
  }

  /** Every member as the leader sees it, itself first; empty on other nodes. */
  status(): readonly MemberStatus[] {
    return membersStatus(this.#core);
  }

  /**
   * Moves the clock to `now` (ms, monotonic). Due when `nextDeadline` is reached; best called at
   * the start of every turn, because all other methods go by the clock as it stands.
   */
  tick(now: number): void {
    const core = this.#core;
    core.now = Math.max(core.now, now);
    for (const id of core.forwarded.expired(core.now)) core.readFailed(id);
    if (core.office === undefined) {
      electionTick(core);
      return;
    }
    transferTick(core, core.office);
    leaderTick(core, core.office);
  }

  /** When `tick` is due, on the same clock. */
  nextDeadline(): number {
    const { office, timer, forwarded } = this.#core;
    const deadline = office === undefined ? timer.deadline : office.deadline;
    return Math.min(deadline, forwarded.nextDeadline);
  }

  /** Takes in a message of a peer. Lost, repeated, late and reordered ones do no harm. */
  step(message: Message): void {
    dispatch(this.#core, message);
  }

  /**
   * Appends an entry of the application. A word in return means that nothing happened; an EntryId
   * is no promise: wait until an entry with this very id is committed.
   */
  propose(data: Uint8Array): EntryId | "notLeader" | "overloaded" | "transferring" {
    const core = this.#core;
    if (core.office === undefined) return "notLeader";
    if (core.office.transfer !== undefined) return "transferring";
    if (isOverloaded(core, core.office)) return "overloaded";
    return appendOwn(core, "normal", data);
  }

  /**
   * Appends a new membership, in force from now on. One voter at a time (§4.1): only then does
   * every quorum of the new one overlap with every quorum of the old. A leader may leave itself
   * out: it goes on until that entry is committed, without counting itself (§4.2.2). Throws for a
   * membership that is not sound: an unsorted list, or one name twice.
   */
  proposeMembership(data: Uint8Array): EntryId | MembershipRefusal {
    return proposeMembership(this.#core, data);
  }

  /**
   * Hands the office over to `to`: takes no proposals any more, brings its log up to date and asks
   * it to campaign. After an election timeout without success, at most `TRANSFER_MS_MAX`,
   * everything is as before.
   */
  transferLeadership(to: NodeId): "started" | TransferRefusal {
    return transferLeadership(this.#core, to);
  }

  /** To whom the office is being handed over. */
  get transferee(): NodeId | undefined {
    return this.#core.office?.transfer?.to;
  }

  /** Whether this node may campaign; if not, it does not even when asked to. It votes always. */
  setCampaigning(may: boolean): void {
    setCampaigning(this.#core, may);
  }

  /**
   * Gives up the office of this leader at once, whether or not anybody can take it: follower of
   * nobody in the same term. Its log keeps what it has proposed, with an outcome that is unknown;
   * reads that wait fail. The voter that is the furthest is asked to campaign. On other nodes
   * nothing happens.
   */
  resign(): void {
    const core = this.#core;
    if (core.office !== undefined) resign(core, core.office);
  }

  /**
   * The index of the entry that brought the membership in force; 0 for the one that this node was
   * born with, or that came with a snapshot.
   */
  get membershipIndex(): LogIndex {
    return this.#core.memberships.currentIndex;
  }

  /**
   * A snapshot is on disk beside the live state. True: it replaces log and state from now on; the
   * caller goes on with its state at once, and the next `persist` says `restore`. False: drop it;
   * log and state go on. Either this node leads, or has committed as much; or its log holds the
   * snapshot's last entry, which is committed by that, handed out next, and acknowledged; or the
   * snapshot is of an earlier term than this node's, and the leader of this term has not called so
   * much committed yet: it will ask again. A snapshot of a later term has that term taken up, and
   * a campaign is given up, even where the snapshot itself is not needed.
   */
  restore(snapshot: SnapshotId): boolean {
    const isRestored = restore(this.#core, snapshot);
    if (isRestored) this.#handedOut = snapshot.index;
    return isRestored;
  }

  /**
   * Entries up to `base` are about to be dropped from the disk; followers cannot have them. All of
   * them must have been handed out. An older `base` than before changes nothing.
   */
  compacted(base: LogIndex): void {
    if (base > this.#handedOut) {
      fail(`compaction up to ${base}, but only ${this.#handedOut} have been handed out`);
    }
    compactTo(this.#core, base);
  }

  /**
   * Asks from which applied index on a local read is linearizable (§6.4), on any member. The answer
   * comes in `Ready.reads` under the id returned, which is never used twice.
   */
  requestRead(): number {
    const core = this.#core;
    const id = core.newReadId();
    const isTaken =
      core.office !== undefined
        ? core.office.reads.add({ from: undefined, id })
        : core.leader !== undefined && core.forwarded.add(id);
    if (!isTaken) core.readFailed(id);
    return id;
  }

  /**
   * The disk has batch `seq` and all before it. `durable` false: the entries are handed over, but
   * not fsynced; call again with true once they are.
   */
  persisted(seq: number, durable: boolean): void {
    const core = this.#core;
    core.disk.persisted(seq, durable);
    if (core.role === "candidate" && core.disk.hardStateSafe) selfVotePersisted(core);
    else if (core.office !== undefined) advanceCommit(core, core.office);
    else entriesPersisted(core);
  }

  /**
   * Somebody on `peer` waits until that node has applied what is committed here: as leader, it is
   * told in this turn, rather than with the next entry or after `commitDelayMs`.
   */
  announceCommit(peer: NodeId): void {
    const progress = this.#core.office?.progress.get(peer);
    if (progress !== undefined) progress.commitAwaited = true;
  }

  /** The control stream of `peer` was closed. If it leads, it is suspected early. */
  peerDisconnected(peer: NodeId): void {
    const core = this.#core;
    if (core.role === "follower" && peer === core.leader) core.timer.disconnected(peer, core.now);
  }

  /** The control stream of `peer` is open, perhaps again. */
  peerConnected(peer: NodeId): void {
    const { timer, office } = this.#core;
    if (peer === timer.suspect) timer.calm();
    office?.progress.get(peer)?.returned();
  }

  /** Entries that a `LogRead` asked for; none when the disk no longer has them. */
  provideLog(fetched: FetchedLog): void {
    const core = this.#core;
    if (core.office !== undefined) provideLog(core, core.office, fetched);
  }

  hasReady(): boolean {
    this.#flush();
    const core = this.#core;
    return (
      core.messages.length > 0 ||
      core.disk.hasWork(core.log.lastIndex) ||
      this.#committed > this.#handedOut ||
      this.#snapshotFetch !== undefined ||
      core.reads.length > 0 ||
      core.logReads.length > 0 ||
      core.lost !== undefined ||
      this.#leadershipChanged()
    );
  }

  /** What the caller owes for the inputs since the last time. See `Ready` for the order. */
  takeReady(): Ready {
    this.#flush();
    const core = this.#core;
    const leadership = this.#leadershipChanged() ? this.#leadership() : undefined;
    if (leadership !== undefined) this.#announced = leadership;
    const ready: Ready = {
      messages: core.messages,
      persist: takePersist(core),
      committed: core.log.slice(this.#handedOut + 1, this.#committed),
      reads: core.reads,
      logReads: core.logReads,
      snapshotFetch: this.#snapshotFetch,
      lost: core.lost,
      leadership,
    };
    core.messages = [];
    core.reads = [];
    core.logReads = [];
    core.lost = undefined;
    core.following.snapshotFetch = undefined;
    this.#handedOut = this.#committed;
    // Only what the disk holds may leave memory: a slow follower may still want it.
    core.log.evict(core.options.maxTailBytes, Math.min(this.#handedOut, core.disk.durable));
    return ready;
  }

  #flush(): void {
    const core = this.#core;
    if (core.office !== undefined) this.#flushLeader(core, core.office);
    else flushFollower(core);
    if (core.held.length > 0 && core.disk.hardStateSafe) {
      core.messages.push(...core.held);
      core.held = [];
    }
  }

  #flushLeader(core: Core, office: Office): void {
    flushLeader(core, office);
    flushTransfer(core, office);
    settleMembership(core, office);
  }

  /**
   * What may be applied. Nothing is as long as the term in which we learned of it is not on disk:
   * after a crash we might meet a leader of an earlier term, who need not have it, with that state.
   */
  get #committed(): LogIndex {
    const { commit, disk } = this.#core;
    return disk.hardStateSafe ? commit : this.#handedOut;
  }

  get #snapshotFetch(): SnapshotFetch | undefined {
    const { commit, following } = this.#core;
    const wanted = following.snapshotFetch;
    return wanted !== undefined && wanted.index > commit ? wanted : undefined;
  }

  #leadership(): Leadership {
    const { role, term, leader } = this.#core;
    return { role, term, leader };
  }

  #leadershipChanged(): boolean {
    const { role, term, leader } = this.#core;
    const announced = this.#announced;
    return role !== announced.role || term !== announced.term || leader !== announced.leader;
  }
}

function takePersist(core: Core): PersistBatch | undefined {
  const { disk, log, term, vote } = core;
  if (!disk.hasWork(log.lastIndex)) return undefined;
  // Held messages ride with the hard state they speak for, or wait for it to be on disk.
  const messages = disk.hardStateDirty ? core.held : [];
  if (disk.hardStateDirty) core.held = [];
  return disk.take(log, { term, vote }, messages);
}
