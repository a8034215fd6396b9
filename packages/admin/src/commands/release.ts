/** `tq-admin release ID`. */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { showTask } from "../task-view.ts";
import { taskId, text } from "../values.ts";

export const release: Command = {
  usage: "release <id>",
  summary: "End the lease of a running task that its worker will never report",
  examples: [
    ["tq-admin release ID", "it is pending again; no retry is used"],
    ["tq-admin release ID --token 17", "only if that run is still under way"],
  ],
  arguments: (parser) =>
    parser
      .positional("id", { type: "string", describe: "The task's id", demandOption: true })
      .option("token", { type: "string", describe: "The run's token: lease.token of get -o json" }),
  async run({ client, io, out, args }) {
    const task = await client.release(taskId(args), text(args, "token"));
    showTask(out, task, io.now());
    return EXIT.ok;
  },
};
