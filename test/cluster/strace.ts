/**
 * Faults of the disk under a running broker, injected into its system calls by strace. `when=N` of
 * an injection counts for each thread by itself, and a broker has several that write.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { exitOf, type Node, waitFor } from "./processes.ts";

const tracers = new Set<ChildProcess>();
process.on("exit", () => {
  for (const tracer of tracers) tracer.kill("SIGKILL");
});

export interface Injection {
  /** Lets go of the broker: its system calls are as ever. */
  end(): Promise<void>;
}

/**
 * `what` as in `--inject=what`: `fdatasync:error=EIO:when=1`. With `path` only calls on that file
 * count. Resolves once every thread is traced.
 */
export async function inject(node: Node, what: string, path?: string): Promise<Injection> {
  const call = what.split(":")[0] as string;
  const only = path === undefined ? [] : ["-P", path];
  const args = ["-f", "-o", "/dev/null", "-e", `trace=${call}`, "-e", `inject=${what}`, ...only];
  const tracer = spawn("strace", [...args, "-p", `${node.pid}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  tracers.add(tracer);
  let said = "";
  tracer.stderr?.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  const ended = exitOf(tracer).then(() => tracers.delete(tracer));
  await waitFor("strace", () => {
    // The first fault may have ended the broker, and with it strace, before anybody looked.
    if (/attached/.test(said)) return true;
    if (tracer.exitCode !== null) throw new Error(`strace ended: ${said}`);
    return false;
  });
  return {
    end: async () => {
      tracer.kill("SIGTERM");
      await ended;
    },
  };
}
