/** `tq-admin cluster-status`: who leads, who follows, who is behind. Status 1 without a leader. */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { MEMBER_COLUMNS } from "../member-view.ts";

export const clusterStatus: Command = {
  usage: "cluster-status",
  summary: "Show the brokers and who leads; exit status 1 when nobody does",
  examples: [["tq-admin cluster-status -o json | jq -r .leader_id", "the leader's id"]],
  watchable: true,
  arguments: (parser) => parser,
  async run({ client, io, out }) {
    const cluster = await client.cluster();
    const healthy = cluster.members.filter((member) => member.healthy).length;
    out.item(cluster, () => [
      ["cluster", cluster.cluster_id],
      ["leader", cluster.leader_id ?? "none"],
      ["term", String(cluster.term)],
      ["members", `${healthy} of ${cluster.members.length} healthy`],
    ]);
    out.table(cluster.members, MEMBER_COLUMNS);
    if (cluster.leader_id !== null) return EXIT.ok;
    io.stderr("tq-admin: the cluster has no leader; a majority of its members must be up\n");
    return EXIT.no;
  },
};
