/**
 * The cluster as this node sees it. Answered without asking anybody, because it is read most when
 * there is no leader to ask.
 */
import type { ClusterJson } from "task-queue-protocol";
import type { Broker, MemberStatus } from "./broker.ts";
import type { Answer } from "./read-options.ts";

export function clusterStatus(broker: Broker): Answer<ClusterJson> {
  const status = broker.status();
  const value: ClusterJson = {
    cluster_id: status.clusterId,
    cluster_version: status.clusterVersion,
    leader_id: status.leader?.id ?? null,
    term: status.term,
    node_id: status.nodeId,
    role: status.role,
    ready: status.ready,
    applied_index: status.applied,
    commit_index: status.commit,
    durability: status.durability,
    intake_closed: broker.intakeClosed,
    members: status.members.map(memberToJson),
  };
  if (!status.ready) value.reason = status.reason;
  return { value, index: status.applied };
}

function memberToJson(member: MemberStatus): ClusterJson["members"][number] {
  return {
    id: member.id,
    address: member.address,
    role: member.role,
    match_index: member.matchIndex ?? null,
    lag: member.lag ?? null,
    healthy: member.healthy,
    version: member.version,
    supports: member.supports ?? null,
  };
}
