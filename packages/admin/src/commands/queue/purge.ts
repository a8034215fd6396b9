/**
 * `tq-admin queue purge NAME`: cancels what has not ended and deletes all that has, dead tasks
 * too. The leader does the second when it is done with the first, so that nothing is left behind
 * but what is submitted meanwhile.
 */
import type { JobJson } from "task-queue-client";
import type { Command, Context } from "../../command.ts";
import { confirm } from "../../confirm.ts";
import { EXIT } from "../../exit-status.ts";
import { endOf } from "../../job-view.ts";
import { hasEnded } from "../../task-view.ts";
import { flagged, whole } from "../../values.ts";
import { JOB_TIMEOUT_MS, RATE_MAX } from "../dlq-bulk.ts";
import { queueName, withQueue } from "./get.ts";

export const queuePurge: Command = {
  usage: "purge <queue>",
  summary: "Cancel and delete all tasks of a queue for good",
  examples: [
    ["tq-admin queue purge mail --dry-run", "how many there are"],
    ["tq-admin queue drain mail && tq-admin queue purge mail -y", "and none come in meanwhile"],
  ],
  timeoutMs: () => JOB_TIMEOUT_MS,
  arguments: (parser) =>
    withQueue(parser)
      .option("dry-run", { type: "boolean", describe: "Only count them" })
      .option("per-second", { type: "string", describe: "Tasks a second at most" })
      .option("yes", { alias: "y", type: "boolean", describe: "Do not ask" }),
  async run(context) {
    const { client, out, args } = context;
    const queue = queueName(args);
    const perSecond = whole(args, "per-second", 1, RATE_MAX);
    const { live, ended } = await countsOf(context, queue);
    if (flagged(args, "dry-run")) {
      const sentence = `${live} tasks would be cancelled, and ${live + ended} deleted`;
      out.done({ queue, dry_run: true, cancelled: live, deleted: live + ended }, sentence);
      return EXIT.ok;
    }
    await confirm(context, `Cancel ${live} tasks of ${queue}, and delete all ${live + ended}?`);
    const options = { perSecond };
    const first = await client.jobs.start("cancel", { queue }, options);
    const second = await client.jobs.start("delete", { queue }, options);
    const cancelled = await endOf(context, first, live);
    return done(context, queue, [cancelled, await endOf(context, second, live + ended)]);
  },
};

async function countsOf({ client }: Context, name: string) {
  const { counts } = await client.queue(name).get();
  let live = 0;
  let ended = 0;
  for (const [state, count] of Object.entries(counts)) {
    if (hasEnded(state)) ended += count;
    else live += count;
  }
  return { live, ended };
}

function done({ out }: Context, queue: string, [first, second]: readonly [JobJson, JobJson]) {
  const calledOff = [first, second].find(({ state }) => state !== "done");
  const end = calledOff === undefined ? "" : ` before job ${calledOff.id} was called off`;
  const sentence = `${first.changed} tasks cancelled, ${second.changed} deleted${end}`;
  const value = { queue, dry_run: false, cancelled: first.changed, deleted: second.changed };
  out.done({ ...value, jobs: [first.id, second.id] }, sentence);
  return calledOff === undefined ? EXIT.ok : EXIT.no;
}
