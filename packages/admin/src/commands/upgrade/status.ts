/**
 * `tq-admin upgrade status`: which programs the members run, which versions of the cluster those
 * know, and whether the upgrade can be made final. Each member is asked itself what it runs: an
 * older one tells nobody else.
 */
import type { ClusterJson, MemberJson } from "task-queue-client";
import type { Command, Context } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import type { Column } from "../../output/table.ts";
import { prospectOf, supportText } from "../../version-view.ts";

/** One that does not answer by then is shown without the version that it runs. */
const ASK_MS_MAX = 3_000;

interface Row extends Pick<MemberJson, "id" | "role" | "healthy" | "supports"> {
  /** Of its program; empty: it did not answer. */
  readonly running: string;
  readonly knows: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "ID", text: (row) => row.id },
  { title: "ROLE", text: (row) => row.role },
  { title: "HEALTHY", text: (row) => (row.healthy ? "yes" : "no") },
  { title: "RUNNING", text: (row) => (row.running === "" ? "-" : row.running) },
  { title: "SUPPORTS", text: (row) => row.knows },
];

export const upgradeStatus: Command = {
  usage: "status",
  summary: "Show what the members run, and whether the upgrade can be finalized",
  examples: [["tq-admin upgrade status -o json | jq .finalize_to", "null: not now"]],
  arguments: (parser) => parser,
  async run(context) {
    const { client, out, timeoutMs } = context;
    const cluster = await client.members.status({ deadlineMs: timeoutMs });
    const rows = await Promise.all(cluster.members.map((member) => rowOf(member, context)));
    const { to, sentence } = prospectOf(cluster);
    const members = rows.map(({ knows: _, ...row }) => row);
    const { cluster_version } = cluster;
    out.item({ cluster_version, finalize_to: to ?? null, members, message: sentence }, () => [
      ["cluster works with", `version ${cluster_version}`],
      ["upgrade", sentence],
    ]);
    out.table(rows, COLUMNS);
    return EXIT.ok;
  },
};

async function rowOf(member: MemberJson, context: Context): Promise<Row> {
  const { id, role, healthy, supports = null } = member;
  const running = await versionOf(member, context);
  return { id, role, healthy, supports, running, knows: supportText(member) };
}

/** Asked at its own address; empty if it does not answer, or another one does. */
async function versionOf({ id, address, version }: MemberJson, context: Context): Promise<string> {
  if (version !== "") return version;
  const timeoutMs = Math.min(context.timeoutMs, ASK_MS_MAX);
  const client = context.connect(address, timeoutMs);
  try {
    const cluster: ClusterJson = await client.cluster();
    const own = cluster.members.find((member) => member.id === id);
    return cluster.node_id === id ? (own?.version ?? "") : "";
  } catch {
    return "";
  } finally {
    await client.close();
  }
}
