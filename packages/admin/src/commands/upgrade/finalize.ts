/** `tq-admin upgrade finalize`: the cluster works with a later version from now on, for ever. */
import type { ClusterJson } from "task-queue-client";
import type { Command } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { whole } from "../../values.ts";
import { isFinal, prospectOf } from "../../version-view.ts";

const VERSION_MAX = 1_000_000;

export const upgradeFinalize: Command = {
  usage: "finalize",
  summary: "Let the cluster work with what all its members know by now; there is no way back",
  examples: [
    ["tq-admin upgrade finalize", "asks on a terminal"],
    ["tq-admin upgrade finalize --yes", "in a script"],
  ],
  arguments: (parser) =>
    parser
      .option("to", { type: "string", describe: "The version [the highest that all know]" })
      .option("yes", { alias: "y", type: "boolean", describe: "Do not ask" })
      .epilogue("Members that are down count by what they have last said. See docs/upgrades.md."),
  async run(context) {
    const { client, out, args, timeoutMs } = context;
    const before = await client.members.status({ deadlineMs: timeoutMs });
    const present = before.cluster_version;
    const to = whole(args, "to", 1, VERSION_MAX) ?? target(before);
    if (to === present) {
      const words = `the cluster works with version ${present} already`;
      out.done({ cluster_version: present, previous_cluster_version: present }, words);
      return EXIT.ok;
    }
    await confirm(context, question(present, to));
    const { cluster_version } = await client.members.raiseVersion({ to, deadlineMs: timeoutMs });
    const sentence = `the cluster works with version ${cluster_version} now; it was ${present}`;
    out.done({ cluster_version, previous_cluster_version: present }, sentence);
    return EXIT.ok;
  },
};

/** Throws status 1, with the reason, when some member is not ready for any. */
function target(cluster: ClusterJson): number {
  const { to, sentence } = prospectOf(cluster);
  if (to !== undefined) return to;
  if (isFinal(cluster)) return cluster.cluster_version;
  throw new CliError(EXIT.no, sentence);
}

function question(from: number, to: number): string {
  return (
    `Let the cluster work with version ${to} instead of ${from}? A tq-broker that does not know ` +
    `version ${to} cannot run in it from then on, nor use its data directories. ` +
    "There is no way back."
  );
}
