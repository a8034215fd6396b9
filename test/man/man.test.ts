/** The manual pages say what the programs take: they are made from the same tables. */
import { expect, test } from "vitest";
import { type Declared, type Verb, verbTable } from "../../packages/admin/src/verb-table.ts";
import * as broker from "../../packages/broker/src/config/flags.ts";
import * as worker from "../../packages/worker/src/cli/flags.ts";
import { type Block, page } from "./roff.ts";

const OWN: readonly Block[] = [
  entry("-h, --help", "Say all this shorter, and end."),
  entry("--version", "Print the version, and end."),
];

test.each([
  ["tq-broker", brokerPage],
  ["tq-worker", workerPage],
  ["tq-admin", adminPage],
] as const)("%s.1", async (name, make) => {
  const file = new URL(`../../man/${name}.1`, import.meta.url).pathname;
  await expect(make()).toMatchFileSnapshot(file);
});

test("what is a command of the formatter in the text stays text", () => {
  const text = page("x", "a-b", [{ code: ".so /etc/passwd\n'br\na\\fB" }]);
  expect(text).toContain("\\&.so /etc/passwd\n\\&'br\na\\efB");
  expect(text).toContain("x \\- a\\-b");
});

function brokerPage(): string {
  const flags = Object.entries({ ...broker.OPTIONS, ...broker.SWITCHES });
  return page("tq-broker", "a broker of the tq task queue", [
    { section: "Synopsis" },
    { paragraph: "tq-broker [options]" },
    { section: "Description" },
    { paragraph: "Without options: a single node that keeps its data in ./data." },
    { paragraph: broker.EPILOGUE },
    { section: "Options" },
    ...flags.map(([name, { type, describe }]) => {
      return entry(`--${name}${type === "string" ? " VALUE" : ""}`, sentence(describe));
    }),
    ...OWN,
    { section: "Signals" },
    entry("SIGTERM, SIGINT", "Hand leadership over, finish what is under way, and end."),
    entry("SIGHUP", "Reopen the log file, and put the log level of the settings in force."),
    { section: "Exit status" },
    { paragraph: "0 after a signal, 64 wrong flags, 65 damaged data, 69 a port is in use," },
    { paragraph: "70 a bug, 73 and 74 the disk, 77 removed from the cluster, 78 wrong settings." },
    { section: "See also" },
    { paragraph: "tq-worker(1), tq-admin(1)" },
  ]);
}

function workerPage(): string {
  return page("tq-worker", "runs tasks of a tq cluster", [
    { section: "Synopsis" },
    { paragraph: "tq-worker [options]" },
    { section: "Description" },
    { paragraph: "Runs echo, sleep and http tasks, or those of a module of handlers." },
    { paragraph: worker.EPILOGUE },
    { section: "Options" },
    ...Object.entries<worker.Flag>(worker.FLAGS).map(([name, flag]) => {
      const preset = flag.fallback === "" ? "" : ` [${flag.fallback}]`;
      const value = flag.kind === "switch" ? "" : " VALUE";
      return entry(`--${name}${value}`, `${flag.describe}${preset}`);
    }),
    ...OWN,
    { section: "See also" },
    { paragraph: "tq-broker(1), tq-admin(1)" },
  ]);
}

function adminPage(): string {
  const { globals, verbs } = verbTable();
  return page("tq-admin", "administers a tq cluster", [
    { section: "Synopsis" },
    { paragraph: "tq-admin VERB [options]" },
    { section: "Options of every verb" },
    ...flagsOf(globals),
    ...OWN,
    { section: "Verbs" },
    ...verbs.flatMap(verbBlocks),
    { section: "Environment and exit status" },
    { paragraph: globals.epilogue },
    { section: "See also" },
    { paragraph: "tq-broker(1), tq-worker(1)" },
  ]);
}

function verbBlocks(verb: Verb): Block[] {
  const { group, command, positionals, epilogue } = verb;
  const name = group === undefined ? command.usage : `${group} ${command.usage}`;
  const examples = command.examples.map(([line, meaning]) => {
    return meaning === "" ? line : `# ${meaning}\n${line}`;
  });
  return [
    { subsection: name },
    { paragraph: `${command.summary}.` },
    ...positionals.map((each) => entry(each.name, each.describe)),
    ...flagsOf(verb),
    ...(epilogue === "" ? [] : [{ paragraph: epilogue }]),
    { code: examples.join("\n") },
  ];
}

function flagsOf({ flags }: Declared): Block[] {
  return flags.map(({ name, aliases, takesValue, choices, describe }) => {
    const spelled = [...aliases, name].map((each) => (each.length === 1 ? "-" : "--") + each);
    const value = choices.length > 0 ? ` ${choices.join("|")}` : takesValue ? " VALUE" : "";
    return entry(`${spelled.join(", ")}${value}`, describe);
  });
}

function entry(term: string, text: string): Block {
  return { entry: { term, text } };
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
