/**
 * A leader's duties: entries for everyone, heartbeats, the commit rule, read indexes, and giving
 * up when no quorum has been heard for an election timeout (check-quorum, §6.2).
 *
 * The commit rule (§3.6.2): a quorum holds an entry *of this term*. Older entries are committed
 * along with it, never by counting.
 */
import { fail } from "./assert.ts";
import type { Core } from "./core.ts";
import type { AppendReply, HeartbeatReply, ReadIndex } from "./message.ts";
import { Office } from "./office.ts";
import type { Progress } from "./progress.ts";
import type { Reader } from "./reads.ts";
import { compactTo, offerSnapshot } from "./snapshots.ts";
import type { Entry, EntryId, EntryKind, NodeId } from "./types.ts";

/** The answer to a `LogRead`: entries from disk, and the one right before them; see `LogRead`. */
export interface FetchedLog {
  readonly to: NodeId;
  readonly prev: EntryId;
  readonly entries: readonly Entry[];
}

const NO_DATA = new Uint8Array(0);

export function becomeLeader(core: Core): void {
  core.role = "leader";
  core.leader = core.id;
  core.votes.clear();
  core.timer.calm();
  core.office = new Office({
    id: core.id,
    membership: core.memberships.current,
    firstIndex: core.log.lastIndex + 1,
    now: core.now,
    maxInflight: core.options.maxInflight,
    heartbeatIntervalMs: core.options.heartbeatIntervalMs,
  });
  appendOwn(core, "empty", NO_DATA);
}

/** Appends an entry of the leader's own. */
export function appendOwn(core: Core, kind: EntryKind, data: Uint8Array): EntryId {
  const { term } = core;
  const index = core.log.lastIndex + 1;
  core.append({ term, index, kind, data });
  return { term, index };
}

/** Bytes proposed in this term and not committed; the entry that opened the term is not counted. */
function uncommittedBytes(core: Core, office: Office): number {
  return core.log.bytesAfter(Math.max(core.commit, office.firstIndex));
}

export function isOverloaded(core: Core, office: Office): boolean {
  return uncommittedBytes(core, office) > core.options.maxUncommittedBytes;
}

export function hasCommittedInTerm(core: Core): boolean {
  return core.office !== undefined && core.commit >= core.office.firstIndex;
}

export function leaderTick(core: Core, office: Office): void {
  const lateMs = core.now - office.heartbeatDeadline;
  if (lateMs < 0) return;
  // Stalled for long, we have not read the answers that lie in our sockets: judge next time.
  const isExcused = lateMs > core.options.heartbeatIntervalMs && !office.graceGiven;
  office.graceGiven = isExcused;
  if (!isExcused && !hasQuorum(core, office)) {
    core.becomeFollower(core.term, undefined);
    return;
  }
  beginRound(core, office);
}

function hasQuorum(core: Core, office: Office): boolean {
  const heardMs = office.quorum(voters(core), lastContactOf, core.now);
  return core.now - heardMs < core.options.electionTimeoutMs;
}

/** Heartbeats for everyone, as a round with a number of its own. */
function beginRound(core: Core, office: Office): void {
  office.round++;
  office.heartbeatDeadline = core.now + core.options.heartbeatIntervalMs;
  // Before an entry of its own term is committed, a leader may not know all that is (§6.4).
  if (hasCommittedInTerm(core)) office.reads.roundBegins(office.round, core.commit);
  const { round } = office;
  for (const [to, progress] of office.progress) {
    // Who waits for a snapshot is told all, to know whether it may take the one it has fetched.
    const isBounded = progress.state !== "snapshot";
    const commit = isBounded ? Math.min(core.commit, progress.match) : core.commit;
    core.send({ type: "heartbeat", from: core.id, to, term: core.term, commit, round });
  }
  confirmReads(core, office);
}

export function handleHeartbeatReply(core: Core, office: Office, message: HeartbeatReply): void {
  const progress = office.progress.get(message.from);
  if (progress === undefined) return;
  progress.lastContactMs = core.now;
  progress.answeredRound = Math.max(progress.answeredRound, message.round);
  confirmReads(core, office);
  if (!progress.heartbeatAnswered(core.log.lastIndex)) return;
  // Nothing has moved for a while: ask where it stands. A lost append shows as a rejection. What
  // was sent last may have left memory meanwhile; then start over from what is certain.
  if (!sendEmpty(core, message.from, progress)) progress.startOver();
}

export function handleAppendReply(core: Core, office: Office, message: AppendReply): void {
  const progress = office.progress.get(message.from);
  if (progress === undefined) return;
  progress.lastContactMs = core.now;
  const { match, durable, rejected } = message;
  if (match > core.log.lastIndex || durable > match) {
    fail(`${message.from} acknowledges ${match}/${durable}, our last is ${core.log.lastIndex}`);
  }
  if (rejected === undefined || progress.state === "snapshot") {
    if (progress.acknowledged(match, durable)) advanceCommit(core, office);
    return;
  }
  const { prev, hint } = rejected;
  // The follower's hint, taken one step further: ours of higher terms cannot be in its log.
  const isKnown = hint.index >= core.log.prev.index;
  const next = isKnown ? core.log.newestWithTermAtMost(hint.index, hint.term) : hint;
  if (!progress.rejected(prev, next.index, core.options.commitBy === "match")) return;
  const index = progress.durable;
  core.send({ type: "lostEntries", from: core.id, to: message.from, term: core.term, index });
}

