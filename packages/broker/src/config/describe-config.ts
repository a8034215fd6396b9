/** Settings in words: the reference of all of them, and what one broker runs with. */
import { stringify } from "yaml";
import type { Config } from "./config.ts";
import { KEYS, SCHEMA } from "./schema.ts";

const LINE_LENGTH_MAX = 98;

/**
 * A commented YAML file with every key at its default; keys without a default are commented out.
 */
export function referenceFile(): string {
  const lines = [
    "# Every setting of tq-broker with its default. Copy what you change, leave out the rest.",
    "# Each key is also read from the environment: broker.port from TQ_BROKER__PORT.",
  ];
  for (const [section, keys] of Object.entries(SCHEMA)) {
    lines.push("", `${section}:`);
    for (const name of Object.keys(keys)) lines.push(...describeKey(section, name));
  }
  return `${lines.join("\n")}\n`;
}

/** One line for each setting that was said somewhere. For the log at start. */
export function describeConfig(config: Config): string[] {
  return [...config.said].map(([key, { value, where }]) => `${key} = ${value} (${where})`);
}

function describeKey(section: string, name: string): string[] {
  const key = KEYS.get(`${section}.${name}`)!;
  const effect = key.without === undefined ? "" : ` No effect here: ${key.without}.`;
  const comment = wrap(`${key.doc}${effect} Allowed: ${key.kind.allowed}.`);
  const lines = comment.map((line) => `  # ${line}`);
  if (key.default === undefined) return [...lines, `  # ${name}:`];
  const value = key.kind.format(key.default);
  const plain = value.startsWith("[")
    ? value
    : stringify(value)
        .trim()
        .replace(/^"(.*)"$/, "$1");
  return [...lines, `  ${name}: ${plain}`];
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line.length + word.length + 5 > LINE_LENGTH_MAX) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
