/**
 * The file of the audit log and those it was before: only ever appended to, and renamed when it is
 * full to what it began with (`audit.log.1201` has line 1201 as its first). Lines that were cut off
 * by a crash stay as they are; the line after them says so.
 */
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncDirectory } from "../storage/durable-file.ts";
import { BEGINNING, hashOf, type Link, readLine } from "./chain.ts";
import { TAIL_BYTES } from "./limits.ts";

const NEWLINE = 0x0a;

/** What a start has found behind the last whole line. */
export interface Torn {
  readonly bytes: number;
  readonly hash: string;
}

export interface AuditFileOptions {
  /** Absolute. */
  readonly path: string;
  /** Former files that are kept. */
  readonly keep: number;
}

export interface Segment {
  readonly path: string;
  /** Number of its first line. */
  readonly first: number;
}

export class AuditFile {
  readonly #options: AuditFileOptions;
  readonly #handle: FileHandle;
  readonly torn: Torn | undefined;
  /** What is there does not end as a line does. */
  readonly isOpen: boolean;
  /** The last whole line. */
  readonly last: Link;
  /** Number of the first line; 0: there is none. */
  first: number;
  bytes: number;

  private constructor(options: AuditFileOptions, handle: FileHandle, found: Found) {
    this.#options = options;
    this.#handle = handle;
    this.torn = found.torn;
    this.isOpen = found.isOpen;
    this.last = found.last;
    this.first = found.first;
    this.bytes = found.bytes;
  }

  /** Throws what the file system throws. */
  static async open(options: AuditFileOptions): Promise<AuditFile> {
    const { path } = options;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const handle = await open(path, "a+", 0o600);
    try {
      await handle.chmod(0o600);
      const found = await lookAt(handle);
      const before = found.first > 0 ? undefined : await lastOfFormer(path);
      return new AuditFile(options, handle, { ...found, last: before ?? found.last });
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** `text`: whole lines, of which the first has this number. */
  async append(text: string, first: number): Promise<void> {
    const bytes = Buffer.from(text);
    await this.#handle.appendFile(bytes);
    this.bytes += bytes.length;
    if (this.first === 0) this.first = first;
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** This one is full: the next one is in its place, and the oldest of too many are gone. */
  async rotate(): Promise<AuditFile> {
    const { path, keep } = this.#options;
    await this.sync();
    await this.close();
    await rename(path, `${path}.${this.first}`);
    const former = (await segmentsOf(path)).filter((each) => each.path !== path);
    for (const { path: old } of former.slice(0, -keep)) await rm(old);
    const next = await AuditFile.open(this.#options);
    await syncDirectory(dirname(path));
    return next;
  }
}

/** All files of the log that have lines, the oldest first. */
export async function segmentsOf(path: string): Promise<Segment[]> {
  const name = basename(path);
  const found: Segment[] = [];
  for (const each of await readdir(dirname(path))) {
    const first = each.startsWith(`${name}.`) ? each.slice(name.length + 1) : "";
    if (!/^[1-9]\d{0,15}$/.test(first)) continue;
    found.push({ path: join(dirname(path), each), first: Number(first) });
  }
  found.sort((a, b) => a.first - b.first);
  const first = await firstOf(path);
  return first === 0 ? found : [...found, { path, first }];
}

interface Found {
  readonly first: number;
  readonly last: Link;
  readonly bytes: number;
  readonly torn: Torn | undefined;
  readonly isOpen: boolean;
}

async function firstOf(path: string): Promise<number> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
  try {
    return firstIn(await readAt(handle, 0, TAIL_BYTES));
  } finally {
    await handle.close();
  }
}

/** Of the first whole line, whatever is before it. */
function firstIn(head: Buffer): number {
  for (const text of head.toString("utf8").split("\n")) {
    const line = readLine(text);
    if (line !== undefined) return line.seq;
  }
  return 0;
}

async function lastOfFormer(path: string): Promise<Link | undefined> {
  const former = (await segmentsOf(path)).filter((each) => each.path !== path).at(-1);
  if (former === undefined) return undefined;
  const handle = await open(former.path, "r");
  try {
    return (await lookAt(handle)).last;
  } finally {
    await handle.close();
  }
}

async function lookAt(handle: FileHandle): Promise<Found> {
  const { size } = await handle.stat();
  const from = Math.max(0, size - TAIL_BYTES);
  const tail = await readAt(handle, from, size - from);
  const first = firstIn(from === 0 ? tail : await readAt(handle, 0, TAIL_BYTES));
  const isOpen = tail.length > 0 && tail.at(-1) !== NEWLINE;
  // Nothing is missing of a last line but its end.
  const whole = isOpen ? readLine(tail.toString("utf8", tail.lastIndexOf(NEWLINE) + 1)) : undefined;
  if (whole !== undefined) return { first, last: whole, bytes: size, torn: undefined, isOpen };
  for (let end = tail.lastIndexOf(NEWLINE); end >= 0; ) {
    const start = end === 0 ? 0 : tail.lastIndexOf(NEWLINE, end - 1) + 1;
    const line = readLine(tail.toString("utf8", start, end));
    if (line !== undefined) {
      const rest = tail.subarray(end + 1);
      return { first, last: line, bytes: size, torn: tornOf(rest), isOpen };
    }
    end = start - 1;
  }
  return { first, last: BEGINNING, bytes: size, torn: tornOf(tail), isOpen };
}

function tornOf(rest: Buffer): Torn | undefined {
  return rest.length === 0 ? undefined : { bytes: rest.length, hash: hashOf(rest) };
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
