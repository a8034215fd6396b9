/** `tq-admin keys list`. */
import type { Command } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";

export const keysList: Command = {
  usage: "list",
  summary: "List the keys that the cluster keeps",
  examples: [["tq-admin keys list", "those of the brokers' files are not among them"]],
  watchable: true,
  arguments: (parser) => parser,
  async run({ client, out }) {
    await out.list(await client.keys.list(), [
      { title: "ID", text: ({ id }) => id },
      { title: "NAME", text: ({ name }) => name },
      { title: "STATE", text: ({ state }) => state },
      { title: "PERMISSIONS", text: ({ permissions }) => permissions.join(",") },
      { title: "CREATED", text: ({ created_at }) => created_at },
      { title: "BY", text: ({ created_by }) => created_by },
      { title: "EXPIRES", text: ({ expires_at = "never" }) => expires_at },
    ]);
    return EXIT.ok;
  },
};
