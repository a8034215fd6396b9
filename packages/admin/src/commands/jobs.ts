/** `tq-admin jobs list|get|cancel|wait`: changes of many tasks at once. */
import type { Argv } from "yargs";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { followJob, jobColumns, showJob } from "../job-view.ts";
import { taskId } from "../values.ts";

export const jobsList: Command = {
  usage: "list",
  summary: "List jobs under way, and the newest that have ended",
  examples: [["tq-admin jobs list --watch", "until Ctrl-C"]],
  watchable: true,
  arguments: (parser) => parser,
  async run({ client, io, out }) {
    await out.list(await client.jobs.list(), jobColumns(io.now()));
    return EXIT.ok;
  },
};

export const jobsGet: Command = {
  usage: "get <id>",
  summary: "Show one job",
  examples: [["tq-admin jobs get ID -o json | jq .changed", "how far it is"]],
  watchable: true,
  arguments: withJob,
  async run(context) {
    showJob(context, await context.client.jobs.get(taskId(context.args)));
    return EXIT.ok;
  },
};

export const jobsWait: Command = {
  usage: "wait <id>",
  summary: "Look on until a job has ended",
  examples: [["tq-admin jobs wait ID && tq-admin queue-depth", "once it is done"]],
  arguments: withJob,
  async run(context) {
    return followJob(context, await context.client.jobs.get(taskId(context.args)));
  },
};

export const jobsCancel: Command = {
  usage: "cancel <id>",
  summary: "Let a job change no more tasks; what it has changed stays changed",
  examples: [["tq-admin jobs cancel ID", "jobs list has the ids"]],
  arguments: withJob,
  async run(context) {
    showJob(context, await context.client.jobs.cancel(taskId(context.args)));
    return EXIT.ok;
  },
};

function withJob(parser: Argv): Argv {
  return parser.positional("id", { type: "string", describe: "The job's id", demandOption: true });
}
