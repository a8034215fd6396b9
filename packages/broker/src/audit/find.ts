/**
 * Looks for the first and the last whole line of a file, whatever else a crash has left in it:
 * window by window, so that it takes little memory however far there is to look. Windows overlap by
 * more than a line, so that each line is whole in one of them.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { AUDIT_LINE_LENGTH_MAX, type AuditJson } from "task-queue-protocol";
import { readLine } from "./chain.ts";
import { WINDOW_BYTES } from "./limits.ts";

const NEWLINE = 0x0a;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
/** With the ends of the line before it and of its own. */
const OVERLAP_BYTES = AUDIT_LINE_LENGTH_MAX + 2;

/** What is behind the last whole line: one or more writes that were cut off. */
export interface Torn {
  readonly bytes: number;
  readonly hash: string;
}

interface Whole {
  readonly line: AuditJson;
  /** Where it ends, without its newline. */
  readonly end: number;
}

export async function firstLine(handle: FileHandle): Promise<AuditJson | undefined> {
  const { size } = await handle.stat();
  for (let start = 0; start < size; start += WINDOW_BYTES - OVERLAP_BYTES) {
    const window = await readAt(handle, start, Math.min(WINDOW_BYTES, size - start));
    const line = firstIn(window);
    if (line !== undefined) return line;
  }
  return undefined;
}

/** The last one lacks nothing but perhaps its end. */
export async function lastLine(handle: FileHandle, size: number): Promise<Whole | undefined> {
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - WINDOW_BYTES);
    const found = lastIn(await readAt(handle, start, end - start));
    if (found !== undefined) return { line: found.line, end: start + found.end };
    if (start === 0) return undefined;
    end = start + OVERLAP_BYTES;
  }
  return undefined;
}

/** Of what is from `start` on, without the end of its last line. */
export async function tornFrom(
  handle: FileHandle,
  start: number,
  size: number,
): Promise<Torn | undefined> {
  if (start >= size) return undefined;
  const end = (await endsLine(handle, size)) ? size - 1 : size;
  const digest = createHash("sha256");
  for (let at = start; at < end; at += WINDOW_BYTES) {
    digest.update(await readAt(handle, at, Math.min(WINDOW_BYTES, end - at)));
  }
  return { bytes: end - start, hash: digest.digest("hex") };
}

/** Or there is nothing that could have an end. */
export async function endsLine(handle: FileHandle, size: number): Promise<boolean> {
  return size === 0 || (await readAt(handle, size - 1, 1))[0] === NEWLINE;
}

/** What is cut off at either end of a window is no line, for it fails its hash. */
function firstIn(window: Buffer): AuditJson | undefined {
  for (let start = 0; start < window.length; ) {
    const found = window.indexOf(NEWLINE, start);
    const end = found < 0 ? window.length : found;
    const line = lineIn(window, start, end);
    if (line !== undefined) return line;
    start = end + 1;
  }
  return undefined;
}

function lastIn(window: Buffer): Whole | undefined {
  for (let end = window.length; end > 0; ) {
    const start = window.lastIndexOf(NEWLINE, end - 1) + 1;
    const line = lineIn(window, start, end);
    if (line !== undefined) return { line, end };
    end = start - 1;
  }
  return undefined;
}

function lineIn(window: Buffer, start: number, end: number): AuditJson | undefined {
  if (end - start > AUDIT_LINE_LENGTH_MAX) return undefined;
  // Garbage may be millions of lines, and each that is read takes microseconds.
  if (window[start] !== BRACE || window[end - 1] !== BRACE_END) return undefined;
  return readLine(window.toString("utf8", start, end));
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
