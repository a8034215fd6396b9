/**
 * How nodes that share no cluster yet come to agree on one, as pure functions of what a node has
 * learned. `form.ts` does the asking.
 *
 * Every node greets all its configured peers again and again, and each answers with who it is, whom
 * it lists and whom of these it has met. Peers are compared by who answered, not by how they are
 * spelt: one node may list a peer by name and another by address. When every peer was met, belongs
 * to no cluster, and has met exactly the same nodes, the one with the lowest id founds the cluster:
 * it makes the founding document durable, and only then hands it out.
 *
 * Why no two clusters come of it: a node accepts a document from a founder only after it has met,
 * since its own start, every node in it under the same incarnation; and a node that has met a
 * member of a cluster never founds another. A node that crashes anywhere either holds the document
 * on disk or has promised nothing. Whoever missed the founder's call gets the document from any
 * member that it greets.
 *
 * Joining is another matter. A roster that names this node in this incarnation was made by members
 * that were told to add it, so that it is adopted whatever `raft.peers` says: that names addresses
 * where a member may be found, and one that answers is enough.
 */
import type { NodeId } from "task-queue-raft";
import type { ClusterMember, Formation, Member, Roster } from "../ports.ts";
import { byId, FIRST_VERSION, formationOf } from "./document.ts";
import {
  commonVersion,
  lists,
  strangeIncarnation,
  type VersionRange,
  versionTrouble,
} from "./handshake.ts";
import { peerText } from "./peers.ts";
import type { Announcement, FormReply, Listing } from "./raft-service.ts";

/** The deciding node itself. */
export interface Seeker {
  readonly member: Member;
  readonly versions: VersionRange;
}

/** One configured peer and its latest answer; `answer` is undefined while it cannot be reached. */
export interface PeerView {
  readonly address: string;
  /** The node id that the configuration names, if it does. */
  readonly expected: NodeId | undefined;
  readonly answer: PeerAnswer | undefined;
  /** Why there is no answer. */
  readonly trouble: string | undefined;
}

export interface PeerAnswer {
  readonly from: Announcement;
  readonly formation: Formation | undefined;
  readonly refusal: string;
}

export type Decision =
  | { readonly type: "found"; readonly members: readonly ClusterMember[] }
  | { readonly type: "adopt"; readonly formation: Formation }
  /** `waiting` passes by itself; `wrong` needs a person. Both are phrases for a log line. */
  | {
      readonly type: "wait";
      readonly waiting: readonly string[];
      readonly wrong: readonly string[];
    };

/** What to do now. */
export function decide(self: Seeker, peers: readonly PeerView[]): Decision {
  const others = peers.filter((peer) => !isSelf(self, peer));
  const offered = others.flatMap(({ answer }) => answer?.formation ?? []);
  const own = offered.filter((formation) => lists(formation, self.member));
  const formation = newest(own);
  if (formation !== undefined && own.every((other) => other.clusterId === formation.clusterId)) {
    const strangers = metStrangers(others, formation);
    const isFit = versionFault(self, formation) === undefined;
    if (strangers.length === 0 && isFit) return { type: "adopt", formation };
  }
  const waiting: string[] = [];
  const wrong = [...adoptionFaults(self, others, own), ...duplicates(others)];
  for (const peer of others) review(self, peer, waiting, wrong);
  wrong.push(...refusals(self, others));
  if (waiting.length === 0) compareLists(self, others, waiting, wrong);
  else for (const peer of others) compareEarly(self, others, peer, wrong);
  if (waiting.length > 0 || wrong.length > 0) return { type: "wait", waiting, wrong };
  const founders = [self.member, ...others.map(({ answer }) => answer!.from.member)];
  if (versionOf(founders) === undefined) {
    return { type: "wait", waiting, wrong: [noVersionInCommon(founders)] };
  }
  const members = founders.map((member) => ({ ...member, voter: true })).sort(byId);
  const founder = members[0]!.id;
  if (founder === self.member.id) return { type: "found", members };
  return { type: "wait", waiting: [`${founder} to found the cluster`], wrong };
}

/** The founders' document: the cluster begins with the highest version that all of them know. */
export function foundingOf(clusterId: string, members: readonly ClusterMember[]): Formation {
  const version = versionOf(members) ?? FIRST_VERSION;
  return formationOf({ clusterId, revision: 0, members }, version);
}

/** undefined: they know none in common. */
function versionOf(members: readonly Member[]): number | undefined {
  const ranges = members.map(knownTo);
  const version = Math.min(...ranges.map(({ max }) => max));
  return ranges.every(({ min }) => min <= version) ? version : undefined;
}

function knownTo({ versions }: Member): VersionRange {
  return versions ?? { min: FIRST_VERSION, max: FIRST_VERSION };
}

function noVersionInCommon(members: readonly Member[]): string {
  const known = members.map((member) => {
    const { min, max } = knownTo(member);
    return `${member.id} knows ${min} to ${max}`;
  });
  return `no common version of the cluster: ${known.join(", ")}; upgrade the older ones`;
}

