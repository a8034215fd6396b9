/** Installs the rivals' client libraries when they are not there yet or older than the lock file. */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** Ends the process with npm's status when npm fails. */
export function ensureInstalled() {
  if (isInstalled()) return;
  console.log("bench: installing the rivals' client libraries …");
  const args = ["ci", "--prefix", here, "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error } = spawnSync("npm", args, { stdio: "inherit" });
  if (error) console.error(`npm: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** npm leaves this file behind; a newer lock file means that something is missing. */
function isInstalled() {
  const marker = join(here, "node_modules", ".package-lock.json");
  if (!existsSync(marker)) return false;
  return statSync(marker).mtimeMs >= statSync(join(here, "package-lock.json")).mtimeMs;
}
