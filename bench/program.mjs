/** Finds the programs of the rivals, also where a user's PATH usually does not lead. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const MORE_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"];

/**
 * @param {string} name
 * @param {readonly string[]} first folders to look in before all others
 * @returns {string | undefined} its path
 */
export function findProgram(name, first = []) {
  const folders = [...first, ...(process.env["PATH"] ?? "").split(delimiter), ...MORE_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The first line with a digit in it of what the program says when asked for its version. */
export function versionOf(/** @type {string} */ path, /** @type {readonly string[]} */ args) {
  const { stdout, stderr } = spawnSync(path, args, { encoding: "utf8", timeout: 30_000 });
  return `${stdout}\n${stderr}`.split("\n").find((line) => /\d/.test(line)) ?? "unknown";
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
