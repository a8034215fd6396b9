/**
 * Who belongs to the cluster, as entries of kind `membership` carry it. JSON, because it is written
 * a few times in a cluster's life and read by people with a hex dump at night.
 */

import type { Membership, NodeId } from "task-queue-raft";
import { assert } from "../queue/index.ts";

export interface Member {
  readonly id: NodeId;
  /** Drawn once by each installation of a node: the same name with another one is another node. */
  readonly incarnation: string;
  /** `host:port` of its bus. */
  readonly bus: string;
  /** `host:port` where workers and clients reach it. */
  readonly address: string;
}

export interface ClusterMember extends Member {
  /** false: a learner, which only receives the log. */
  readonly voter: boolean;
}

const FORMAT_VERSION = 1;

/** Canonical: members in the order of their ids, so that every node writes the same bytes. */
export function encodeMembers(members: readonly ClusterMember[]): Uint8Array {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const listed = sorted.map(({ id, incarnation, bus, address, voter }) => {
    return { id, incarnation, bus, address, voter };
  });
  return new TextEncoder().encode(JSON.stringify({ version: FORMAT_VERSION, members: listed }));
}

export function decodeMembers(data: Uint8Array): readonly ClusterMember[] {
  const parsed = JSON.parse(new TextDecoder().decode(data)) as {
    version: number;
    members: ClusterMember[];
  };
  assert(parsed.version === FORMAT_VERSION, `membership entry of version ${parsed.version}`);
  return parsed.members;
}

/** The part that consensus needs. */
export function decodeMembership(data: Uint8Array): Membership {
  const members = decodeMembers(data);
  return {
    voters: members.filter((member) => member.voter).map((member) => member.id),
    learners: members.filter((member) => !member.voter).map((member) => member.id),
  };
}