/** Why this node cannot belong to such a cluster. */
function versionFault({ member }: Seeker, formation: Formation): string | undefined {
  const { clusterVersion = FIRST_VERSION, clusterId } = formation;
  const { min, max } = knownTo(member);
  if (min <= clusterVersion && clusterVersion <= max) return undefined;
  return (
    `cluster ${clusterId} works with version ${clusterVersion}, this tq-broker knows ` +
    `${min} to ${max}: start ${clusterVersion > max ? "a newer" : "an older"} tq-broker`
  );
}

/** What this node says of itself. */
export function announce(
  self: Seeker,
  peers: readonly PeerView[],
  formation: Formation | undefined,
): Announcement {
  const { member, versions } = self;
  const listings = peers.filter((peer) => !isSelf(self, peer)).map(listingOf);
  const { clusterId = "", revision = 0 } = formation ?? {};
  const { min: versionMin, max: versionMax } = versions;
  return { member, versionMin, versionMax, clusterId, peers: listings, revision };
}

/** The answer to a founder's call, before anything is saved. */
export function judgeForm(
  self: Seeker,
  peers: readonly PeerView[],
  current: Formation | undefined,
  offered: Formation,
): FormReply {
  const name = self.member.id;
  if (current?.clusterId === offered.clusterId) return { verdict: "ACCEPTED", reason: "" };
  if (current !== undefined) {
    return { verdict: "REFUSED", reason: `${name} belongs to cluster ${current.clusterId}` };
  }
  if (offered.revision !== 0 || offered.members.some((member) => !member.voter)) {
    return { verdict: "REFUSED", reason: "not the document of founders" };
  }
  if (!lists(offered, self.member)) {
    return { verdict: "REFUSED", reason: `${name} as it is now is not in the document` };
  }
  const fault = versionFault(self, offered);
  if (fault !== undefined) return { verdict: "REFUSED", reason: fault };
  const others = peers.filter((peer) => !isSelf(self, peer));
  const unmet = others.filter((peer) => peer.answer === undefined);
  if (unmet.length > 0) {
    const addresses = unmet.map((peer) => peer.address).join(", ");
    return { verdict: "LATER", reason: `${name} has not met ${addresses} yet` };
  }
  const mine = [self.member, ...others.map(({ answer }) => answer!.from.member)];
  if (names(mine) !== names(offered.members)) {
    return { verdict: "REFUSED", reason: difference(name, names(mine), names(offered.members)) };
  }
  const stale = mine.filter((member) => !lists(offered, member));
  if (stale.length === 0) return { verdict: "ACCEPTED", reason: "" };
  return { verdict: "LATER", reason: `${name} has met ${names(stale)} in another incarnation` };
}

/** What a member tells a node of no cluster that its own does not list. */
export function refusalOf(formation: Formation, asker: Member): string {
  const known = formation.members.find((member) => member.id === asker.id);
  if (known !== undefined) {
    const words = strangeIncarnation(asker.id, asker.incarnation, known.incarnation);
    return `${words} ${peerText(asker)}`;
  }
  return (
    `cluster ${formation.clusterId} exists and ${asker.id} is not a member: ` +
    `add it with tq-admin members add ${peerText(asker)}`
  );
}

/** Members that have heard of the last change tell more than those that have not. */
function newest(formations: readonly Formation[]): Formation | undefined {
  const [first, ...rest] = formations;
  if (first === undefined) return undefined;
  return rest.reduce((best, other) => (other.revision > best.revision ? other : best), first);
}

/** A peer entry may turn out to be this very node under another name. */
function isSelf(self: Seeker, peer: PeerView): boolean {
  const found = peer.answer?.from.member;
  if (found === undefined || found.id !== self.member.id) return false;
  return found.incarnation === self.member.incarnation;
}

function listingOf(peer: PeerView): Listing {
  const found = peer.answer?.from.member;
  const nodeId = found?.id ?? "";
  return { address: peer.address, nodeId, incarnation: found?.incarnation ?? "" };
}

/** What keeps this peer, seen alone, from being a first member. */
function review(self: Seeker, peer: PeerView, waiting: string[], wrong: string[]): void {
  const { address, answer, expected } = peer;
  if (answer === undefined) {
    waiting.push(peer.trouble === undefined ? address : `${address} (${peer.trouble})`);
    return;
  }
  const { member, versionMin, versionMax } = answer.from;
  const versions = { min: versionMin, max: versionMax };
  if (member.id === self.member.id) {
    wrong.push(`${address} calls itself ${member.id} too: give each node its own raft.node_id`);
  }
  if (expected !== undefined && member.id !== expected) {
    wrong.push(`${address} is ${member.id}, but raft.peers calls it ${expected}`);
  }
  if (commonVersion(self.versions, versions) === undefined) {
    const { id: nodeId } = self.member;
    wrong.push(
      versionTrouble({ nodeId, versions: self.versions }, { nodeId: member.id, versions }),
    );
  }
}

