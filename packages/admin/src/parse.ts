/**
 * Reads the command line with yargs: which verb, with which arguments, or a text to print. Nothing
 * is run here, so that a wrong command line never opens a connection.
 */

import { nearest } from "task-queue-protocol";
import yargs, { type Argv } from "yargs";
import type { Arguments, Command, CommandGroup } from "./command.ts";
import { COMMANDS, GROUPS } from "./commands/index.ts";
import { CliError, EXIT } from "./exit-status.ts";
import { FORMATS } from "./output/output.ts";
import { VERSION } from "./version.ts";

export interface Parsed {
  readonly command: Command;
  readonly args: Arguments;
}

/** Throws `CliError` with status 64. `text`: help or version, to be printed instead. */
export async function parse(argv: readonly string[]): Promise<Parsed | { readonly text: string }> {
  let parsed: Parsed | undefined;
  let failure: string | undefined;
  let words: readonly string[] = [];
  let text = "";
  const choose = (command: Command) => (args: Arguments) => {
    parsed = { command, args };
  };
  const parser = globalOptions(yargs());
  for (const command of COMMANDS) addCommand(parser, command, choose(command));
  for (const group of GROUPS) {
    const { name, commands } = group;
    parser.command(name, group.summary, (inner) => {
      for (const command of commands) addCommand(inner, command, choose(command));
      return inner
        .usage(`Usage: tq-admin ${name} <verb> [options]`)
        .epilogue(examplesOf({ examples: commands.flatMap(({ examples }) => examples) }))
        .demandCommand(1, `which verb of ${name}? there are ${verbsOf(group).join(", ")}`);
    });
  }
  await parser.parseAsync(joinDashes(argv), {}, (error, args, output) => {
    words = args._.map(String);
    if (error) failure = error.message;
    else text = output;
  });
  if (failure !== undefined) {
    const better = unknownVerb(words) ?? inOurWords(failure, words);
    throw new CliError(EXIT.usage, `${better}\nSee tq-admin --help.`);
  }
  if (text !== "") return { text: `${text}\n` };
  if (parsed === undefined) throw new CliError(EXIT.usage, "no verb\nSee tq-admin --help.");
  refuseEmpty(parsed, argv);
  refuseWords(parsed, argv);
  return parsed;
}

