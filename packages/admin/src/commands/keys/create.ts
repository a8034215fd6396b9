/** `tq-admin keys create`: a key that the cluster keeps, shown this once. */
import type { CreatedKeyJson } from "task-queue-client";
import type { Command } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { expiryOf, nameOf, permissionOption, permissionsOf } from "./options.ts";

export const keysCreate: Command = {
  usage: "create",
  summary: "Make a key that the cluster keeps, in force at once on every broker",
  examples: [
    ["tq-admin keys create --name shop", "for an application"],
    [
      "tq-admin keys create --name worker-7 --permission process_tasks --expires 90d",
      "for a worker, and for 90 days",
    ],
  ],
  arguments: (parser) =>
    permissionOption(parser)
      .option("name", { type: "string", describe: "Name of the key in lists, logs and refusals" })
      .option("expires", { type: "string", describe: "How long it is good: 12h, 90d [for ever]" }),
  async run({ client, out, args }) {
    const name = nameOf(args);
    if (name === undefined) throw new CliError(EXIT.usage, "--name is needed");
    const permissions = permissionsOf(args);
    const made = await client.keys.create({
      name,
      permissions,
      expiresInMs: expiryOf(args),
    });
    out.lines(made, () => linesOf(made));
    return EXIT.ok;
  },
};

export function linesOf({ key, id, expires_at = "never" }: CreatedKeyJson): readonly string[] {
  return [
    `key: ${key}`,
    "Keep it: it is shown this once.",
    "",
    `id: ${id}`,
    `expires: ${expires_at}`,
  ];
}
