/**
 * `tq-admin wait ready|leader`: for scripts that start brokers. `leader`: the cluster has one.
 * `ready`: the broker that answers serves reads and writes, having caught up.
 */
import type { ClusterJson } from "task-queue-client";
import type { Command, Context } from "../command.ts";
import { CliError, EXIT } from "../exit-status.ts";
import { duration, text } from "../values.ts";

const WAIT_MS = 60_000;
const PAUSE_MS = 200;

export const wait: Command = {
  usage: "wait <condition>",
  summary: "Wait until the broker is ready, or the cluster has a leader",
  examples: [["tq-admin wait ready --for 2m", "in a unit's ExecStartPost"]],
  patient: true,
  arguments: (parser) =>
    parser
      .positional("condition", {
        type: "string",
        choices: ["ready", "leader"],
        describe: "What to wait for",
        demandOption: true,
      })
      .option("for", { type: "string", describe: "How long at most [1m]" }),
  async run(context) {
    const { io, out, args } = context;
    const condition = text(args, "condition") === "leader" ? "leader" : "ready";
    const limitMs = duration(args, "for") ?? WAIT_MS;
    const end = io.now() + limitMs;
    let why = "no broker answered";
    while (io.now() < end) {
      const cluster = await ask(context);
      if (cluster !== undefined) {
        if (holds(cluster, condition)) {
          out.item({ [condition]: true, leader_id: cluster.leader_id }, () => [
            [condition, "yes"],
            ["leader", cluster.leader_id ?? "none"],
          ]);
          return EXIT.ok;
        }
        why = cluster.reason ?? "the cluster has no leader";
      }
      await io.sleep(PAUSE_MS);
    }
    throw new CliError(EXIT.temporary, `not ${condition} within ${limitMs} ms: ${why}`);
  },
};

/** What the broker tells of itself besides the cluster. */
type Answer = ClusterJson & { readonly ready?: boolean; readonly reason?: string };

async function ask({ client }: Context): Promise<Answer | undefined> {
  try {
    return await client.cluster();
  } catch {
    return undefined; // Not there yet: that is what this is waiting for.
  }
}

function holds(cluster: Answer, condition: "ready" | "leader"): boolean {
  if (cluster.leader_id === null) return false;
  return condition === "leader" || cluster.ready !== false;
}
