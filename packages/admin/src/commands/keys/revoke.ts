/** `tq-admin keys revoke ID`. */
import type { Command } from "../../command.ts";
import { EXIT } from "../../exit-status.ts";
import { duration } from "../../values.ts";
import { idArgument, keyId } from "./options.ts";

export const keysRevoke: Command = {
  usage: "revoke <id>",
  summary: "End a key that the cluster keeps, on open connections too",
  examples: [
    ["tq-admin keys revoke ID", "keys list has the ids"],
    ["tq-admin keys revoke ID --grace 1h", "an hour from now"],
  ],
  arguments: (parser) =>
    idArgument(parser).option("grace", { type: "string", describe: "It is good for so long [0s]" }),
  async run({ client, out, args }) {
    const key = await client.keys.revoke(keyId(args), { graceMs: duration(args, "grace") ?? 0 });
    out.done(key, `key ${key.id} (${key.name}) ends at ${key.expires_at}`);
    return EXIT.ok;
  },
};
