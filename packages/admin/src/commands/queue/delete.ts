/** `tq-admin queue delete NAME`: an empty queue goes with its settings. */
import type { Command } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import { queueName, withQueue } from "./get.ts";

export const queueDelete: Command = {
  usage: "delete <queue>",
  summary: "Delete a queue in which nothing is, finished tasks included",
  examples: [["tq-admin queue delete mail", "its settings, too; it must be empty"]],
  arguments: withQueue,
  async run({ client, out, args }) {
    const name = queueName(args);
    await client.queue(name).delete();
    out.done({ name, deleted: true }, `${name} is deleted`);
    return EXIT.ok;
  },
};
