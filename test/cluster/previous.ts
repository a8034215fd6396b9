/**
 * Brokers of earlier versions, packed in `test/fixtures/previous`: unpacked inside the repository, so
 * that they find the libraries installed there, and run like the one of today.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, join } from "node:path";
import { ROOT } from "./processes.ts";

const FIXTURES = join(ROOT, "test/fixtures/previous");
const OUT = join(ROOT, "test/out/previous");

/** 0.1.0, to run as `Node.program` wants it. Unpacks it the first time. */
export function previousBroker(): string {
  const packed = join(FIXTURES, "tq-broker-0.1.0.tgz");
  const home = unpacked([packed], (into) => unpack(packed, into));
  return join(home, "broker/bin/tq-broker.js");
}

/** The bin of one of the packages of a release, beside all others of it. */
export function releasedBin(version: string, name: "broker" | "worker" | "admin"): string {
  const folder = join(FIXTURES, version);
  const packages = readdirSync(folder).map((file) => join(folder, file));
  const home = unpacked(packages, (into) => {
    for (const file of packages) {
      const owner = join(into, "node_modules", basename(file, `-${version}.tgz`));
      mkdirSync(owner, { recursive: true });
      // All that npm packs lies in a folder of the same name.
      unpack(file, owner, "--strip-components=1");
    }
  });
  return join(home, `node_modules/task-queue-${name}/bin/tq-${name}.js`);
}

function unpack(file: string, into: string, ...how: readonly string[]): void {
  execFileSync("tar", ["-xzf", file, "-C", into, ...how]);
}

/** Two tests may do it at once: each into a directory of its own, and the first one wins. */
function unpacked(files: readonly string[], fill: (into: string) => void): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  const home = join(OUT, hash.digest("hex").slice(0, 16));
  if (existsSync(home)) return home;
  mkdirSync(OUT, { recursive: true });
  const scratch = mkdtempSync(join(OUT, "unpacking-"));
  fill(scratch);
  try {
    renameSync(scratch, home);
  } catch (error) {
    rmSync(scratch, { recursive: true });
    if (!existsSync(home)) throw error;
  }
  return home;
}
