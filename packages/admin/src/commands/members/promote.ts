/** `tq-admin members promote`: a learner becomes a voter. */
import type { Command } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import { memberOf, tolerance, votersOf } from "../../member-view.ts";
import { flagged, text } from "../../values.ts";

export const promoteMember: Command = {
  usage: "promote <id>",
  summary: "Make a learner a voter; it must have caught up",
  examples: [["tq-admin members promote node4", "it votes from then on"]],
  arguments: (parser) =>
    parser
      .positional("id", { type: "string", describe: "The member's id", demandOption: true })
      .option("force", { type: "boolean", describe: "Even if it has not caught up" }),
  async run({ client, out, args, timeoutMs }) {
    const id = text(args, "id") ?? "";
    const before = await client.members.status({ deadlineMs: timeoutMs });
    if (memberOf(before, id).role !== "learner") {
      const voters = votersOf(before).length;
      out.done({ id, role: "voter", voters }, `${id} was a voter already`);
      return EXIT.ok;
    }
    const force = flagged(args, "force");
    const cluster = await client.members.promote(id, { force, deadlineMs: timeoutMs });
    const voters = votersOf(cluster).length;
    out.done({ id, role: "voter", voters }, `${id} votes now; there are ${tolerance(voters)}`);
    return EXIT.ok;
  },
};
