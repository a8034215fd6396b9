/** A file system that is soon full, for one test. */
import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { scratchDirectory } from "./scratch.ts";

/** A loop-mounted ext4 file system of so many MiB. */
export async function smallFileSystem(mebibytes: number): Promise<string> {
  const directory = await scratchDirectory();
  const image = join(directory, "image");
  const mounted = join(directory, "mounted");
  await mkdir(mounted);
  execFileSync("truncate", ["-s", `${mebibytes}M`, image]);
  execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", image]);
  execFileSync("mount", ["-o", "loop", image, mounted]);
  onTestFinished(() => {
    execFileSync("umount", [mounted]);
  });
  return mounted;
}
