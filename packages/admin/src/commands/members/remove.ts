/** `tq-admin members remove`: after a look at what is left. */
import type { ClusterJson, MemberJson } from "task-queue-client";
import type { Command } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { EXIT } from "../../exit-status.ts";
import { memberOf, tolerance, votersOf } from "../../member-view.ts";
import { flagged, text } from "../../values.ts";

export const removeMember: Command = {
  usage: "remove <id>",
  summary: "Remove a member; shows what is left and asks first",
  examples: [
    ["tq-admin members remove node4", "asks on a terminal"],
    ["tq-admin members remove node4 --yes", "in a script"],
  ],
  arguments: (parser) =>
    parser
      .positional("id", { type: "string", describe: "The member's id", demandOption: true })
      .option("force", { type: "boolean", describe: FORCE })
      .option("yes", { alias: "y", type: "boolean", describe: "Do not ask" })
      .epilogue("A member that was removed stops; delete its data directory before it comes back."),
  async run(context) {
    const { client, out, args, timeoutMs } = context;
    const id = text(args, "id") ?? "";
    const before = await client.members.status({ deadlineMs: timeoutMs });
    const member = memberOf(before, id);
    await confirm(context, `Remove ${described(member)}? ${consequence(before, member)}`);
    const force = flagged(args, "force");
    const cluster = await client.members.remove(id, { force, deadlineMs: timeoutMs });
    const voters = votersOf(cluster).length;
    out.done({ id, removed: true, voters }, `${id} was removed; there are ${tolerance(voters)}`);
    return EXIT.ok;
  },
};

export const FORCE = "Even if those who stay might then not reach a majority";

/** `node3 (10.0.1.13:6379, follower, healthy)`. */
export function described({ id, address, role, healthy }: MemberJson): string {
  return `${id} (${address}, ${role}, ${healthy ? "healthy" : "not healthy"})`;
}

/** What the cluster is without it. */
export function consequence(cluster: ClusterJson, member: MemberJson): string {
  const voters = votersOf(cluster).length;
  if (member.role === "learner") return `It does not vote: there remain ${tolerance(voters)}.`;
  const handover = member.role === "leader" ? " It leads: another one will take over." : "";
  return `There remain ${tolerance(voters - 1)}, instead of ${tolerance(voters)}.${handover}`;
}
