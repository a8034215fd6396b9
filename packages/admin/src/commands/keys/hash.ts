/**
 * `tq-admin keys hash`: the bcrypt hash of an API key, and what a broker's file says to let its
 * holder in. No broker is asked. The key comes from standard input or is made here; as an argument
 * everybody on the machine could see it.
 */
import { randomBytes } from "node:crypto";
import bcrypt from "bcrypt";
import { KEY_BYTES_MAX } from "task-queue-protocol";
import type { Command } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import type { Io } from "../../io.ts";
import { flagged, whole } from "../../values.ts";
import { nameOf, permissionOption, permissionsOf } from "./options.ts";

/** Brokers refuse more: each check takes twice as long for each step. */
const COST = { least: 10, most: 12 } as const;
const GENERATED_BYTES = 32;

export const keysHash: Command = {
  usage: "hash",
  summary: "Hash an API key from standard input, for auth.api_keys of the brokers' files",
  examples: [
    ["tq-admin keys hash --generate --name shop", "make a key for an application"],
    ["tq-admin keys hash --permission admin < api_key.txt", "of a key that you have"],
  ],
  arguments: (parser) =>
    permissionOption(parser)
      .option("generate", { type: "boolean", describe: "Make a random key, and show it once" })
      .option("name", { type: "string", describe: "Name of the key in logs and refusals" })
      .option("cost", { type: "string", describe: "Work that a guess takes: 10 to 12 [10]" }),
  async run({ io, out, args }) {
    const name = nameOf(args);
    const cost = whole(args, "cost", COST.least, COST.most) ?? COST.least;
    const permissions = permissionsOf(args);
    const made = flagged(args, "generate") ? generate() : undefined;
    const key_hash = bcrypt.hashSync(made ?? readKey(io), cost);
    const key = { ...(name === undefined ? {} : { name }), key_hash, permissions };
    const shown = made === undefined ? [] : [`key: ${made}`, "Keep it: it is shown this once.", ""];
    out.lines({ ...(made === undefined ? {} : { key: made }), ...key }, () => [
      ...shown,
      ...snippet(name, key_hash, permissions),
    ]);
    return EXIT.ok;
  },
};

/** The prefix tells whoever finds one in a file what it is. */
function generate(): string {
  return `tq_${randomBytes(GENERATED_BYTES).toString("base64url")}`;
}

/** A line's end belongs to the file, not to the key. */
function readKey(io: Io): string {
  if (io.canAsk) {
    throw new CliError(EXIT.usage, "pipe the key into standard input, or say --generate");
  }
  const key = io.readStdin().replace(/\r?\n$/, "");
  const bytes = Buffer.byteLength(key);
  if (key === "") throw new CliError(EXIT.data, "standard input is empty: there is no key");
  if (bytes > KEY_BYTES_MAX) {
    const why = `bcrypt looks at ${KEY_BYTES_MAX} alone`;
    throw new CliError(EXIT.data, `the key has ${bytes} bytes, and ${why}: take a shorter one`);
  }
  if (!/\p{Control}/u.test(key) && key === key.trim()) return key;
  const rule = "it must be one line without control characters, and without spaces at its ends";
  throw new CliError(EXIT.data, `the key could not be sent in a header: ${rule}`);
}

function snippet(
  name: string | undefined,
  hash: string,
  permissions: readonly string[],
): readonly string[] {
  return [
    "auth:",
    "  enabled: true",
    "  api_keys:",
    name === undefined ? `    - key_hash: "${hash}"` : `    - name: ${name}`,
    ...(name === undefined ? [] : [`      key_hash: "${hash}"`]),
    `      permissions: [${permissions.map((each) => JSON.stringify(each)).join(", ")}]`,
  ];
}
