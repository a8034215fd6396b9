/**
 * Where an export goes: standard output, or a file that is for its owner alone. Each line goes into
 * the checksum as it is written. A file that was broken off is taken up behind its last whole page,
 * which is read again for that.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { CliError, EXIT, unwritten } from "../exit-status.ts";
import type { Io } from "../io.ts";
import { printable } from "../output/table.ts";
import { type EndLine, type ExportLine, type Header, type PageLine, parseLine } from "./format.ts";
import { type Line, readLines } from "./line-reader.ts";

const OWNER_ONLY = 0o600;

export interface Counts {
  readonly queues: number;
  readonly live: number;
  readonly finished: number;
}

const NOTHING: Counts = { queues: 0, live: 0, finished: 0 };

/** What an export goes on from. */
export interface Begun {
  readonly header: Header;
  readonly page: PageLine;
  readonly file: ExportFile;
}

/** Where the bytes go; what fails there is told by its name. */
interface Sink {
  write(text: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export class ExportFile {
  readonly #sink: Sink;
  readonly #hash: Hash;
  counts: Counts;

  private constructor(sink: Sink, hash: Hash = createHash("sha256"), counts: Counts = NOTHING) {
    this.#sink = sink;
    this.#hash = hash;
    this.counts = counts;
  }

  static toStdout(io: Io): ExportFile {
    return new ExportFile({
      write: (text) => {
        return io.stdoutAll(text).catch((cause) => {
          const isClosed = (cause as NodeJS.ErrnoException).code === "EPIPE";
          const why = isClosed ? new Error("closed before the export was whole") : cause;
          throw unwritten("standard output", why);
        });
      },
      sync: async () => {},
      close: async () => {},
    });
  }

  /** Throws status 64 when there is such a file already. */
  static async create(path: string): Promise<ExportFile> {
    try {
      const handle = await open(path, "wx", OWNER_ONLY);
      return new ExportFile(sinkOf(path, handle));
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code !== "EEXIST") throw new CliError(EXIT.notFound, `${path}: ${message}`, cause);
      const advice = "--resume goes on with one that was broken off";
      throw new CliError(EXIT.usage, `${path} is there already; name another file, or ${advice}`);
    }
  }

  /** Undefined: the file is whole already. Throws status 65 when it is of another cluster. */
  static async resume(path: string, clusterId: string): Promise<Begun | undefined> {
    const found = await findLastPage(path);
    if (found === undefined) return undefined;
    const { header, page, end, hash, counts } = found;
    if (header.cluster_id !== clusterId) {
      const theirs = printable(header.cluster_id);
      const message = `${path} is of cluster ${theirs}; this one is ${clusterId}`;
      throw new CliError(EXIT.data, message);
    }
    const handle = await openBehind(path, end);
    const file = new ExportFile(sinkOf(path, handle), hash, counts);
    return { header, page, file };
  }

  async add(lines: readonly ExportLine[]): Promise<void> {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    this.#hash.update(text);
    this.counts = lines.reduce(counted, this.counts);
    await this.#sink.write(text);
  }

  /** Writes the last line. */
  async end(): Promise<EndLine> {
    const end: EndLine = { kind: "end", ...this.counts, sha256: this.#hash.digest("hex") };
    await this.#sink.write(`${JSON.stringify(end)}\n`);
    await this.#sink.sync();
    return end;
  }

  async close(): Promise<void> {
    await this.#sink.close();
  }
}

function sinkOf(path: string, handle: FileHandle): Sink {
  const named = (cause: unknown): never => {
    throw unwritten(path, cause);
  };
  return {
    write: (text) => handle.appendFile(text).catch(named),
    sync: () => handle.sync().catch(named),
    close: () => handle.close(),
  };
}

/** What is behind `end` is cut off. */
async function openBehind(path: string, end: number): Promise<FileHandle> {
  try {
    const handle = await open(path, "a");
    await handle.truncate(end);
    return handle;
  } catch (cause) {
    throw unwritten(path, cause);
  }
}

export function counted(counts: Counts, line: ExportLine): Counts {
  if (line.kind === "queue") return { ...counts, queues: counts.queues + 1 };
  if (line.kind !== "task") return counts;
  const half = line.was.finished_at === undefined ? "live" : "finished";
  return { ...counts, [half]: counts[half] + 1 };
}

async function findLastPage(path: string) {
  const hash = createHash("sha256");
  let header: Header | undefined;
  let found: { page: PageLine; end: number; hash: Hash; counts: Counts } | undefined;
  let counts = NOTHING;
  for await (const line of readLines(path)) {
    if (!line.whole) break;
    const parsed = parsedLine(path, line);
    if (parsed.kind === "end") return undefined;
    if (line.number === 1 && parsed.kind === "header") header = parsed;
    if (header === undefined) throw new CliError(EXIT.data, `${path}:1: it is no header`);
    hash.update(line.text).update("\n");
    counts = counted(counts, parsed);
    if (parsed.kind === "page") found = { page: parsed, end: line.end, hash: hash.copy(), counts };
  }
  if (header !== undefined && found !== undefined) return { header, ...found };
  throw new CliError(EXIT.data, `${path}: nothing in it to go on from; delete it and export anew`);
}

/** Throws status 65 with file, line and what is wrong. */
export function parsedLine(path: string, { number, text }: Line): ExportLine {
  try {
    return parseLine(text);
  } catch (cause) {
    const why = printable((cause as Error).message);
    throw new CliError(EXIT.data, `${path}:${number}: ${why}`, cause);
  }
}
