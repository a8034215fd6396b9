/**
 * A follower's duties: take the leader's entries, acknowledge what the disk holds, learn what is
 * committed, and ask for read indexes. The two rules that are easily got wrong:
 *
 * - an append that agrees with our log changes nothing, however short it is; only an entry of
 *   another term is a conflict, and only that is cut off;
 * - commit moves no further than the last entry that this leader has verified, in this term,
 *   whatever it says: entries behind that may be leftovers which it will replace.
 */
import { fail } from "./assert.ts";
import type { Core } from "./core.ts";
import type { Append, Heartbeat, LostEntries, ReadIndexReply } from "./message.ts";
import type { Entry, EntryId, LogIndex, NodeId } from "./types.ts";

/** The leader of our term has spoken. */
export function heard(core: Core, leader: NodeId, isHeartbeat: boolean): void {
  if (core.role === "leader" || (core.leader !== undefined && core.leader !== leader)) {
    fail(`two leaders in term ${core.term}: ${core.leader} and ${leader}`);
  }
  if (core.role !== "follower" || core.leader === undefined) {
    core.timer.calm();
    core.becomeFollower(core.term, leader);
  }
  core.timer.heard(core.now, isHeartbeat);
}

export function handleHeartbeat(core: Core, { from, commit, round }: Heartbeat): void {
  heard(core, from, true);
  learnCommit(core, commit);
  core.send({ type: "heartbeatReply", from: core.id, to: from, term: core.term, round });
}

/** Late or wrong unless the entry is missing here: what a leader has seen, it never cuts. */
export function handleLostEntries(core: Core, { from, index }: LostEntries): void {
  if (core.role !== "follower" || core.leader !== from) return;
  if (core.log.lastIndex < index) core.lost = index;
}

export function handleAppend(core: Core, message: Append): void {
  heard(core, message.from, false);
  checkContiguous(message);
  noteLeaderCommit(core, message.commit);
  const { following } = core;
  let { prev, entries } = message;
  if (prev.index < core.commit) {
    // What is committed is the same here and there, and may have left memory: skip it.
    checkCommitted(core, entries[Math.min(core.commit - prev.index, entries.length) - 1]);
    entries = entries.slice(core.commit - prev.index);
    prev = { index: core.commit, term: core.log.termAt(core.commit)! };
  }
  if (!core.log.holds(prev)) {
    reject(core, message.from, prev);
    return;
  }
  store(core, entries);
  const end = prev.index + entries.length;
  following.verified = Math.max(following.verified, end);
  const moved = learnCommit(core, message.commit);
  // An append that only told us of a commit needs no answer: everything has been acknowledged. If
  // that acknowledgement was lost, the next such append brings no news and is answered.
  const isNewsOnly = moved && message.entries.length === 0 && following.matchSent >= end;
  // Entries on their way to the disk are acknowledged when they are there.
  if (end <= core.disk.written && !isNewsOnly) following.replyDue = true;
}

/** The leader has committed as much; so have we, as far as our logs are known to agree. */
function learnCommit(core: Core, index: LogIndex): boolean {
  noteLeaderCommit(core, index);
  return core.commitTo(Math.min(index, core.following.verified));
}

function noteLeaderCommit({ following }: Core, index: LogIndex): void {
  following.leaderCommit = Math.max(following.leaderCommit, index);
}

function checkContiguous({ prev, entries, from }: Append): void {
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return;
  if (first.index === prev.index + 1 && last.index === prev.index + entries.length) return;
  fail(`append of ${from} has entries ${first.index}-${last.index} behind entry ${prev.index}`);
}

/** The newest of the entries that are skipped; if it agrees, so do those before it (§3.5). */
function checkCommitted(core: Core, entry: Entry | undefined): void {
  if (entry === undefined) return;
  const term = core.log.termAt(entry.index);
  if (term === undefined || term === entry.term) return;
  fail(`committed entry ${entry.index} has term ${term}, ${core.leader} has term ${entry.term}`);
}

function store(core: Core, entries: readonly Entry[]): void {
  let isNew = false;
  for (const entry of entries) {
    if (!isNew) {
      if (core.log.holds(entry)) continue;
      isNew = true;
      if (entry.index <= core.log.lastIndex) core.truncateFrom(entry.index);
    }
    core.append(entry);
  }
}

/**
 * Tells the leader where to try next: the newest entry that may still agree, by its term. All of
 * ours with a higher term than `prev` cannot be in its log, so a whole term is skipped at a time.
 */
function reject(core: Core, to: NodeId, prev: EntryId): void {
  const hint = core.log.newestWithTermAtMost(prev.index, prev.term);
  const rejected = { prev: prev.index, hint };
  core.send({
    type: "appendReply",
    from: core.id,
    to,
    term: core.term,
    ...reached(core),
    rejected,
  });
}

/** How far we can vouch to the leader of this term. */
function reached(core: Core): { match: number; durable: number } {
  const { verified } = core.following;
  return {
    match: Math.min(verified, core.disk.written),
    durable: Math.min(verified, core.disk.durable),
  };
}

/** The disk has moved: the leader wants to know, if it concerns entries that it has verified. */
export function entriesPersisted(core: Core): void {
  const { match, durable } = reached(core);
  const { following } = core;
  if (match > following.matchSent || durable > following.durableSent) following.replyDue = true;
}

/**
 * End of a turn: at most one acknowledgement, made from what is true now rather than when the
 * append came or its batch was formed. So no cut of the log in between can make it a lie.
 */
export function flushFollower(core: Core): void {
  const { following, leader, id: from, term } = core;
  if (leader === undefined || !core.disk.hardStateSafe) return;
  if (following.replyDue) {
    const { match, durable } = reached(core);
    following.replyDue = false;
    following.matchSent = match;
    following.durableSent = durable;
    core.send({ type: "appendReply", from, to: leader, term, match, durable });
  }
  const id = core.forwarded.ask(core.now + core.options.electionTimeoutMs);
  if (id !== undefined) core.send({ type: "readIndex", from, to: leader, term, id });
}

export function handleReadIndexReply(core: Core, { id, index }: ReadIndexReply): void {
  if (core.role !== "follower") return;
  learnCommit(core, index);
  for (const read of core.forwarded.answered(id)) core.reads.push({ id: read, index });
}
