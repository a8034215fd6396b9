/** Reads a YAML file of settings into a collector; each problem names file and line. */
import { readFileSync } from "node:fs";
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from "yaml";
import type { Collector } from "./collect.ts";
import { SCHEMA } from "./schema.ts";

/** A file of settings is short; a larger one is something else. */
const FILE_BYTES_MAX = 1024 * 1024;

export function readConfigFile(path: string, collector: Collector): void {
  const text = readText(path, collector);
  if (text === undefined) return;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const where = (node: unknown) => {
    const offset = (node as Node | null)?.range?.[0];
    return offset === undefined ? path : `${path}:${lines.linePos(offset).line}`;
  };
  for (const error of document.errors) {
    const { line, col } = lines.linePos(error.pos[0]);
    collector.complain(`${path}:${line}`, "", `not YAML, at column ${col}: ${error.message}`);
  }
  const root = document.contents;
  if (document.errors.length > 0 || root === null || isEmpty(root)) return;
  if (!isMap(root)) {
    collector.complain(where(root), "", 'sections are expected, such as "broker:"');
    return;
  }
  for (const pair of root.items) readSection(pair, collector, where);
}

function readText(path: string, collector: Collector): string | undefined {
  try {
    const bytes = readFileSync(path);
    if (bytes.length <= FILE_BYTES_MAX) return bytes.toString("utf8");
    collector.complain(path, "", `${bytes.length} bytes; at most ${FILE_BYTES_MAX} are read`);
  } catch (error) {
    collector.complain(path, "", `the file cannot be read: ${(error as Error).message}`);
  }
  return undefined;
}

function readSection(pair: Pair, collector: Collector, where: (node: unknown) => string): void {
  const section = String(pair.key);
  const value = pair.value;
  if (isMap(value) && value.items.length > 0) {
    for (const item of value.items) {
      const list = item.value;
      const whereItem = (at: number) => where(isSeq(list) ? list.items[at] : item.key);
      const key = `${section}.${String(item.key)}`;
      collector.put(key, plain(list), where(item.key), whereItem);
    }
    return;
  }
  if (!Object.hasOwn(SCHEMA, section)) {
    collector.put(`${section}.`, undefined, where(pair.key));
    return;
  }
  // A section whose keys are all commented out has the value null: nothing is said.
  if (isMap(value) || value === null || isEmpty(value)) return;
  collector.complain(where(pair.key), section, `keys are expected below "${section}:"`);
}

function plain(node: unknown): unknown {
  return (node as Node | null)?.toJSON() ?? null;
}

function isEmpty(node: unknown): boolean {
  return isScalar(node) && node.value === null;
}
