/**
 * Who belongs to the cluster, as entries of kind `membership` carry it. JSON, because it is written
 * a few times in a cluster's life and read by people with a hex dump at night.
 */

import type { Membership, NodeId } from "task-queue-raft";
import { assert } from "../queue/index.ts";
import {
  clusterVersionOf,
  FIRST_VERSION,
  refuseTooNew,
  SUPPORTED,
  TooNew,
  UNANNOUNCED,
  type VersionRange,
} from "./versions.ts";

export interface Member {
  readonly id: NodeId;
  /** Drawn once by each installation of a node: the same name with another one is another node. */
  readonly incarnation: string;
  /** `host:port` of its bus. */
  readonly bus: string;
  /** `host:port` where workers and clients reach it. */
  readonly address: string;
  /** What its binary can work with, as it has last said; absent: it never said. */
  readonly versions?: VersionRange;
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
  /** What the cluster works with; absent: 1, as before there were versions. */
  readonly clusterVersion?: number;
}

/** Of a cluster that works with `version`; as before there were versions, if that is the first. */
export function rosterOf(
  revision: number,
  members: readonly ClusterMember[],
  version: number,
): Roster {
  const plain = { revision, members };
  return version === FIRST_VERSION ? plain : { ...plain, clusterVersion: version };
}

/**
 * Format 1 is all that the first binary knows: it reads over a member's `versions`, and loses them
 * when it writes a roster itself. Format 2 names the version of the cluster, which it must not read
 * over, so that it refuses the whole. A roster has the oldest format that can say what it says.
 */
const PLAIN_FORMAT = 1;
const VERSIONED_FORMAT = 2;

/** Canonical: members in the order of their ids, so that every node writes the same bytes. */
export function encodeRoster(roster: Roster): Uint8Array {
  const { revision, members } = roster;
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const listed = sorted.map(({ id, incarnation, bus, address, voter, versions }) => {
    const { min, max } = versions ?? UNANNOUNCED;
    const known = versions === undefined ? {} : { versions: { min, max } };
    return { id, incarnation, bus, address, voter, ...known };
  });
  const version = clusterVersionOf(roster);
  const head =
    version === FIRST_VERSION
      ? { version: PLAIN_FORMAT, revision }
      : { version: VERSIONED_FORMAT, cluster_version: version, revision };
  return new TextEncoder().encode(JSON.stringify({ ...head, members: listed }));
}

interface StoredRoster extends Pick<Roster, "revision" | "members"> {
  /** Of the format. */
  readonly version: number;
  readonly cluster_version?: number;
}

/** Throws `TooNew` if it tells of a version that `supports` does not reach. */
export function decodeRoster(data: Uint8Array, supports: VersionRange = SUPPORTED): Roster {
  const parsed = JSON.parse(new TextDecoder().decode(data)) as StoredRoster;
  const { version, cluster_version: clusterVersion, revision, members } = parsed;
  if (version === PLAIN_FORMAT) return { revision, members };
  if (version > VERSIONED_FORMAT) {
    throw new TooNew(`the roster of the cluster has format ${version}`, supports);
  }
  const isWhole = version === VERSIONED_FORMAT && Number.isSafeInteger(clusterVersion);
  assert(isWhole && clusterVersion !== undefined, `a roster of format ${version}`);
  const roster = { revision, members, clusterVersion };
  refuseTooNew(roster, supports);
  return roster;
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
