/**
 * A formation that another node has sent, checked before anything is believed: it says whom this
 * node will dial and let in.
 */
import type { ClusterMember, Formation, Member } from "../ports.ts";
import { MEMBERS_MAX, NODE_ID_BYTES_MAX } from "./limits.ts";
import { isHostPort } from "./peers.ts";
import type { FormationDocument } from "./raft-service.ts";

/** The document makes no sense; the message says what of it. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
}

/** The formation with its members in the order of their ids. Throws `DocumentError`. */
export function readFormation(document: FormationDocument): Formation {
  const { clusterId, revision, members } = document;
  if (clusterId === "") throw new DocumentError("a document without a cluster id");
  if (!Number.isSafeInteger(revision)) throw new DocumentError(`a document of no revision`);
  if (members.length < 1 || members.length > MEMBERS_MAX) {
    throw new DocumentError(`a document of ${members.length} members`);
  }
  const read = members.map(readClusterMember).sort(byId);
  read.forEach(({ id }, i) => {
    if (read[i + 1]?.id === id) throw new DocumentError(`a document that lists ${id} twice`);
  });
  return { clusterId, revision, members: read };
}

/** The order in which members are listed, everywhere. */
export function byId(one: { readonly id: string }, other: { readonly id: string }): number {
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
}

function readClusterMember(member: ClusterMember): ClusterMember {
  return { ...readMember(member), voter: member.voter };
}

/** A node as another one names it. Throws `DocumentError`. */
export function readMember({ id, incarnation, bus, address }: Member): Member {
  const name = JSON.stringify(id.slice(0, NODE_ID_BYTES_MAX));
  if (id === "" || Buffer.byteLength(id) > NODE_ID_BYTES_MAX) {
    throw new DocumentError(`${name} is no node id`);
  }
  if (incarnation === "") throw new DocumentError(`member ${name} has no incarnation`);
  for (const [what, text] of Object.entries({ bus, address })) {
    if (!isHostPort(text)) throw new DocumentError(`the ${what} of member ${name} is no host:port`);
  }
  return { id, incarnation, bus, address };
}
