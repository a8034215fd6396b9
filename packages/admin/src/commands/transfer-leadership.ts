/** `tq-admin transfer-leadership`: the leader hands over, without a failed request. */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { memberOf } from "../member-view.ts";
import { text } from "../values.ts";

export const transferLeadership: Command = {
  usage: "transfer-leadership",
  summary: "Hand leadership over to another member; requests wait meanwhile and do not fail",
  examples: [
    ["tq-admin transfer-leadership", "to the one that is the furthest"],
    ["tq-admin transfer-leadership --to node2", "to this one"],
  ],
  arguments: (parser) =>
    parser.option("to", { type: "string", describe: "Id of the member that is to lead" }),
  async run({ client, out, args, timeoutMs }) {
    const to = text(args, "to");
    const before = await client.members.status({ deadlineMs: timeoutMs });
    if (to !== undefined) memberOf(before, to);
    const after = await client.members.transferLeadership({ to, deadlineMs: timeoutMs });
    const { leader_id, term } = after;
    const previous = before.leader_id;
    const sentence =
      leader_id === previous
        ? `${leader_id} was the leader already`
        : `${leader_id ?? to ?? "another member"} leads now; before, it was ${previous}`;
    out.done({ leader_id, previous_leader_id: previous, term }, sentence);
    return EXIT.ok;
  },
};
