/** The files of a folder, without the ones that nobody wrote by hand. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

const SKIPPED = new Set(["node_modules", ".git", "dist", "data"]);
const FILES_MAX = 20_000;

export async function listFiles(folder) {
  const found = [];
  const folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const entry of await readdir(next, { withFileTypes: true })) {
      if (SKIPPED.has(entry.name)) continue;
      const path = join(next, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() && found.length < FILES_MAX) found.push(await describe(path));
    }
  }
  return found.filter((file) => file !== undefined);
}

async function describe(path) {
  const facts = await stat(path).catch(() => undefined);
  return facts && { path, version: `${facts.mtimeMs}-${facts.size}` };
}