/** What members of clusters that do not list this node demand; all of one cluster say the same. */
function refusals(self: Seeker, others: readonly PeerView[]): readonly string[] {
  const said = others.filter(metCluster).flatMap(({ answer }) => {
    const { from, formation, refusal } = answer!;
    if (formation !== undefined && lists(formation, self.member)) return [];
    return [refusal === "" ? `cluster ${from.clusterId} exists without this node` : refusal];
  });
  return [...new Set(said)];
}

/** Documents that list this node and yet cannot be adopted. */
function adoptionFaults(
  self: Seeker,
  others: readonly PeerView[],
  offered: readonly Formation[],
): readonly string[] {
  const clusters = [...new Set(offered.map((formation) => formation.clusterId))];
  if (clusters.length > 1) {
    return [`${self.member.id} is a member of more than one cluster: ${clusters.join(", ")}`];
  }
  const formation = newest(offered);
  const fault = formation && versionFault(self, formation);
  if (fault !== undefined) return [fault];
  const strangers = formation === undefined ? [] : metStrangers(others, formation);
  if (strangers.length === 0) return [];
  const list = strangers.map((member) => member.id).join(", ");
  return [`raft.peers lists ${list}, not a member of cluster ${clusters[0]}: correct raft.peers`];
}

/**
 * Nodes that this one lists but the document of the founders does not: then its `raft.peers` have
 * changed since, and what was meant is not for it to guess. A later roster is bound to differ.
 */
function metStrangers(others: readonly PeerView[], formation: Roster): readonly Member[] {
  if (formation.revision > 0) return [];
  return others
    .flatMap(({ answer }) => answer?.from.member ?? [])
    .filter((member) => !formation.members.some((known) => known.id === member.id));
}

function duplicates(others: readonly PeerView[]): readonly string[] {
  const seen = new Map<NodeId, PeerView>();
  const wrong: string[] = [];
  for (const peer of others) {
    const member = peer.answer?.from.member;
    if (member === undefined) continue;
    const first = seen.get(member.id);
    seen.set(member.id, peer);
    if (first === undefined) continue;
    const both = `${first.address} and ${peer.address}`;
    wrong.push(
      first.answer?.from.member.incarnation === member.incarnation
        ? `${both} are the same node, ${member.id}: list each node once in raft.peers`
        : `${both} both call themselves ${member.id}: give each node its own raft.node_id`,
    );
  }
  return wrong;
}

/** All were met: have they met the same nodes? */
function compareLists(
  self: Seeker,
  others: readonly PeerView[],
  waiting: string[],
  wrong: string[],
): void {
  const members = [self.member, ...others.map(({ answer }) => answer!.from.member)];
  if (others.some(metCluster)) return;
  for (const { answer } of others) {
    const { member, peers } = answer!.from;
    const unmet = peers.filter((listing) => listing.nodeId === "");
    if (unmet.length > 0) {
      waiting.push(`${member.id} to meet ${unmet.map((listing) => listing.address).join(", ")}`);
      continue;
    }
    const theirs = [member.id, ...peers.map((listing) => listing.nodeId)];
    if (sorted(theirs) !== names(members)) {
      wrong.push(difference(member.id, sorted(theirs), names(members)));
    } else if (!peers.every((listing) => isAmong(listing, members))) {
      waiting.push(`${member.id} to meet the others as they are now`);
    }
  }
}

/** Some are missing: that a peer which has met all of its own lists others can be said now. */
function compareEarly(
  self: Seeker,
  others: readonly PeerView[],
  peer: PeerView,
  wrong: string[],
): void {
  if (peer.answer === undefined || others.some(metCluster)) return;
  const { member, peers } = peer.answer.from;
  if (peers.some((listing) => listing.nodeId === "")) return;
  const theirs = sorted([member.id, ...peers.map((listing) => listing.nodeId)]);
  const mine = others.map(({ answer, address }) => answer?.from.member.id ?? address);
  wrong.push(difference(member.id, theirs, sorted([self.member.id, ...mine])));
}

/** A cluster exists, so that none will be founded and lists need not agree. */
function metCluster({ answer }: PeerView): boolean {
  return answer !== undefined && answer.from.clusterId !== "";
}

function isAmong(listing: Listing, members: readonly Member[]): boolean {
  return members.some(
    (member) => member.id === listing.nodeId && member.incarnation === listing.incarnation,
  );
}

function difference(name: NodeId, theirs: string, ours: string): string {
  return (
    `${name} counts ${theirs} as members, where this cluster would be ${ours}: ` +
    `make raft.peers name the same nodes everywhere`
  );
}

function names(members: readonly Member[]): string {
  return sorted(members.map((member) => member.id));
}

function sorted(ids: readonly string[]): string {
  return [...new Set(ids)].sort().join(", ");
}
