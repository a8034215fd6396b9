/**
 * A formation that another node has sent, checked before anything is believed: it says whom this
 * node will dial and let in.
 */
import type { ClusterMember, Formation, Member, VersionRange } from "../ports.ts";
import { MEMBERS_MAX, NODE_ID_BYTES_MAX } from "./limits.ts";
import { isHostPort } from "./peers.ts";
import type { FormationDocument } from "./raft-service.ts";

/** That of every cluster that says nothing of it, and all that a node knows that says nothing. */
export const FIRST_VERSION = 1;

/** What is absent may come as null. */
type MemberFromWire = Omit<Member, "versions"> & { readonly versions?: VersionRange | null };

/** The document makes no sense; the message says what of it. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
}

/** The formation with its members in the order of their ids. Throws `DocumentError`. */
export function readFormation(document: FormationDocument): Formation {
  const { clusterId, revision, members, clusterVersion = 0 } = document;
  if (clusterId === "") throw new DocumentError("a document without a cluster id");
  if (!Number.isSafeInteger(revision)) throw new DocumentError(`a document of no revision`);
  if (members.length < 1 || members.length > MEMBERS_MAX) {
    throw new DocumentError(`a document of ${members.length} members`);
  }
  const read = members.map(readClusterMember).sort(byId);
  read.forEach(({ id }, i) => {
    if (read[i + 1]?.id === id) throw new DocumentError(`a document that lists ${id} twice`);
  });
  return formationOf({ clusterId, revision, members: read }, clusterVersion);
}

/** As it is written where it tells of no version: the first one is not named. */
export function formationOf(
  plain: Omit<Formation, "clusterVersion">,
  clusterVersion: number,
): Formation {
  return clusterVersion > FIRST_VERSION ? { ...plain, clusterVersion } : plain;
}

/** The order in which members are listed, everywhere. */
export function byId(one: { readonly id: string }, other: { readonly id: string }): number {
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
}

function readClusterMember(member: ClusterMember): ClusterMember {
  return { ...readMember(member), voter: member.voter };
}

/** A node as another one names it. Throws `DocumentError`. */
export function readMember(named: MemberFromWire): Member {
  const { id, incarnation, bus, address, versions } = named;
  const name = JSON.stringify(id.slice(0, NODE_ID_BYTES_MAX));
  if (id === "" || Buffer.byteLength(id) > NODE_ID_BYTES_MAX) {
    throw new DocumentError(`${name} is no node id`);
  }
  if (incarnation === "") throw new DocumentError(`member ${name} has no incarnation`);
  for (const [what, text] of Object.entries({ bus, address })) {
    if (!isHostPort(text)) throw new DocumentError(`the ${what} of member ${name} is no host:port`);
  }
  const member = { id, incarnation, bus, address };
  if (versions == null) return member;
  const { min, max } = versions;
  if (!(min >= FIRST_VERSION && min <= max)) {
    throw new DocumentError(`member ${name} knows versions ${min} to ${max}`);
  }
  return { ...member, versions: { min, max } };
}
