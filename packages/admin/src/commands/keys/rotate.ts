/**
 * `tq-admin keys rotate ID`: a new key in place of an old one. The new one is made and shown before
 * the old one is touched, so that whatever fails in between leaves two keys, and never none.
 */
import type { AccessKeyJson } from "task-queue-client";
import type { Command, Context } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { formatSpan } from "../../output/words.ts";
import { duration } from "../../values.ts";
import { linesOf } from "./create.ts";
import { expiryOf, idArgument, keyId } from "./options.ts";

const GRACE_MS = 3_600_000;

export const keysRotate: Command = {
  usage: "rotate <id>",
  summary: "Make a key with the same name and permissions, and let the old one end",
  examples: [["tq-admin keys rotate ID --grace 1d", "a day to change what uses it"]],
  arguments: (parser) =>
    idArgument(parser)
      .option("grace", { type: "string", describe: "The old one is good for so long [1h]" })
      .option("expires", { type: "string", describe: "So is the new one [as the old one was]" }),
  async run(context) {
    const { client, out, args } = context;
    const graceMs = duration(args, "grace") ?? GRACE_MS;
    const expiresInMs = expiryOf(args);
    const old = await activeKey(context);
    const made = await client.keys.create({
      name: old.name,
      permissions: old.permissions,
      expiresInMs: expiresInMs ?? lifetimeMs(old),
    });
    out.lines(made, () => linesOf(made));
    await client.keys.revoke(old.id, { graceMs }).catch((error: Error) => {
      const what = `the new key is good, and the old one was not revoked: ${error.message}`;
      const advice = `tq-admin keys revoke ${old.id} ends it`;
      throw new CliError(EXIT.unavailable, `${what}; ${advice}`, error);
    });
    if (out.format === "table") {
      out.lines({}, () => ["", `The old key ${old.id} ends in ${formatSpan(graceMs)}.`]);
    }
    return EXIT.ok;
  },
};

async function activeKey({ client, args }: Context): Promise<AccessKeyJson> {
  const id = keyId(args);
  const key = (await client.keys.list()).find((each) => each.id === id);
  if (key === undefined) {
    throw new CliError(EXIT.notFound, `there is no key ${id}; see keys list`);
  }
  if (key.state === "active") return key;
  throw new CliError(EXIT.no, `key ${id} is ${key.state}; keys create makes another one`);
}

/** undefined: it never expires. */
function lifetimeMs({ created_at, expires_at }: AccessKeyJson): number | undefined {
  return expires_at === undefined ? undefined : Date.parse(expires_at) - Date.parse(created_at);
}
