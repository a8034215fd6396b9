/**
 * Prometheus' own judgement of an exposition, where its tool is installed. Our strict reader judges
 * always; this one adds the conventions of names.
 */
import { spawnSync } from "node:child_process";

/** What `promtool check metrics` finds fault with; undefined = nothing, or there is no promtool. */
export function faultsByPromtool(exposition: string): string | undefined {
  const { error, status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
    input: exposition,
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
