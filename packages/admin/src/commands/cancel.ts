/** `tq-admin cancel ID`. */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { showTask } from "../task-view.ts";
import { taskId, text } from "../values.ts";

export const cancel: Command = {
  usage: "cancel <id>",
  summary: "Cancel a task, running or not",
  examples: [["tq-admin cancel ID --reason 'wrong customer'", "tell why; it is kept"]],
  arguments: (parser) =>
    parser
      .positional("id", { type: "string", describe: "The task's id", demandOption: true })
      .option("reason", { type: "string", describe: "Why, for the record" }),
  async run({ client, io, out, args }) {
    const task = await client.cancel(taskId(args), text(args, "reason"));
    showTask(out, task, io.now());
    return EXIT.ok;
  },
};
