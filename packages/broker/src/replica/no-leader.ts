/** What whoever asks something of a leader is told by a node that does not lead. */
import type { Raft } from "task-queue-raft";
import type { ClusterMember } from "./members.ts";
import type { ChangeOutcome } from "./output.ts";

export function noLeader(
  raft: Pick<Raft, "leader" | "id">,
  members: readonly ClusterMember[],
): Extract<ChangeOutcome, { kind: "refused" }> {
  const leader = members.find((each) => each.id === raft.leader);
  const message =
    leader === undefined || leader.id === raft.id
      ? "no leader is known at the moment; try again"
      : `${raft.id} does not lead; ask ${leader.id} at ${leader.address}`;
  return { kind: "refused", code: "no_leader", message };
}
