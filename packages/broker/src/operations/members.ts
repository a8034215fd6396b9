/**
 * Who belongs to the cluster, who leads it, and what it works with, as an operator changes them.
 * Only the leader can; any other node refuses with `no_leader` and says who leads. The answer is
 * the cluster as the node sees it afterwards.
 */
import type { ClusterJson } from "task-queue-protocol";
import type { Broker } from "./broker.ts";
import { clusterStatus } from "./cluster.ts";
import { invalid, shown } from "./invalid.ts";
import type { Fields } from "./read-fields.ts";
import type { Answer } from "./read-options.ts";

/** `id@host:port`, with `/busport`; the host may be an IPv6 address in brackets. */
const PEER = /^[A-Za-z0-9._-]{1,64}@(?:\[[0-9A-Fa-f:.]+\]|[^\s:@/[\]]+):\d{1,5}(?:\/\d{1,5})?$/;
const NODE_ID = /^[A-Za-z0-9._-]{1,64}$/;
const PEER_LENGTH_MAX = 400;

export async function addMember(broker: Broker, params: Fields): Promise<Answer<ClusterJson>> {
  const peer = params.string("peer") ?? "";
  if (peer.length > PEER_LENGTH_MAX || !PEER.test(peer)) {
    const allowed = "write id@host:port or id@host:port/busport, e.g. node4@10.0.1.14:6379";
    throw invalid("peer", `${shown(peer)} names no node; ${allowed}`);
  }
  await broker.addMember(peer);
  return clusterStatus(broker);
}

export async function promoteMember(broker: Broker, params: Fields): Promise<Answer<ClusterJson>> {
  await broker.promoteMember(readId(params, "id"), params.boolean("force") ?? false);
  return clusterStatus(broker);
}

export async function removeMember(broker: Broker, params: Fields): Promise<Answer<ClusterJson>> {
  await broker.removeMember(readId(params, "id"), params.boolean("force") ?? false);
  return clusterStatus(broker);
}

export async function transferLeadership(
  broker: Broker,
  params: Fields,
): Promise<Answer<ClusterJson>> {
  await broker.transferLeadership(params.has("to") ? readId(params, "to") : undefined);
  return clusterStatus(broker);
}

export async function raiseVersion(broker: Broker, params: Fields): Promise<Answer<ClusterJson>> {
  const to = params.integer("to");
  if (to !== undefined && to < 1) {
    throw invalid("to", `${to} is no version of a cluster; those are 1, 2 and so on`);
  }
  await broker.raiseVersion(to);
  return clusterStatus(broker);
}

function readId(params: Fields, name: string): string {
  const id = params.string(name) ?? "";
  if (NODE_ID.test(id)) return id;
  throw invalid(name, `${shown(id)} is no node id, which is 1 to 64 of A-Z a-z 0-9 . _ -`);
}
