/**
 * The file of the audit log and those it was before: only ever appended to, and renamed when it is
 * full to what it began with (`audit.log.1201` has line 1201 as its first). Lines that were cut off
 * by a crash stay as they are; the line after them says so.
 */
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncDirectory } from "../storage/durable-file.ts";
import { BEGINNING, type Link } from "./chain.ts";
import { endsLine, firstLine, lastLine, type Torn, tornFrom } from "./find.ts";

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
      const last = found.first > 0 ? found.last : await lastOfFormer(path);
      return new AuditFile(options, handle, { ...found, last });
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

  /**
   * This one is full: the next one is in its place. What throws has changed nothing, and this one
   * can be written to as before.
   */
  async rotate(): Promise<AuditFile> {
    const { path } = this.#options;
    const aside = `${path}.${this.first}`;
    await this.sync();
    await rename(path, aside);
    let next: AuditFile;
    try {
      next = await AuditFile.open(this.#options);
    } catch (error) {
      // Nothing else has this name: an empty one at most, which was not opened.
      await rename(aside, path);
      throw error;
    }
    // Synced as it is, there is nothing to lose.
    await this.close().catch(() => undefined);
    return next;
  }

  /** The oldest of too many former files are gone, and what was renamed is on the disk. */
  async removeOld(): Promise<void> {
    const { path, keep } = this.#options;
    const former = await formerOf(path);
    for (const { path: old } of former.slice(0, -keep)) await rm(old, { force: true });
    await syncDirectory(dirname(path));
  }
}

/** All files of the log that have lines, the oldest first. */
export async function segmentsOf(path: string): Promise<Segment[]> {
  const former = await formerOf(path);
  const first = await firstOf(path);
  return first === 0 ? former : [...former, { path, first }];
}

/** Those that were put aside, the oldest first. */
async function formerOf(path: string): Promise<Segment[]> {
  const name = basename(path);
  const found: Segment[] = [];
  for (const each of await readdir(dirname(path), { withFileTypes: true })) {
    const first = each.name.startsWith(`${name}.`) ? each.name.slice(name.length + 1) : "";
    if (!/^[1-9]\d{0,15}$/.test(first) || each.isDirectory()) continue;
    found.push({ path: join(dirname(path), each.name), first: Number(first) });
  }
  return found.sort((a, b) => a.first - b.first);
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
    return (await firstLine(handle))?.seq ?? 0;
  } finally {
    await handle.close();
  }
}

/** Of the newest former file that has a line. */
async function lastOfFormer(path: string): Promise<Link> {
  for (const former of (await formerOf(path)).reverse()) {
    const handle = await open(former.path, "r");
    try {
      const found = await lastLine(handle, (await handle.stat()).size);
      if (found !== undefined) return found.line;
    } finally {
      await handle.close();
    }
  }
  return BEGINNING;
}

interface Found {
  readonly first: number;
  readonly last: Link;
  readonly bytes: number;
  readonly torn: Torn | undefined;
  readonly isOpen: boolean;
}

async function lookAt(handle: FileHandle): Promise<Found> {
  const { size: bytes } = await handle.stat();
  const first = (await firstLine(handle))?.seq ?? 0;
  const found = await lastLine(handle, bytes);
  const torn = await tornFrom(handle, found === undefined ? 0 : found.end + 1, bytes);
  const isOpen = !(await endsLine(handle, bytes));
  return { first, last: found?.line ?? BEGINNING, bytes, torn, isOpen };
}
