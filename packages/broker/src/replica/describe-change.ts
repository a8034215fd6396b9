/** What the operator reads in the log when members have changed: a sentence for each of them. */
import type { ClusterMember } from "./members.ts";

export function describeChange(
  before: readonly ClusterMember[],
  after: readonly ClusterMember[],
): string[] {
  const texts: string[] = [];
  for (const member of after) {
    const was = before.find((each) => each.id === member.id);
    const text = was === undefined ? describeJoin(member) : describeDifference(was, member);
    if (text !== undefined) texts.push(text);
  }
  for (const { id } of before) {
    if (!after.some((each) => each.id === id)) texts.push(`${id} was removed`);
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
  return undefined;
}
