/** Backups of a small state in memory, as bytes and as files in a folder that is gone afterwards. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Backups } from "../../src/backup/take.ts";
import { type FilledNode, filledNode, sourceOf } from "../snapshots/harness.ts";

const NEVER = new AbortController().signal;

export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tq-backup-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export function backupsOf(node: FilledNode): Backups {
  const { source } = sourceOf(node);
  return new Backups({
    nodeId: "a",
    version: "9.9.9",
    take: (reader, minIndex, signal) => source.take(reader, minIndex, signal),
    wallMs: () => Date.UTC(2026, 0, 31),
  });
}

export async function bytesOfBackup(node: FilledNode): Promise<Buffer> {
  const { bytes, close } = await backupsOf(node).open(0, NEVER);
  const pieces = await gather(bytes);
  await close();
  return pieces;
}

export async function backupOf(tasks = 50, bytes = 10): Promise<Buffer> {
  return await bytesOfBackup(await filledNode(tasks, bytes));
}

export async function gather(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The same in pieces of a size, the last one smaller. */
export async function* inPieces(bytes: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function fileWith(folder: string, name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).sort();
}
