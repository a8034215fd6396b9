/** `tq-admin get ID`. */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { showTask } from "../task-view.ts";
import { taskId } from "../values.ts";

export const get: Command = {
  usage: "get <id>",
  summary: "Show one task with its payload, result and attempts",
  examples: [["tq-admin get ID -o json", "everything that is known of it"]],
  arguments: (parser) =>
    parser.positional("id", { type: "string", describe: "The task's id", demandOption: true }),
  async run({ client, io, out, args }) {
    showTask(out, await client.get(taskId(args)), io.now());
    return EXIT.ok;
  },
};
