/**
 * The small file that names the live state directory, and the entry behind which the log must
 * begin if that state was installed from a snapshot. Replacing it is the one step that switches to
 * another state, so it is replaced as a whole and checksummed:
 *
 *     tq state pointer 2
 *     state-<number>
 *     base <index> <term> <chain>
 *     <CRC-32 of the lines above>
 *
 * Format 1 lacks the third line: a state that was never installed.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { LogBase } from "../ports.ts";
import { writeDurably } from "./durable-file.ts";
import { StorageDamage, StorageFault } from "./storage-error.ts";

export const STATE_POINTER = "state.pointer";

export interface StatePointer {
  /** Of the live state's directory, `state-<number>`. */
  readonly number: number;
  /** Where the log must begin, or have begun before it was compacted further. */
  readonly base: LogBase | undefined;
}

const LINES = [
  "tq state pointer [12]\\n",
  "state-(\\d{1,15})\\n",
  "(?:base (\\d{1,16}) (\\d{1,16}) ([0-9a-f]{16})\\n)?",
];
const PATTERN = new RegExp(`^(${LINES.join("")})([0-9a-f]{8})\\n$`);

/** Makes `state-<number>` the live state of this data directory. */
export async function writeStatePointer(dataDir: string, pointer: StatePointer): Promise<void> {
  const { number, base } = pointer;
  const behind = base === undefined ? "" : `base ${base.index} ${base.term} ${base.chain}\n`;
  const format = base === undefined ? 1 : 2;
  const lines = `tq state pointer ${format}\n${stateName(number)}\n${behind}`;
  await writeDurably(join(dataDir, STATE_POINTER), `${lines}${checksum(lines)}\n`);
}

/** What the pointer says, or undefined if there is none. */
export async function readStatePointer(dataDir: string): Promise<StatePointer | undefined> {
  const where = join(dataDir, STATE_POINTER);
  const content = await readFile(where, "latin1").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw new StorageFault("state", `reading ${where}`, error);
  });
  if (content === undefined) {
    return undefined;
  }
  const parts = PATTERN.exec(content);
  if (parts === null || checksum(parts[1]!) !== parts[6]) {
    throw new StorageDamage("state", { what: "the state pointer fails its checksum", where });
  }
  const [, , number, index, term, chain] = parts;
  const base =
    chain === undefined ? undefined : { index: Number(index), term: Number(term), chain };
  return { number: Number(number), base };
}

/** The directory of a state within the data directory. */
export function stateName(number: number): string {
  return `state-${number}`;
}

/** Of the names in a data directory those that are states'. */
export function stateNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => /^state-\d+$/.test(name));
}

function checksum(lines: string): string {
  return crc32(lines).toString(16).padStart(8, "0");
}
