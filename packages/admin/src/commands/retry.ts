/** `tq-admin retry ID`. */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { showTask } from "../task-view.ts";
import { taskId } from "../values.ts";

export const retry: Command = {
  usage: "retry <id>",
  summary: "Start a dead or cancelled task again, with a fresh retry budget",
  examples: [["tq-admin retry ID", "the task is pending again"]],
  arguments: (parser) =>
    parser.positional("id", { type: "string", describe: "The task's id", demandOption: true }),
  async run({ client, io, out, args }) {
    showTask(out, await client.retry(taskId(args)), io.now());
    return EXIT.ok;
  },
};
