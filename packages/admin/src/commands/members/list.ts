/** `tq-admin members list`: who belongs to the cluster, and how far each one is. */
import { type ClusterJson, TqError } from "task-queue-client";
import type { Command, Context } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import { MEMBER_COLUMNS } from "../../member-view.ts";

/** Not finding the leader is no reason to keep somebody waiting who wants to see why. */
const LEADER_MS_MAX = 3_000;

export const listMembers: Command = {
  usage: "list",
  summary: "List the members: role, how far behind, healthy or not",
  examples: [
    ["tq-admin members list -o json | jq -r '.[] | select(.healthy | not).id'", "who is down"],
  ],
  arguments: (parser) => parser,
  async run(context) {
    const { members } = await view(context);
    await context.out.list(members, MEMBER_COLUMNS);
    return EXIT.ok;
  },
};

/** The leader's view, which has all figures; else that of the broker that answers. */
async function view({ client, io, timeoutMs }: Context): Promise<ClusterJson> {
  const nearest = await client.cluster();
  if (nearest.leader_id === nearest.node_id) return nearest;
  if (nearest.leader_id !== null) {
    try {
      return await client.members.status({ deadlineMs: Math.min(timeoutMs, LEADER_MS_MAX) });
    } catch (error) {
      if (!(error instanceof TqError)) throw error;
    }
  }
  const why = nearest.leader_id === null ? "there is no leader" : "the leader was not reached";
  io.stderr(`tq-admin: ${why}; this is what ${nearest.node_id} knows\n`);
  return nearest;
}
