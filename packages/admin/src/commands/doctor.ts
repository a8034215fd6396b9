/** `tq-admin doctor`: what is amiss, and what to do about it. Status 1 when it is serious. */
import type { Command } from "../command.ts";
import { examineCluster, examineWork, type Finding } from "../diagnosis.ts";
import { EXIT } from "../exit-status.ts";
import type { Column } from "../output/table.ts";

const COLUMNS: readonly Column<Finding>[] = [
  { title: "CHECK", text: ({ check }) => check },
  { title: "VERDICT", text: ({ verdict }) => verdict },
  { title: "FOUND", text: ({ found }) => found },
  { title: "WHAT TO DO", text: ({ advice }) => advice },
];

export const doctor: Command = {
  usage: "doctor",
  summary: "Say what is amiss in the cluster, and what to do about it",
  examples: [
    ["tq-admin doctor", "at the beginning of every search"],
    ["tq-admin doctor -o json | jq '.[] | select(.verdict != \"ok\")'", "what is amiss alone"],
  ],
  arguments: (parser) =>
    parser.epilogue("Exit status: 1 when the cluster does not serve, or one loss more ends that."),
  watchable: true,
  async run({ client, io, out }) {
    const cluster = await client.cluster();
    const findings = examineCluster(cluster);
    // Without a leader nobody can tell.
    if (cluster.leader_id !== null) {
      const [queues, workers] = [await client.queues(), await client.workers()];
      findings.push(...examineWork(queues, workers, io.now()));
    }
    await out.list(findings, COLUMNS);
    return findings.some(({ verdict }) => verdict === "fail") ? EXIT.no : EXIT.ok;
  },
};
