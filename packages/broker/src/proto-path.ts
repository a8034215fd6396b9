/** Where the files of `proto/` are, in the repository and in a package of its own. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Throws when the file is in neither place: the program is not whole. */
export function protoPath(name: string): string {
  // A package carries a copy beside `dist`; in the repository there is one for all.
  const candidates = [`../proto/${name}`, `../../../proto/${name}`];
  const paths = candidates.map((path) => fileURLToPath(new URL(path, import.meta.url)));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`${name} is missing: looked at ${paths.join(", ")}`);
  return path;
}
