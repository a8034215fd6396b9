/**
 * `tq-admin members replace`: a member's machine or disk is lost, and another one takes its name.
 * That is remove and add: the newcomer is another node to the cluster, with nothing of the old
 * one's promises. Breaks off between the two are mended by the same command again.
 */

import type { Command, Context } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { CliError, EXIT, explain } from "../../exit-status.ts";
import type { AdminClient } from "../../io.ts";
import { flagged, peerOf } from "../../values.ts";
import { addAndPromote, PROMOTE_MS } from "./add.ts";
import { consequence, described, FORCE } from "./remove.ts";

export const replaceMember: Command = {
  usage: "replace <peer>",
  summary: "Remove a member and add the node that takes its place, under the same id",
  examples: [
    ["tq-admin members replace node3@10.0.1.23:6379 --promote", "its machine is lost"],
    ["tq-admin members replace node3@10.0.1.13:6379 --promote --yes", "its disk is; in a script"],
  ],
  arguments: (parser) =>
    parser
      .positional("peer", {
        type: "string",
        describe: "ID@HOST:PORT[/BUSPORT] of the new node's worker port",
        demandOption: true,
      })
      .option("promote", { type: "boolean", describe: "Wait until it has caught up, then promote" })
      .option("force", { type: "boolean", describe: FORCE })
      .option("yes", { alias: "y", type: "boolean", describe: "Do not ask" })
      .option("timeout", { type: "string", describe: "How long at most [10s; 10m to promote]" })
      .epilogue("Stop the old node first; the new one must run, with an empty data directory."),
  timeoutMs: (args) => (args["promote"] === true ? PROMOTE_MS : undefined),
  async run(context) {
    const { client, io, timeoutMs } = context;
    const peer = peerOf(context.args);
    const until = io.now() + timeoutMs;
    await removeFirst(context, peer.id, until);
    try {
      await addAndPromote(context, peer, until);
    } catch (error) {
      if (await isMember(client, peer.id)) throw error;
      const { status, message } = explain(error);
      const how = `${peer.id} is removed, and its successor is not added; go on with`;
      throw new CliError(status, `${message}\n${how}: tq-admin members add ${peer.text}`, error);
    }
    return EXIT.ok;
  },
};

/** false also when nobody can tell: then it is as well to say how to go on. */
async function isMember(client: AdminClient, id: string): Promise<boolean> {
  const cluster = await client.cluster().catch(() => undefined);
  return cluster?.members.some((member) => member.id === id) === true;
}

async function removeFirst(context: Context, id: string, until: number): Promise<void> {
  const { client, io, args } = context;
  const before = await client.members.status({ deadlineMs: until - io.now() });
  const member = before.members.find((candidate) => candidate.id === id);
  if (member === undefined) {
    io.stderr(`tq-admin: ${id} is no member, so that there is nothing to remove\n`);
    return;
  }
  const running = member.healthy ? ` It still runs: stop it first.` : "";
  const question = `Replace ${described(member)}?${running} ${consequence(before, member)}`;
  await confirm(context, `${question} That lasts until the new node is promoted.`);
  const force = flagged(args, "force");
  await client.members.remove(id, { force, deadlineMs: until - io.now() });
  io.stderr(`tq-admin: ${id} was removed\n`);
}
