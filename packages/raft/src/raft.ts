/**
 * One member of a Raft cluster, as a machine without clock, disk or network. Feed it time, messages
 * and the disk's confirmations; after each turn do what `takeReady` says, in the order given there.
 *
 * All inputs of a turn may be fed before one `takeReady`: what they cause is gathered, so that a
 * hundred proposals make one batch for the disk and one message for each follower. An exception
 * from any method means that an invariant is broken: the process must end, nothing can be saved.
 */
import { fail, unreachable } from "./assert.ts";
import {
  electionTick,
  handlePreVote,
  handlePreVoteReply,
  handleVote,
  handleVoteReply,
  selfVotePersisted,
} from "./candidate.ts";
import { Core } from "./core.ts";
import {
  entriesPersisted,
  flushFollower,
  handleAppend,
  handleHeartbeat,
  handleReadIndexReply,
} from "./follower.ts";
import {
  advanceCommit,
  appendOwn,
  type FetchedLog,
  flushLeader,
  handleAppendReply,
  handleHeartbeatReply,
  hasCommittedInTerm,
  leaderTick,
  provideLog,
  uncommittedBytes,
} from "./leader.ts";
import type {
  AppendReply,
  HeartbeatReply,
  Message,
  PreVote,
  PreVoteReply,
  ReadIndex,
} from "./message.ts";
import type { Office } from "./office.ts";
import { checkOptions, type RaftOptions } from "./options.ts";
import type { Leadership, PersistBatch, Ready } from "./ready.ts";
import type { EntryId, LogIndex, Membership, NodeId, Role, Term } from "./types.ts";

/** How far one member is, as its leader sees it. */
export interface MemberStatus {
  readonly id: NodeId;
  /** Handed to its disk, and equal to the leader's log, up to here. */
  readonly match: LogIndex;
  /** The same, and fsynced. */
  readonly durable: LogIndex;
  /** When it was last heard, on the caller's clock; the leader itself: now. */
  readonly lastContactMs: number;
}

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
    const { office, disk, id, now } = this.#core;
    if (office === undefined) return [];
    const self = { id, match: disk.written, durable: disk.durable, lastContactMs: now };
    const peers = [...office.progress].map(([peer, { match, durable, lastContactMs }]) => {
      return { id: peer, match, durable, lastContactMs };
    });
    return [self, ...peers];
  }

  /**
   * Moves the clock to `now` (ms, monotonic). Due when `nextDeadline` is reached; best called at
   * the start of every turn, because all other methods go by the clock as it stands.
   */
  tick(now: number): void {
    const core = this.#core;
    core.now = Math.max(core.now, now);
    for (const id of core.forwarded.expired(core.now)) core.readFailed(id);
    if (core.office !== undefined) leaderTick(core, core.office);
    else electionTick(core);
  }

  /** When `tick` is due, on the same clock. */
  nextDeadline(): number {
    const { office, timer, forwarded } = this.#core;
    const deadline = office === undefined ? timer.deadline : office.heartbeatDeadline;
    return Math.min(deadline, forwarded.nextDeadline);
  }

  /** Takes in a message of a peer. Lost, repeated, late and reordered ones do no harm. */
  step(message: Message): void {
    const core = this.#core;
    if (message.to !== core.id || message.from === core.id) {
      fail(`a message from ${message.from} to ${message.to} was given to ${core.id}`);
    }
    if (message.type === "preVote") {
      handlePreVote(core, message);
    } else if (message.type === "preVoteReply") {
      handlePreVoteReply(core, message);
    } else if (message.type === "vote" && core.trustsLeader) {
      // Not even its term is looked at: it may come from a member that was removed (§4.2.3).
      return;
    } else if (message.term < core.term) {
      answerStale(core, message);
    } else {
      if (message.term > core.term) core.takeUpTerm(message.term);
      dispatch(core, message);
    }
  }

  /**
   * Appends an entry of the application. `notLeader` and `overloaded` mean that nothing happened;
   * an EntryId is no promise: wait until an entry with this very id is committed.
   */
  propose(data: Uint8Array): EntryId | "notLeader" | "overloaded" {
    const core = this.#core;
    if (core.office === undefined) return "notLeader";
    const { maxUncommittedBytes } = core.options;
    if (uncommittedBytes(core, core.office) > maxUncommittedBytes) return "overloaded";
    return appendOwn(core, "normal", data);
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

  /** The control stream of `peer` was closed. If it leads, it is suspected early. */
  peerDisconnected(peer: NodeId): void {
    const core = this.#core;
    if (core.role === "follower" && peer === core.leader) core.timer.disconnected(peer, core.now);
  }

  /** The control stream of `peer` is open, perhaps again. */
  peerConnected(peer: NodeId): void {
    const { timer } = this.#core;
    if (peer === timer.suspect) timer.calm();
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
      core.commit > this.#handedOut ||
      core.reads.length > 0 ||
      core.logReads.length > 0 ||
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
      committed: core.log.slice(this.#handedOut + 1, core.commit),
      reads: core.reads,
      logReads: core.logReads,
      leadership,
    };
    core.messages = [];
    core.reads = [];
    core.logReads = [];
    this.#handedOut = core.commit;
    // Only what the disk holds may leave memory: a slow follower may still want it.
    core.log.evict(core.options.maxTailBytes, Math.min(this.#handedOut, core.disk.durable));
    return ready;
  }

  #flush(): void {
    const core = this.#core;
    if (core.office !== undefined) flushLeader(core, core.office);
    else flushFollower(core);
    if (core.held.length > 0 && core.disk.hardStateSafe) {
      core.messages.push(...core.held);
      core.held = [];
    }
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

/** Messages of our own term, and of the term just taken up. */
function dispatch(core: Core, message: Exclude<Message, PreVote | PreVoteReply>): void {
  switch (message.type) {
    case "vote":
      handleVote(core, message);
      break;
    case "voteReply":
      handleVoteReply(core, message);
      break;
    case "append":
      handleAppend(core, message);
      break;
    case "heartbeat":
      handleHeartbeat(core, message);
      break;
    case "readIndexReply":
      handleReadIndexReply(core, message);
      break;
    case "appendReply":
    case "heartbeatReply":
    case "readIndex":
      if (core.office !== undefined) dispatchToLeader(core, core.office, message);
      break;
    default:
      unreachable(message);
  }
}

function dispatchToLeader(
  core: Core,
  office: Office,
  message: AppendReply | HeartbeatReply | ReadIndex,
): void {
  if (message.type === "appendReply") handleAppendReply(core, office, message);
  else if (message.type === "heartbeatReply") handleHeartbeatReply(core, office, message);
  // Over the limit a read goes unanswered, and whoever asks will ask again.
  else office.reads.add({ from: message.from, id: message.id });
}

/**
 * A message of an earlier term has no effect, but who leads or campaigns in one must learn of ours:
 * otherwise a node whose term has run ahead could never follow the leader again.
 */
function answerStale(core: Core, message: Message): void {
  const head = { from: core.id, to: message.from, term: core.term };
  if (message.type === "append") {
    core.send({ ...head, type: "appendReply", match: 0, durable: 0 });
  } else if (message.type === "heartbeat") {
    core.send({ ...head, type: "heartbeatReply", round: message.round });
  } else if (message.type === "vote") {
    core.send({ ...head, type: "voteReply", granted: false });
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
