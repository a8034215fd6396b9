/**
 * The broker of the version before this one, packed in `test/fixtures/previous`: unpacked inside the
 * repository, so that it finds the libraries installed there, and run like the one of today.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./processes.ts";

const PACKED = join(ROOT, "test/fixtures/previous/tq-broker-0.1.0.tgz");
const OUT = join(ROOT, "test/out/previous");

/** The program to run, as `Node.program` wants it. Unpacks it the first time. */
export function previousBroker(): string {
  const name = createHash("sha256").update(readFileSync(PACKED)).digest("hex").slice(0, 16);
  const home = join(OUT, name);
  if (!existsSync(home)) unpackInto(home);
  return join(home, "broker/bin/tq-broker.js");
}

/** Two tests may do it at once: each into a directory of its own, and the first one wins. */
function unpackInto(home: string): void {
  mkdirSync(OUT, { recursive: true });
  const scratch = mkdtempSync(join(OUT, "unpacking-"));
  execFileSync("tar", ["-xzf", PACKED, "-C", scratch]);
  try {
    renameSync(scratch, home);
  } catch (error) {
    rmSync(scratch, { recursive: true });
    if (!existsSync(home)) throw error;
  }
}
