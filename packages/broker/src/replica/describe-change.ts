/** What the operator reads in the log when the roster has changed: a sentence for each change. */
import type { ClusterMember, Roster } from "./members.ts";
import { clusterVersionOf, isSameRange, versionsOf, versionsText } from "./versions.ts";

export function describeChange(before: Roster, after: Roster): string[] {
  const texts: string[] = [];
  for (const member of after.members) {
    const was = before.members.find((each) => each.id === member.id);
    const text = was === undefined ? describeJoin(member) : describeDifference(was, member);
    if (text !== undefined) texts.push(text);
  }
  for (const { id } of before.members) {
    if (!after.members.some((each) => each.id === id)) texts.push(`${id} was removed`);
  }
  const version = clusterVersionOf(after);
  if (version !== clusterVersionOf(before)) {
    texts.push(`the cluster works with version ${version} from now on`);
  }
  return texts;
}

function describeJoin({ id, voter, address }: ClusterMember): string {
  return `${id} joined as a ${voter ? "voter" : "learner"}, at ${address}`;
}

function describeDifference(was: ClusterMember, is: ClusterMember): string | undefined {
  if (was.incarnation !== is.incarnation) return `${is.id} was replaced by another node`;
  if (!was.voter && is.voter) return `${is.id} became a voter`;
  if (was.voter && !is.voter) return `${is.id} became a learner`;
  if (was.address !== is.address) return `${is.id} is reached at ${is.address} now`;
  if (was.bus !== is.bus) return `${is.id} is reached by other brokers at ${is.bus} now`;
  const versions = versionsOf(is);
  if (!isSameRange(versionsOf(was), versions))
    return `${is.id} knows ${versionsText(versions)} of the cluster now`;
  return undefined;
}
