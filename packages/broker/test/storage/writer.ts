/**
 * Starts writer-child.mjs, plain or under strace, and collects what it acknowledged. One libuv
 * thread, because strace counts the calls of each thread apart.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface WriterOptions {
  readonly mode: "append" | "cut" | "compact" | "install" | "unsynced" | "identity";
  readonly path: string;
  readonly steps: number;
  readonly entryBytes: number;
  /** Arguments of strace; none = not under strace. */
  readonly strace?: readonly string[];
  /** Kill it with SIGKILL after this many acknowledgements. */
  readonly killAfter?: number;
}

export interface WriterEnd {
  readonly acknowledged: readonly number[];
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** The child's exit code when a store stopped it. */
export const STOPPED = 70;

const CHILD = fileURLToPath(new URL("./writer-child.mjs", import.meta.url));
const BUILT = fileURLToPath(new URL("../../dist/storage/data-dir.js", import.meta.url));

export async function runWriter(options: WriterOptions): Promise<WriterEnd> {
  if (!existsSync(BUILT)) {
    throw new Error(`${BUILT} is missing: run npm run build first`);
  }
  const { mode, path, steps, entryBytes } = options;
  const node = [process.execPath, CHILD, mode, path, String(steps), String(entryBytes)];
  const command =
    options.strace === undefined ? node : ["strace", "-f", ...options.strace, ...node];
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return await collect(child, options.killAfter ?? Number.POSITIVE_INFINITY);
}

function collect(child: ChildProcess, killAfter: number): Promise<WriterEnd> {
  let stdout = "";
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (linesOf(stdout).length >= killAfter) {
      child.kill("SIGKILL");
    }
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ acknowledged: linesOf(stdout).map(Number), code, signal, stderr });
    });
  });
}

/** Whole lines only: a kill may cut the last one. */
function linesOf(text: string): readonly string[] {
  return text.split("\n").slice(0, -1);
}

/** Arguments of strace that make the n-th `call` on `path` fail. */
export function inject(call: string, error: string, when: number, path: string): readonly string[] {
  return ["-P", path, "-e", `trace=${call}`, "-e", `inject=${call}:error=${error}:when=${when}`];
}
