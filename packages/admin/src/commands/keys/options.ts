/** What the verbs about keys are told alike. */
import { PERMISSIONS, type Permission } from "task-queue-protocol";
import type { Argv } from "yargs";
import type { Arguments } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { duration, text, texts, wrong } from "../../values.ts";

/** What an application needs. */
const DEFAULT_PERMISSIONS: readonly Permission[] = ["submit_tasks", "read_tasks", "cancel_tasks"];
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const ID = /^[0-9a-f]{32}$/;
const DAY_MS = 86_400_000;
/** Brokers refuse more. */
const EXPIRY_DAYS_MAX = 3_650;
const WHOLE = /^tq_([0-9a-f]{32})_/;

export function permissionOption(parser: Argv): Argv {
  return parser.option("permission", {
    type: "string",
    array: true,
    choices: PERMISSIONS,
    coerce: (given: readonly string[]) => given.flatMap((each) => each.split(",")),
    describe: `What it permits; repeatable, or with commas [${DEFAULT_PERMISSIONS.join(", ")}]`,
  });
}

export function permissionsOf(args: Arguments): readonly Permission[] {
  const given = [...new Set(texts(args, "permission"))];
  if (given.length === 0) return DEFAULT_PERMISSIONS;
  return given.flatMap((each) => PERMISSIONS.filter((known) => known === each));
}

export function nameOf(args: Arguments): string | undefined {
  const name = text(args, "name");
  if (name === undefined || NAME.test(name)) return name;
  throw new CliError(EXIT.usage, `--name: "${name}" is not 1 to 64 of A-Z a-z 0-9 . _ -`);
}

/** undefined: it never expires. */
export function expiryOf(args: Arguments): number | undefined {
  const ms = duration(args, "expires");
  if (ms === undefined || (ms >= 1 && ms <= EXPIRY_DAYS_MAX * DAY_MS)) return ms;
  throw wrong("expires", String(args["expires"]), `more than 0 and at most ${EXPIRY_DAYS_MAX}d`);
}

export function idArgument(parser: Argv): Argv {
  return parser.positional("id", {
    type: "string",
    describe: "The key's id, as keys list shows it",
    demandOption: true,
  });
}

/** What was given is not repeated: it may be a secret. */
export function keyId(args: Arguments): string {
  const id = text(args, "id") ?? "";
  if (ID.test(id)) return id;
  const within = WHOLE.exec(id)?.[1];
  if (within === undefined) throw new CliError(EXIT.usage, "an id of a key is 32 hex digits");
  throw new CliError(EXIT.usage, `this is a whole key, which belongs nowhere; its id is ${within}`);
}
