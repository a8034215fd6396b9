/**
 * `tq-admin wait ready|leader|caught-up`: for scripts that start brokers. `leader`: the cluster has
 * one. `ready`: the broker that was addressed serves reads and writes. `caught-up`: it has just
 * shown that it lacks nothing of what the leader had committed when it was asked.
 */
import type { ClusterJson } from "task-queue-client";
import type { Command, Context } from "../command.ts";
import { CliError, EXIT } from "../exit-status.ts";
import { text } from "../values.ts";

const CONDITIONS = ["ready", "leader", "caught-up"] as const;
type Condition = (typeof CONDITIONS)[number];

const WAIT_MS = 60_000;
const PAUSE_MS = 200;
const NO_ANSWER = "no broker answers";

export const wait: Command = {
  usage: "wait <condition>",
  summary: "Wait until the broker is ready or caught up, or the cluster has a leader",
  examples: [
    ["tq-admin wait ready --timeout 2m", "in a unit's ExecStartPost"],
    ["tq-admin --broker-addr node3:6379 wait caught-up", "before the next node is restarted"],
  ],
  patient: true,
  timeoutMs: () => WAIT_MS,
  arguments: (parser) =>
    parser
      .positional("condition", {
        type: "string",
        choices: CONDITIONS,
        describe: "What to wait for",
        demandOption: true,
      })
      .option("timeout", { type: "string", describe: "How long at most [60s]" })
      .epilogue("Exit status: 0 as soon as it is so, 1 when the time is over."),
  async run(context) {
    const { io, out, args, timeoutMs } = context;
    const condition = CONDITIONS.find((each) => each === text(args, "condition")) ?? "ready";
    const end = io.now() + timeoutMs;
    let why = NO_ANSWER;
    while (io.now() < end) {
      const answer = await ask(context, condition);
      if (typeof answer !== "string") {
        const { leader_id, node_id, applied_index } = answer;
        out.done(
          { [condition.replace("-", "_")]: true, leader_id, node_id, applied_index },
          condition === "leader" ? `${leader_id} leads` : `${node_id} is ${condition}`,
        );
        return EXIT.ok;
      }
      why = answer;
      await io.sleep(PAUSE_MS);
    }
    throw new CliError(EXIT.no, `not ${condition} within ${timeoutMs} ms: ${why}`);
  },
};

/** How things stand if the condition holds, else why it does not. */
async function ask({ client }: Context, condition: Condition): Promise<ClusterJson | string> {
  // Not being there yet is what this is waiting for.
  const cluster = await client.cluster().catch(() => undefined);
  if (cluster === undefined) return NO_ANSWER;
  if (cluster.leader_id === null) return cluster.reason ?? "the cluster has no leader";
  if (condition === "leader") return cluster;
  if (!cluster.ready) return cluster.reason ?? "the broker is not ready";
  if (condition === "caught-up") {
    // A linearizable read of this broker: it answers once it has applied what it lacked.
    const read = await client.stats().catch((error: Error) => error);
    if (read instanceof Error) return read.message;
  }
  return cluster;
}
