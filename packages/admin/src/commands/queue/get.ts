/** `tq-admin queue get NAME`. */
import type { Argv } from "yargs";
import type { Arguments, Command } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { text } from "../../values.ts";
import { showQueue } from "./view.ts";

export const queueGet: Command = {
  usage: "get <queue>",
  summary: "Show one queue: tasks by state, settings, paused or draining",
  examples: [["tq-admin queue get mail -o json | jq .settings", "to be edited and set again"]],
  arguments: withQueue,
  async run({ client, out, args }) {
    showQueue(out, await client.queue(queueName(args)).get());
    return EXIT.ok;
  },
};

export function withQueue(parser: Argv): Argv {
  return parser.positional("queue", {
    type: "string",
    describe: "The queue's name",
    demandOption: true,
  });
}

export function queueName(args: Arguments): string {
  const name = text(args, "queue") ?? "";
  if (/^[A-Za-z0-9._:-]{1,200}$/.test(name)) return name;
  const allowed = "1 to 200 of A-Z a-z 0-9 . _ : -";
  throw new CliError(EXIT.usage, `"${name}" is not the name of a queue; allowed are ${allowed}`);
}
