/**
 * Reads an export from its first byte to its last, before anything is made of it: each line is what
 * it should be, none is missing, and the checksum is that of the last line.
 */
import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { CliError, EXIT, unread } from "../exit-status.ts";
import { counted, parsedLine } from "./export-file.ts";
import type { EndLine, ExportLine, Header } from "./format.ts";
import { readLines } from "./line-reader.ts";

export interface CheckedFile {
  readonly path: string;
  readonly header: Header;
  readonly end: EndLine;
  readonly bytes: number;
}

/** How a file of gzip begins (RFC 1952, 2.3.1). */
const GZIP = Buffer.from([0x1f, 0x8b]);

/**
 * Throws status 65 with file, line and what is wrong. `onLine` hears what each line is, and how
 * many bytes were read.
 */
export async function checkFile(
  path: string,
  onLine: (line: ExportLine, bytes: number, total: number) => void,
): Promise<CheckedFile> {
  const bytes = await sizeOf(path);
  const hash = createHash("sha256");
  let counts = { queues: 0, live: 0, finished: 0 };
  let header: Header | undefined;
  let end: EndLine | undefined;
  let last = 0;
  for await (const line of readLines(path)) {
    const wrong = (what: string): CliError => {
      return new CliError(EXIT.data, `${path}:${line.number}: ${what}`);
    };
    last = line.number;
    if (end !== undefined) throw wrong("a line behind the last one");
    if (!line.whole) throw wrong("it ends within this line: the file was cut; export --resume");
    if (line.number === 1) refuseOtherJson(path, line.text);
    const parsed = parsedLine(path, line);
    if ((parsed.kind === "header") !== (line.number === 1)) throw wrong("line 1 is the header");
    if (parsed.kind === "header") header = parsed;
    if (parsed.kind === "end") end = parsed;
    else hash.update(line.text).update("\n");
    counts = counted(counts, parsed);
    onLine(parsed, line.end, bytes);
  }
  const fault = header === undefined ? "it is empty" : faultOf(end, counts, hash.digest("hex"));
  if (fault !== undefined) throw new CliError(EXIT.data, `${path}:${last}: ${fault}`);
  return { path, header: header!, end: end!, bytes };
}

/** What most people have at hand is the output of another verb. */
function refuseOtherJson(path: string, first: Buffer): void {
  const text = first.toString("utf8").trim();
  const isTask = /^\{"id":/.test(text);
  if (!isTask && !text.startsWith("[")) return;
  const advice = "tq-admin export writes one; for the output of list see docs/moving-data.md";
  throw new CliError(EXIT.data, `${path}: it is JSON, but no export: ${advice}`);
}

function faultOf(
  end: EndLine | undefined,
  counts: Pick<EndLine, "queues" | "live" | "finished">,
  sha256: string,
): string | undefined {
  if (end === undefined) return "the last line is missing: the file was cut; export --resume";
  for (const name of ["queues", "live", "finished"] as const) {
    if (end[name] !== counts[name]) return `${name}: ${counts[name]}, not ${end[name]} as it says`;
  }
  return end.sha256 === sha256 ? undefined : `its checksum is ${sha256}: the file was changed`;
}

/** A pipe can be read once, and an import reads twice: to check, and to make. */
async function sizeOf(path: string): Promise<number> {
  if (path === "-") throw notTwice("standard input");
  try {
    const found = await stat(path);
    if (!found.isFile()) throw notTwice(path);
    if (await isCompressed(path)) {
      throw new CliError(EXIT.data, `${path}: it is compressed; gunzip it first`);
    }
    return found.size;
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw unread("", path, cause, EXIT.notFound);
  }
}

function notTwice(name: string): CliError {
  const why = "import needs a file, for it reads it twice: to check it, and to make its tasks";
  return new CliError(EXIT.usage, `${name}: ${why}`);
}

async function isCompressed(path: string): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0);
    return bytesRead === GZIP.length && buffer.equals(GZIP);
  } finally {
    await handle.close();
  }
}
