/**
 * All verbs with their arguments as data, for whatever describes them elsewhere: completion and
 * manual. The verbs declare their arguments to a parser; here a parser that only takes notes.
 */
import type { Argv } from "yargs";
import type { Command } from "./command.ts";
import { COMMANDS, GROUPS } from "./commands/index.ts";
import { argumentsOf, globalOptions } from "./parse.ts";

export interface Flag {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly describe: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

export interface Positional {
  readonly name: string;
  readonly describe: string;
  readonly choices: readonly string[];
}

export interface Declared {
  readonly flags: readonly Flag[];
  readonly positionals: readonly Positional[];
  /** What the help ends with. */
  readonly epilogue: string;
}

export interface Verb extends Declared {
  /** undefined: the verb stands alone. */
  readonly group: string | undefined;
  readonly name: string;
  readonly command: Command;
}

export interface VerbTable {
  /** What every verb takes. */
  readonly globals: Declared;
  readonly groups: readonly { readonly name: string; readonly summary: string }[];
  /** In the order of the help. */
  readonly verbs: readonly Verb[];
}

export function verbTable(): VerbTable {
  const alone = COMMANDS.map((command) => verbOf(undefined, command));
  const grouped = GROUPS.flatMap(({ name, commands }) => {
    return commands.map((command) => verbOf(name, command));
  });
  return { globals: declaredBy(globalOptions), groups: GROUPS, verbs: [...alone, ...grouped] };
}

function verbOf(group: string | undefined, command: Command): Verb {
  const declared = declaredBy((parser) => argumentsOf(command, parser));
  return { group, name: command.usage.split(" ", 1)[0] ?? "", command, ...declared };
}

interface Spec {
  readonly alias?: string | readonly string[];
  readonly describe?: string;
  readonly type?: string;
  readonly choices?: readonly string[];
}

/** What `declare` tells a parser. */
function declaredBy(declare: (parser: Argv) => Argv): Declared {
  const flags: Flag[] = [];
  const positionals: Positional[] = [];
  let epilogue = "";
  const notes = {
    option(name: string, { alias = [], describe = "", type, choices = [] }: Spec): Argv {
      const takesValue = type !== "boolean";
      flags.push({ name, aliases: [alias].flat(), describe, takesValue, choices });
      return parser;
    },
    positional(name: string, { describe = "", choices = [] }: Spec): Argv {
      positionals.push({ name, describe, choices });
      return parser;
    },
    epilogue(text: string): Argv {
      epilogue = text;
      return parser;
    },
  };
  // Whatever else a parser is told does not concern a reader.
  const parser = new Proxy(notes, {
    get: (known, name) => Reflect.get(known, name) ?? (() => parser),
  }) as unknown as Argv;
  declare(parser);
  return { flags, positionals, epilogue };
}