/** Applies the commit rule. To be called when an acknowledgement or our own disk has moved. */
export function advanceCommit(core: Core, office: Office): void {
  const of = core.options.commitBy === "durable" ? durableOf : matchOf;
  const index = office.quorum(voters(core), of, core.counted);
  if (index >= office.firstIndex) core.commitTo(index);
}

function confirmReads(core: Core, office: Office): void {
  const round = office.quorum(voters(core), answeredRoundOf, office.round);
  office.reads.confirmed(round, (reader, index) => answerRead(core, reader, index));
}

function answerRead(core: Core, { from, id }: Reader, index: number): void {
  if (from === undefined) core.reads.push({ id, index });
  else core.send({ type: "readIndexReply", from: core.id, to: from, term: core.term, id, index });
}

/** Only members in force are served. Over the limit a read goes unanswered: it will come again. */
export function handleReadIndex(office: Office, { from, id }: ReadIndex): void {
  if (office.progress.get(from)?.isLeaving === false) office.reads.add({ from, id });
}

/** End of a turn: sends everyone what there is, so that all inputs of the turn share messages. */
export function flushLeader(core: Core, office: Office): void {
  if (office.reads.wantRound && hasCommittedInTerm(core)) beginRound(core, office);
  for (const [peer, progress] of office.progress) {
    offerSnapshot(core, office, peer, progress);
    replicate(core, peer, progress);
  }
  tellCommit(core, office);
}

function replicate(core: Core, to: NodeId, progress: Progress): void {
  const { log, options } = core;
  while (!progress.paused && (progress.next <= log.lastIndex || progress.state === "probe")) {
    if (progress.next <= log.prev.index) {
      progress.logReadFrom = progress.next;
      core.logReads.push({ to, from: progress.next, maxBytes: options.maxMessageBytes });
      return;
    }
    const prev = { index: progress.next - 1, term: log.termAt(progress.next - 1)! };
    const entries = log.sliceBytes(progress.next, options.maxMessageBytes);
    sendAppend(core, to, progress, prev, entries);
  }
}

/**
 * A commit that no entry carries goes out alone, rather than wait for the next heartbeat; but not
 * at once, for where there is work the next entry follows soon and carries it for nothing. Not to
 * a follower that is behind: the appends it has yet to answer would only be followed by more.
 */
function tellCommit(core: Core, office: Office): void {
  const { commitDelayMs } = core.options;
  // A leader that was removed leaves at the end of this turn, and tells nobody afterwards.
  const isLeaving = !core.isVoter && !core.isChangingMembership;
  const isDue = isLeaving || commitDelayMs === 0 || core.now >= office.commitDeadline;
  let isLeft = false;
  for (const [peer, progress] of office.progress) {
    if (progress.commitSent >= core.commit) {
      progress.commitAwaited = false;
      continue;
    }
    if (progress.state !== "replicate" || progress.paused) continue;
    if (isDue || progress.commitAwaited) sendEmpty(core, peer, progress);
    else isLeft = true;
  }
  if (!isLeft) office.commitDeadline = Number.POSITIVE_INFINITY;
  else office.commitDeadline = Math.min(office.commitDeadline, core.now + commitDelayMs);
}

function sendEmpty(core: Core, to: NodeId, progress: Progress): boolean {
  const index = progress.next - 1;
  const term = core.log.termAt(index);
  if (term !== undefined) sendAppend(core, to, progress, { index, term }, []);
  return term !== undefined;
}

/** Entries fetched from disk have come; only those still wanted are sent. */
export function provideLog(core: Core, office: Office, fetched: FetchedLog): void {
  const progress = office.progress.get(fetched.to);
  const { prev, entries } = fetched;
  const from = progress?.logReadFrom;
  if (progress === undefined || from === undefined) return;
  if (entries.length === 0 && prev.index >= from - 1) {
    // Compacted away before it could be read, so that a snapshot is all that is left.
    progress.logReadFrom = undefined;
    compactTo(core, Math.max(from, prev.index));
    return;
  }
  if (from !== prev.index + 1) return;
  progress.logReadFrom = undefined;
  // Meanwhile the follower may have turned out to be elsewhere.
  if (progress.next !== from) return;
  const last = entries.at(-1)!.index;
  if (entries[0]!.index !== prev.index + 1 || last !== prev.index + entries.length) {
    fail(`the disk gave entries ${entries[0]!.index}-${last} to follow entry ${prev.index}`);
  }
  if (!progress.paused) sendAppend(core, fetched.to, progress, prev, entries);
}

function sendAppend(
  core: Core,
  to: NodeId,
  progress: Progress,
  prev: EntryId,
  entries: readonly Entry[],
): void {
  const { id: from, term, commit } = core;
  core.send({ type: "append", from, to, term, prev, entries, commit });
  progress.sent(prev.index + entries.length, entries.length === 0);
  progress.commitSent = commit;
  progress.commitAwaited = false;
}

function voters(core: Core): readonly NodeId[] {
  return core.memberships.current.voters;
}

const matchOf = (progress: Progress): number => progress.match;
const durableOf = (progress: Progress): number => progress.durable;
const lastContactOf = (progress: Progress): number => progress.lastContactMs;
const answeredRoundOf = (progress: Progress): number => progress.answeredRound;
