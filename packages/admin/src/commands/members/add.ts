/** `tq-admin members add`: a node becomes a learner and, if wanted, a voter once it can be one. */
import type { Command, Context } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import { tolerance, votersOf } from "../../member-view.ts";
import { flagged, peerOf } from "../../values.ts";
import { promoteWhenCaughtUp } from "./promotion.ts";

/** Copying a large state takes its time. */
export const PROMOTE_MS = 600_000;

export const addMember: Command = {
  usage: "add <peer>",
  summary: "Add a node: first as a learner, which gets the log and does not vote",
  examples: [
    ["tq-admin members add node4@10.0.1.14:6379", "as a learner"],
    ["tq-admin members add node4@10.0.1.14:6379 --promote", "and as a voter once it has caught up"],
    ["tq-admin members add node4@10.0.1.14:7000/17500", "where raft.port moved the bus"],
  ],
  arguments: (parser) =>
    parser
      .positional("peer", {
        type: "string",
        describe: "ID@HOST:PORT[/BUSPORT] of its worker port, as in raft.peers",
        demandOption: true,
      })
      .option("promote", { type: "boolean", describe: "Wait until it has caught up, then promote" })
      .option("timeout", { type: "string", describe: "How long at most [10s; 10m to promote]" })
      .epilogue(PREPARATION),
  timeoutMs: (args) => (args["promote"] === true ? PROMOTE_MS : undefined),
  async run(context) {
    const peer = peerOf(context.args);
    await addAndPromote(context, peer, context.io.now() + context.timeoutMs);
    return EXIT.ok;
  },
};

/** Adds it and says what happened; promotes it too if the command line wants that. */
export async function addAndPromote(
  context: Context,
  peer: { readonly id: string; readonly text: string },
  until: number,
): Promise<void> {
  const { client, io, out, args } = context;
  const { id } = peer;
  const added = await client.members.add(peer.text, { deadlineMs: until - io.now() });
  if (!flagged(args, "promote")) {
    const next = `promote it once it has caught up: tq-admin members promote ${id}`;
    out.done({ id, role: "learner" }, `${id} is a learner now, which does not vote; ${next}`);
    return;
  }
  io.stderr(`tq-admin: ${id} is a learner now; waiting until it has caught up\n`);
  const cluster = await promoteWhenCaughtUp(context, id, until, added);
  const voters = votersOf(cluster).length;
  out.done({ id, role: "voter", voters }, `${id} votes now; there are ${tolerance(voters)}`);
}

const PREPARATION = [
  "The node must run already: with an empty persistence.data_dir, raft.enabled: true, its own",
  "raft.node_id, and raft.peers naming members of this cluster. It waits until it is added.",
].join("\n");
