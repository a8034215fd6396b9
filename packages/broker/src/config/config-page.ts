/** The page of all settings, docs/configuration.md, made from the table that reads them. */
import { FOREIGN_KEYS, FOREIGN_VARIABLES } from "./foreign-keys.ts";
import { type AnyKey, ENVIRONMENT_SYNONYMS, SCHEMA } from "./schema.ts";

export function configPage(): string {
  const sections = Object.entries(SCHEMA).map(([name, keys]) => sectionText(name, keys));
  return [INTRODUCTION, ...sections, otherNames()].join("\n");
}

const INTRODUCTION = `# Configuration

<!-- Made from the table of settings: npx vitest run packages/broker/test/config -u -->

\`tq-broker\` runs without any settings: a single node that keeps its data in \`./data\`. What
is to be otherwise is said in a YAML file (\`--config FILE\`), in the environment, or by flags
(\`--help\`); a later one of the three wins over an earlier one. \`config/reference.yaml\` has
every key at its default, \`config/single-node.yaml\` and \`config/node1.yaml\` to
\`node3.yaml\` are files to start from.

- **Environment**: \`TQ_\`, the section, two underscores, the key: \`TQ_BROKER__PORT=6380\`,
  \`TQ_RAFT__PEERS=a:6379,b:6379\`. A variable that is empty counts as not set.
- **Values**: durations as \`500ms\`, \`30s\`, \`1m30s\`, \`1h\`; sizes as \`64KB\`,
  \`128MB\`, where a kilobyte is 1,024 bytes; \`true\`, \`false\`, \`1\`, \`0\`. A unit in a
  key's name is that of a bare number.
- **Mistakes**: an unknown key or a value that is not allowed stops the start with exit status
  78. All of them are told at once, each with file, line, key and what is allowed. \`tq-broker
  --check-config\` says the same without a start, and so does \`tq-admin config validate
  FILE\`, for the file alone.
- **Changes** take effect with a restart. \`SIGHUP\` puts a new \`monitoring.log_level\` in
  force at once, and reopens the log file; if the file has become wrong, everything stays as
  it is, and the log says why.
- **Editors** know the keys by \`config/schema.json\`: put \`# yaml-language-server:
  $schema=./schema.json\` into the first line of a file beside it.
`;

function sectionText(section: string, keys: Readonly<Record<string, AnyKey>>): string {
  const lines = Object.entries(keys).map(([name, key]) => keyText(name, key));
  return `## ${section}\n\n${lines.join("\n")}\n`;
}

function keyText(name: string, { kind, default: fallback, doc, without }: AnyKey): string {
  const value = fallback === undefined ? "" : `\`${kind.format(fallback)}\`; `;
  const effect = without === undefined ? "" : ` No effect here: ${without}.`;
  return `- **\`${name}\`** (${value}${kind.allowed}). ${doc}${effect}`;
}

function otherNames(): string {
  const read = [...ENVIRONMENT_SYNONYMS].map(([name, key]) => `| \`${name}\` | \`${key}\` |`);
  const unread = [...FOREIGN_VARIABLES].map(([name, text]) => `| \`${name}\` | ${text} |`);
  const keys = [...FOREIGN_KEYS].map(([name, text]) => `| \`${name}\` in a file | ${text} |`);
  const rows = [...read, ...unread, ...keys].join("\n");
  return `## Names from other guides

Of the variables a bare number counts seconds where the key is a duration. Keys that are not
here are refused, with the text beside them.

| there | here |
|---|---|
${rows}
`;
}
