/** `tq-admin reschedule ID --at TIME | --in DURATION`. */
import type { Command } from "../command.ts";
import { CliError, EXIT } from "../exit-status.ts";
import { showTask } from "../task-view.ts";
import { duration, taskId, time } from "../values.ts";

export const reschedule: Command = {
  usage: "reschedule <id>",
  summary: "Give a task that waits another time",
  examples: [
    ["tq-admin reschedule ID --in 10m", "ten minutes from now"],
    ["tq-admin reschedule ID --in 0s", "now"],
  ],
  arguments: (parser) =>
    parser
      .positional("id", { type: "string", describe: "The task's id", demandOption: true })
      .option("at", { type: "string", describe: "When: 2030-01-31T08:00:00Z" })
      .option("in", { type: "string", describe: "From now: 30s, 10m" }),
  async run({ client, io, out, args }) {
    const id = taskId(args);
    const delayMs = duration(args, "in");
    const runAt = time(args, "at");
    const when = runAt === undefined ? undefined : { runAt };
    if ((when === undefined) === (delayMs === undefined)) {
      throw new CliError(EXIT.usage, "either --at or --in is needed, not both");
    }
    const task = await client.reschedule(id, when ?? { delayMs: delayMs ?? 0 });
    showTask(out, task, io.now());
    return EXIT.ok;
  },
};
