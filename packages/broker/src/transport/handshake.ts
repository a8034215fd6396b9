/**
 * Who may speak to whom: both halves of the handshake that opens every stream, as pure functions.
 * Each returns what is wrong in words for a person, or what was agreed. The same words go into the
 * refused call's status and so into the logs of both sides.
 */
import { ok as assert } from "node:assert/strict";
import type { NodeId } from "task-queue-raft";
import type { Member, Roster, VersionRange } from "../ports.ts";

export type { VersionRange } from "../ports.ts";

/** Versions of the bus protocol that this build speaks. */
export const PROTOCOL_VERSIONS: VersionRange = { min: 1, max: 2 };

/** One end of a stream: a node of a cluster, as it is now. */
export interface Party {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly incarnation: string;
  /** Number of starts so far. */
  readonly boot: number;
  /** Versions of the cluster that its binary can work with; absent: it is older than that. */
  readonly supports?: VersionRange;
}

export interface Hello extends Party {
  readonly versionMin: number;
  readonly versionMax: number;
  /** The node that the dialler means to reach. */
  readonly to: NodeId;
  /** Of the newest roster that the dialler knows. */
  readonly revision: number;
  /** See `Identity.starts`. */
  readonly starts?: readonly string[];
  /** The version of its program, for people to read; absent or empty: it does not say. */
  readonly program?: string;
}

export interface Welcome extends Party {
  readonly version: number;
}

export type Judgement =
  | { readonly ok: true; readonly version: number }
  /** `outdated`: the other one knows a newer roster, which may well say something else. */
  | { readonly ok: false; readonly reason: string; readonly outdated: boolean };

/** The highest version that both speak; undefined if there is none. */
export function commonVersion(one: VersionRange, other: VersionRange): number | undefined {
  const version = Math.min(one.max, other.max);
  return version >= Math.max(one.min, other.min) ? version : undefined;
}

/** In which the messages of a stream are whose Hello was judged good. */
export function agreedVersion({ versionMin, versionMax }: Hello, versions: VersionRange): number {
  const version = commonVersion(versions, { min: versionMin, max: versionMax });
  assert(version !== undefined, "a hello without a common version was let in");
  return version;
}

/** `node1 speaks bus protocol 1 to 1, node2 3 to 4: ...`, in both greeting and handshake. */
export function versionTrouble(
  self: { readonly nodeId: NodeId; readonly versions: VersionRange },
  other: { readonly nodeId: NodeId; readonly versions: VersionRange },
): string {
  const span = (range: VersionRange) => `${range.min} to ${range.max}`;
  return (
    `no common bus protocol: ${other.nodeId} speaks ${span(other.versions)}, ` +
    `${self.nodeId} speaks ${span(self.versions)}; upgrade the older of the two`
  );
}

/** The listener's half. */
export function judgeHello(
  hello: Hello,
  self: Party,
  versions: VersionRange,
  roster: Roster,
): Judgement {
  const theirs = { min: hello.versionMin, max: hello.versionMax };
  const version = commonVersion(versions, theirs);
  if (version === undefined) {
    return no(versionTrouble({ ...self, versions }, { nodeId: hello.nodeId, versions: theirs }));
  }
  if (hello.clusterId !== self.clusterId) return no(otherCluster(hello, self));
  if (hello.to !== self.nodeId) {
    return no(`this is ${self.nodeId}, not ${hello.to}: correct the addresses in raft.peers`);
  }
  if (hello.nodeId === self.nodeId) {
    return no(`${hello.nodeId} is this node's own raft.node_id: give each node another`);
  }
  if (!lists(roster, { id: self.nodeId, incarnation: self.incarnation })) {
    return no(`${self.nodeId} was removed from cluster ${self.clusterId}`);
  }
  if (!lists(roster, { id: hello.nodeId, incarnation: hello.incarnation })) {
    const outdated = hello.revision > roster.revision;
    return { ok: false, reason: strangerTrouble(hello, self, roster), outdated };
  }
  return { ok: true, version };
}

/** The dialler's half: `member` is whom it meant to reach. */
export function judgeWelcome(
  welcome: Welcome,
  self: Party,
  versions: VersionRange,
  member: Member,
): Judgement {
  if (welcome.clusterId !== self.clusterId) return no(otherCluster(welcome, self));
  if (welcome.nodeId !== member.id) {
    return no(
      `${welcome.nodeId} answers where ${member.id} should: correct the addresses in raft.peers`,
    );
  }
  if (welcome.incarnation !== member.incarnation) {
    return no(strangeIncarnation(member.id, welcome.incarnation, member.incarnation));
  }
  if (welcome.version < versions.min || welcome.version > versions.max) {
    return no(`${member.id} chose bus protocol ${welcome.version}, which was not offered`);
  }
  return { ok: true, version: welcome.version };
}

/** What to say of a known name with another incarnation, here and in formation. */
export function strangeIncarnation(nodeId: NodeId, found: string, known: string): string {
  return (
    `${nodeId} has incarnation ${found}, but the cluster knows it as ${known}: ` +
    `its data directory is another one; bring the old one back, or replace the member: ` +
    `tq-admin members replace`
  );
}

/** What is wrong with a node that has belonged to this cluster, if this node is up to date. */
export function strangerTrouble(
  stranger: Pick<Hello, "nodeId" | "incarnation" | "revision">,
  self: Pick<Party, "nodeId" | "clusterId">,
  roster: Roster,
): string {
  const { nodeId, incarnation, revision } = stranger;
  if (revision > roster.revision) {
    return (
      `${self.nodeId} does not know ${nodeId} yet: it knows the members of revision ` +
      `${roster.revision}, and ${nodeId} those of revision ${revision}`
    );
  }
  const known = roster.members.find((member) => member.id === nodeId);
  if (known === undefined) {
    return (
      `${nodeId} was removed from cluster ${self.clusterId}: to use it again, ` +
      `empty its persistence.data_dir and add it with tq-admin members add`
    );
  }
  return (
    `${nodeId} was replaced in cluster ${self.clusterId}: the member of that name has ` +
    `incarnation ${known.incarnation}, this one ${incarnation}; switch this one off`
  );
}

/** Whether the roster lists this node as it is now. */
export function lists(roster: Roster, member: Pick<Member, "id" | "incarnation">): boolean {
  return roster.members.some(
    (candidate) => candidate.id === member.id && candidate.incarnation === member.incarnation,
  );
}

/** Two nodes that have nothing to do with each other. */
export function otherCluster(
  other: Pick<Party, "nodeId" | "clusterId">,
  self: Pick<Party, "nodeId" | "clusterId">,
): string {
  return (
    `${other.nodeId} belongs to cluster ${other.clusterId}, ` +
    `${self.nodeId} to cluster ${self.clusterId}: correct raft.peers or the data directory`
  );
}

function no(reason: string): Judgement {
  return { ok: false, reason, outdated: false };
}
