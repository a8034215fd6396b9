/** Runs the real `tq-admin` and tells how it ended. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exitOf, startProcess, type TestCluster } from "./processes.ts";

export interface AdminRun {
  readonly status: number | string;
  readonly output: string;
}

/** Which brokers are asked, and where the output goes. */
export type Asked = Pick<TestCluster, "dir" | "running">;

let runs = 0;

/** `args`: verb and what follows it; the addresses of all running brokers come along. */
export async function tryAdmin(cluster: Asked, ...args: string[]): Promise<AdminRun> {
  const logFile = join(cluster.dir, `admin-${runs++}.log`);
  const servers = cluster.running.map((node) => node.address).join(",");
  const child = startProcess(
    "packages/admin/bin/tq-admin.js",
    ["--broker-addr", servers, ...args],
    { logFile },
  );
  const status = await exitOf(child);
  return { status, output: readFileSync(logFile, "utf8") };
}

/** Throws with all it printed unless it succeeds. */
export async function admin(cluster: Asked, ...args: string[]): Promise<string> {
  const { status, output } = await tryAdmin(cluster, ...args);
  if (status !== 0) throw new Error(`tq-admin ${args.join(" ")} exited with ${status}: ${output}`);
  return output;
}
