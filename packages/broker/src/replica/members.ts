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

/** The members at one time. */
export interface Roster {
  /** One more with each change; 0 for the founders. */
  readonly revision: number;
  /** In the order of their ids. */
  readonly members: readonly ClusterMember[];
}

const FORMAT_VERSION = 1;

/** Canonical: members in the order of their ids, so that every node writes the same bytes. */
export function encodeRoster({ revision, members }: Roster): Uint8Array {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const listed = sorted.map(({ id, incarnation, bus, address, voter }) => {
    return { id, incarnation, bus, address, voter };
  });
  const document = { version: FORMAT_VERSION, revision, members: listed };
  return new TextEncoder().encode(JSON.stringify(document));
}

export function decodeRoster(data: Uint8Array): Roster {
  const parsed = JSON.parse(new TextDecoder().decode(data)) as Roster & { version: number };
  assert(parsed.version === FORMAT_VERSION, `membership entry of version ${parsed.version}`);
  return { revision: parsed.revision, members: parsed.members };
}

/**
 * The part that consensus needs, as `self` has to understand it: an older roster may list a node of
 * its name that was another one. That one votes under a name that nobody else has; this one does
 * not take its place, for it has forgotten what that one promised.
 */
export function decodeMembership(
  data: Uint8Array,
  self: Pick<Member, "id" | "incarnation">,
): Membership {
  const { members } = decodeRoster(data);
  const name = ({ id, incarnation }: Member): NodeId =>
    id === self.id && incarnation !== self.incarnation ? `${id}#${incarnation}` : id;
  const named = (voter: boolean): NodeId[] => {
    const ids = members.filter((member) => member.voter === voter).map(name);
    return ids.sort((a, b) => (a < b ? -1 : 1));
  };
  return { voters: named(true), learners: named(false) };
}
