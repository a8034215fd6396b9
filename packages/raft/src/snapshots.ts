/**
 * Followers whose next entry the log no longer holds get a snapshot (§5). Raft does not carry it:
 * the leader says who has one, the follower's caller fetches it on a stream of its own and hands it
 * back. The leader asks again with each heartbeat that is answered, so nothing waits for a lost
 * message; who already has as much says so, or it would be asked for ever (Ra 51f9810e).
 *
 * A snapshot may come from a member that follows a later leader than we do. What it calls committed
 * our leader need not have; vouching for it to that leader could commit two entries at one index.
 * So a snapshot is only taken when the leader of our term is certain to have its last entry.
 */
import { fail } from "./assert.ts";
import type { Core } from "./core.ts";
import { heard } from "./follower.ts";
import { membershipProblem } from "./membership.ts";
import type { InstallSnapshot } from "./message.ts";
import type { Office } from "./office.ts";
import type { Progress } from "./progress.ts";
import type { LogIndex, NodeId, SnapshotId } from "./types.ts";

/** Members named as sources besides the leader itself. */
export const SNAPSHOT_SOURCES_MAX = 3;

/** The entries up to `base` leave the disk, and so memory need not keep them. */
export function compactTo(core: Core, base: LogIndex): void {
  if (base <= core.base) return;
  if (base > core.commit) fail(`compaction up to ${base}, but only ${core.commit} are committed`);
  core.base = base;
  core.log.evict(0, base);
}

/**
 * The leader's side: asks a follower to fetch a snapshot, if it must and was not asked yet. The
 * entry before its next one has to be known by its term: `base` itself is, the ones below are not.
 */
export function offerSnapshot(core: Core, office: Office, to: NodeId, progress: Progress): void {
  if (progress.state !== "snapshot" && progress.next - 1 < core.base) {
    progress.needsSnapshot(core.base);
  }
  if (!progress.takeSnapshotDue()) return;
  const index = progress.snapshotIndex!;
  const sources = sourcesOf(core, office, to, index);
  core.send({ type: "installSnapshot", from: core.id, to, term: core.term, index, sources });
}

/** Members that are up to date first, so that the leader is spared; it has one in any case. */
function sourcesOf(core: Core, office: Office, to: NodeId, index: LogIndex): NodeId[] {
  const { now, options } = core;
  const ready = [...office.progress].filter(([peer, progress]) => {
    const { state, isLeaving, durable, lastContactMs } = progress;
    if (peer === to || isLeaving || state !== "replicate") return false;
    return durable >= index && now - lastContactMs < options.electionTimeoutMs;
  });
  ready.sort(([a, { match: matchA }], [b, { match: matchB }]) => {
    return matchB - matchA || (a < b ? -1 : 1);
  });
  return [...ready.slice(0, SNAPSHOT_SOURCES_MAX).map(([peer]) => peer), core.id];
}

/** The follower's side: passes the wish on, or answers that there is no need. */
export function handleInstallSnapshot(core: Core, { from, index, sources }: InstallSnapshot): void {
  heard(core, from, false);
  const { following } = core;
  following.leaderCommit = Math.max(following.leaderCommit, index);
  if (core.commit >= index) following.replyDue = true;
  else following.snapshotFetch = { index, sources: following.leaderOnly ? [from] : sources };
}

/** See `Raft.restore`. */
export function restore(core: Core, snapshot: SnapshotId): boolean {
  const { term, index, membership } = snapshot;
  const problem = membershipProblem(membership);
  if (problem !== undefined) fail(`snapshot ${index}: ${problem}`);
  if (core.office !== undefined || index <= core.commit) return false;
  // A leader has the entries of its own term, it made them, and those that it calls committed.
  if (term < core.term && index > core.following.leaderCommit) {
    // It may need our acknowledgement to call more committed; its own snapshot it vouches for.
    core.following.leaderOnly = true;
    return false;
  }
  if (term > core.term) core.takeUpTerm(term);
  else if (core.role !== "follower") core.becomeFollower(core.term, undefined);
  const { following } = core;
  const isHeld = core.log.holds(snapshot);
  if (isHeld) core.commitTo(index);
  else core.restore(snapshot);
  following.verified = Math.max(following.verified, index);
  if (isHeld) following.replyDue = true;
  return !isHeld;
}