/** Of a lone dash the parser makes an empty text, too; nobody else is to get what a dash gets. */
function refuseEmpty({ command, args }: Parsed, argv: readonly string[]): void {
  if (!argv.includes("") || argv.includes("-")) return;
  for (const [, name = ""] of command.usage.matchAll(/[<[]([a-z-]+)/g)) {
    if (args[name] !== "") continue;
    throw new CliError(EXIT.usage, `${name} is empty; is it a variable that is not set?`);
  }
}

/** The parser takes all that a switch is told, but for "true", as no. */
function refuseWords({ args }: Parsed, argv: readonly string[]): void {
  for (const word of argv) {
    if (word === "--") return;
    const [, name = "", value = ""] = /^--([a-z-]+)=(.*)$/s.exec(word) ?? [];
    if (typeof args[name] !== "boolean" || value === "true" || value === "false") continue;
    throw new CliError(EXIT.usage, `--${name}: "${value}" is not true or false`);
  }
}

/** A lone `-` means standard input, which the parser would take for an argument of its own. */
function joinDashes(argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (const word of argv) {
    const previous = joined.at(-1);
    if (word === "-" && previous?.startsWith("--")) joined[joined.length - 1] = `${previous}=-`;
    else joined.push(word);
  }
  return joined;
}

const VERBS = [...COMMANDS.map(verbOf), ...GROUPS.map(({ name }) => name)];

function verbsOf({ commands }: CommandGroup): string[] {
  return commands.map(verbOf);
}

function verbOf(command: Command): string {
  return command.usage.split(" ", 1)[0] ?? "";
}

/** A sentence about a verb that does not exist; undefined when the fault lies elsewhere. */
function unknownVerb(words: readonly string[]): string | undefined {
  const [first = "", second = ""] = words;
  const group = GROUPS.find(({ name }) => name === first);
  const [verb, known] = group === undefined ? [first, VERBS] : [second, verbsOf(group)];
  if (verb === "" || verb.startsWith("-") || known.includes(verb)) return undefined;
  const guess = nearest(verb, known);
  const hint = guess === undefined ? `there are ${known.join(", ")}` : `did you mean "${guess}"?`;
  return `there is no verb "${verb}"; ${hint}`;
}

const FEW = /^Not enough non-option arguments: got (\d+)/;
const CHOICES = /Argument: (\S+), Given: (".*"), Choices: (.*)/;

/** What the parser finds wrong, by the names of what is missing or wrong. */
function inOurWords(failure: string, words: readonly string[]): string {
  const got = FEW.exec(failure)?.[1];
  if (got !== undefined) {
    const { usage, path } = commandOf(words);
    const missing = [...usage.matchAll(/<[a-z-]+>/g)][Number(got)]?.[0] ?? "an argument";
    return `${missing} is missing: tq-admin ${path}${usage}`;
  }
  const [, name, given, choices = ""] = CHOICES.exec(failure) ?? [];
  if (name === undefined) return failure;
  const allowed = choices.replaceAll('"', "");
  return `${name}: ${given} is not ${allowed.includes(",") ? "one of " : ""}${allowed}`;
}

function commandOf([first = "", second = ""]: readonly string[]) {
  const group = GROUPS.find(({ name }) => name === first);
  const [commands, verb] = group === undefined ? [COMMANDS, first] : [group.commands, second];
  const usage = commands.find((command) => verbOf(command) === verb)?.usage ?? verb;
  return { usage, path: group === undefined ? "" : `${first} ` };
}

/** What every verb takes. */
export function globalOptions(parser: Argv): Argv {
  return parser
    .scriptName("tq-admin")
    .usage("Usage: $0 <verb> [options]\n\nAdministers a tq cluster.")
    .parserConfiguration({
      "camel-case-expansion": false,
      "greedy-arrays": false,
      "parse-positional-numbers": false,
    })
    .option("broker-addr", {
      type: "string",
      describe: "Any brokers: HOST:PORT[,...] [127.0.0.1:6379]",
    })
    .option("api-key-file", {
      type: "string",
      describe: "File with the API key; default: the key in TQ_API_KEY",
    })
    .option("config", { type: "string", describe: "A broker's file of settings: that broker" })
    .option("output", {
      alias: "o",
      type: "string",
      choices: FORMATS,
      describe: "Default: table on a terminal, else json",
    })
    .option("timeout", { type: "string", describe: "How long a request is tried [10s]" })
    .option("tls", { type: "boolean", describe: "TLS; any of the following does the same" })
    .option("tls-ca", { type: "string", describe: "File with the authorities to trust, PEM" })
    .option("tls-cert", { type: "string", describe: "File with the certificate to show, PEM" })
    .option("tls-key", { type: "string", describe: "File with its private key, PEM" })
    .option("tls-server-name", {
      type: "string",
      describe: "Name in the brokers' certificates [the host]",
    })
    .example("$0 cluster-status", "who leads, who follows")
    .example("$0 list --status dead", "what has failed for good")
    .example("$0 submit echo --payload '\"hello\"' --wait", "try the cluster out")
    .epilogue(EPILOGUE)
    .demandCommand(1, "which verb?")
    .strict()
    .help()
    .alias("help", "h")
    .version(VERSION)
    .wrap(100)
    .exitProcess(false);
}

/** Each on a line of its own, as it can be copied: the parser's own table breaks long ones. */
function examplesOf({ examples }: Pick<Command, "examples">): string {
  const lines = examples.map(([line, meaning]) => {
    return meaning === "" ? `  ${line}\n` : `  ${line}\n      ${meaning}\n`;
  });
  return `Examples:\n${lines.join("")}`;
}

/** What a verb takes besides the global options. */
export function argumentsOf(command: Command, parser: Argv): Argv {
  const own = command.arguments(parser);
  if (command.watchable !== true) return own;
  return own.option("watch", { type: "string", describe: "Show it anew every so often [2s]" });
}

function addCommand(parser: Argv, command: Command, chosen: (args: Arguments) => void): void {
  const build = (inner: Argv): Argv => {
    return argumentsOf(command, inner.epilogue(examplesOf(command)));
  };
  parser.command(command.usage, command.summary, build, (args) => chosen(args as Arguments));
}

const EPILOGUE = [
  "Environment: TQ_BROKER_ADDR for --broker-addr, TQ_TLS_CA for --tls-ca and so on; TQ_API_KEY, or",
  "TQ_API_KEY_FILE with its path.",
  "Exit status: 0 done, 1 the answer is no, 64 usage, 65 bad data, 66 not found, 69 no broker or",
  "no leader, 70 internal error, 75 try again later, 77 no permission, 78 configuration.",
].join("\n");
