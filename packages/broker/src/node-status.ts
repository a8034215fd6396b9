/** What this node knows of itself and its cluster, as status pages and health checks show it. */
import type { LeaderProgress } from "./leader-progress.ts";
import type { MemberStatus, NodeStatus } from "./operations/broker.ts";
import { CAUGHT_UP_ENTRIES } from "./replica/limits.ts";
import type { NodeReplica, Runtime } from "./runtime.ts";

/** What the replica cannot know. */
export interface StatusFacts {
  readonly clusterId: string;
  readonly version: string;
  readonly walSyncIntervalMs: number;
  /** A stream of this member to this node is open. */
  readonly isConnected: (id: string) => boolean;
  /** The version of its program, while it is connected; empty: it is not, or did not say. */
  readonly programOf: (id: string) => string;
  readonly leader: Pick<LeaderProgress, "appliedBy" | "firstHeard">;
  /** True from the first SIGTERM on. */
  readonly isDraining: () => boolean;
}

export function nodeStatus(
  runtime: Pick<Runtime, "replica" | "isReceivingSnapshot">,
  facts: StatusFacts,
): NodeStatus {
  const { replica } = runtime;
  const { raft } = replica;
  const leader = replica.members.find(({ id }) => id === raft.leader);
  const draining = facts.isDraining();
  const reason = draining ? "this node is shutting down" : reasonNotReady(runtime, facts);
  return {
    nodeId: raft.id,
    clusterId: facts.clusterId,
    clusterVersion: replica.clusterVersion,
    role: plainRole(raft.role),
    term: raft.term,
    leader: leader && { id: leader.id, address: leader.address },
    applied: replica.queue.applied,
    commit: raft.commit,
    effectHash: replica.queue.effectHash,
    ready: reason === "",
    reason,
    draining,
    durability: durabilityOf(runtime, facts),
    members: memberStatus(replica, facts),
  };
}

function plainRole(role: NodeReplica["raft"]["role"]): NodeStatus["role"] {
  return role === "preCandidate" ? "candidate" : role;
}

/**
 * A learner is ready like any other: it serves reads and forwards writes. After a start a node must
 * first have all that it missed: whoever restarts the next one relies on this one's vote.
 */
function reasonNotReady(
  { replica, isReceivingSnapshot }: Pick<Runtime, "replica" | "isReceivingSnapshot">,
  { leader }: StatusFacts,
): string {
  const { raft, queue, leads } = replica;
  if (isReceivingSnapshot) return "receiving a snapshot";
  if (raft.leader === undefined) return "no leader is known";
  // The founding members are in the log as soon as there is a leader, with the version they chose.
  if (queue.version < replica.clusterVersion) return "the cluster is being founded";
  const known = Math.max(raft.commit, leader.appliedBy(raft.leader));
  const missed = leads ? 0 : (leader.firstHeard ?? known + 1) - queue.applied;
  const behind = known - queue.applied;
  if (missed <= 0 && behind <= CAUGHT_UP_ENTRIES) return "";
  return `catching up: ${Math.max(missed, behind)} entries are not yet applied`;
}

/** What an acknowledged write can outlive. */
export function durabilityOf(
  { replica }: Pick<Runtime, "replica">,
  { walSyncIntervalMs }: Pick<StatusFacts, "walSyncIntervalMs">,
): NodeStatus["durability"] {
  const base = replica.members.length > 1 ? "quorum" : "single";
  return walSyncIntervalMs === 0 ? `${base}-fsync` : base;
}

function memberStatus(replica: NodeReplica, facts: StatusFacts): MemberStatus[] {
  const { raft } = replica;
  const progress = new Map(raft.status().map((each) => [each.id, each.match]));
  return replica.members.map((member): MemberStatus => {
    const isSelf = member.id === raft.id;
    const matchIndex = isSelf ? raft.lastIndex : progress.get(member.id);
    return {
      id: member.id,
      address: member.address,
      role: memberRole(member.id, member.voter, replica),
      matchIndex,
      lag: matchIndex === undefined ? undefined : Math.max(0, raft.lastIndex - matchIndex),
      healthy: isSelf || facts.isConnected(member.id),
      version: isSelf ? facts.version : facts.programOf(member.id),
      supports: member.versions,
    };
  });
}

function memberRole(id: string, voter: boolean, replica: NodeReplica): MemberStatus["role"] {
  const { raft } = replica;
  if (id === raft.leader) return "leader";
  // To raft a learner is a follower, to itself too.
  if (!voter) return "learner";
  if (id === raft.id) return plainRole(raft.role);
  return raft.leader === undefined ? "unknown" : "follower";
}
