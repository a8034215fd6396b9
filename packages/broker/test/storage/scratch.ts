/**
 * A directory for one test (or, given `afterAll`, for all of a file), removed afterwards. Under the system's temporary directory, which must
 * be a real file system for the tests that count on fsync.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export async function scratchDirectory(
  atEnd: (clean: () => Promise<void>) => void = onTestFinished,
): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tq-storage-"));
  atEnd(() => rm(path, { recursive: true, force: true }));
  return path;
}
