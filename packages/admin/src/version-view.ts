/**
 * What the cluster works with, what its members' programs know, and what follows from both: whether
 * an upgrade can be made final, and what stands in its way.
 */
import type { ClusterJson, MemberJson } from "task-queue-client";

type Range = NonNullable<MemberJson["supports"]>;

/** Of a program that says nothing of versions, or whose leader does not pass it on. */
const FIRST: Range = { min: 1, max: 1 };

export interface Prospect {
  /** To which version the cluster can go now; undefined: to none beyond its own. */
  readonly to: number | undefined;
  /** One sentence: what can be done, or why nothing can. */
  readonly sentence: string;
}

function knownBy(member: MemberJson): Range {
  return member.supports ?? FIRST;
}

/** `1 to 2`; `1 (never said)` of a program that is older than versions. */
export function supportText(member: MemberJson): string {
  const { min, max } = knownBy(member);
  if (member.supports == null) return `${max} (never said)`;
  return min === max ? `${max}` : `${min} to ${max}`;
}

/** The highest version that the program of the leader knows. */
function knownByLeader({ members, leader_id }: ClusterJson): number {
  const leader = members.find(({ id }) => id === leader_id);
  return leader === undefined ? FIRST.max : knownBy(leader).max;
}

/** No member knows more than what the cluster works with. */
export function isFinal({ cluster_version: present, members }: ClusterJson): boolean {
  return members.every((member) => knownBy(member).max <= present);
}

export function prospectOf(cluster: ClusterJson): Prospect {
  const { cluster_version: present, members, leader_id } = cluster;
  const common = Math.min(...members.map((member) => knownBy(member).max));
  const leaders = knownByLeader(cluster);
  if (common > present && leaders >= common) {
    const advice = "tq-admin upgrade finalize, once nobody wants to go back";
    return { to: common, sentence: `every member knows version ${common}: ${advice}` };
  }
  if (isFinal(cluster)) {
    const sentence = `there is nothing to finalize: no member knows more than version ${present}`;
    return { to: undefined, sentence };
  }
  if (leaders <= present) {
    const who = `${leader_id ?? "the leader"} leads, and knows nothing later`;
    const advice = "upgrade it as well, or tq-admin transfer-leadership to one that is newer";
    return { to: undefined, sentence: `not yet: ${who}; ${advice}` };
  }
  const behind = members.filter((member) => knownBy(member).max <= present).map(({ id }) => id);
  const sentence = `not yet: ${behind.join(", ")} must run a newer tq-broker first`;
  return { to: undefined, sentence };
}
