/**
 * Prometheus' own judgement of an exposition, where its tool is installed. Our strict reader judges
 * always; this one adds the conventions of names.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What `promtool check metrics` finds fault with; undefined = nothing, or there is no promtool. */
export function faultsByPromtool(exposition: string): string | undefined {
  return faultsOf(["check", "metrics"], exposition);
}

/** The same of a configuration of Prometheus itself, whose files need not be there. */
export function configFaultsByPromtool(yaml: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "tq-promtool-"));
  try {
    const file = join(folder, "prometheus.yml");
    writeFileSync(file, yaml);
    return faultsOf(["check", "config", "--syntax-only", file], "");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function faultsOf(args: readonly string[], input: string): string | undefined {
  const { error, status, stdout, stderr } = spawnSync("promtool", args, {
    input,
    encoding: "utf8",
  });
  if (error !== undefined) {
    // A check that never runs is no check.
    if (process.env["CI"] === "true") throw new Error("promtool is missing", { cause: error });
    process.stderr.write(`\nNOT CHECKED by promtool: ${error.message}\n`);
    return undefined;
  }
  return status === 0 ? undefined : `${stdout}${stderr}`;
}
