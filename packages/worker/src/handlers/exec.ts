/**
 * `exec {command, args?, stdin?, timeout_ms?}`: runs one of the programs that the operator has
 * allowed by name. There is no shell, the payload never chooses a path, and the child sees a short
 * list of environment variables: not the worker's keys. It leads a process group of its own, so
 * that an abort, a timeout or the worker's end stops whatever it has started.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { NonRetryable } from "../errors.ts";
import type { Handler, TaskContext } from "../handler.ts";
import { type Fields, fieldsOf, optionalText, optionalWhole } from "./fields.ts";

export interface ExecOptions {
  /** Name as payloads give it → absolute path of the program. */
  readonly allow: ReadonlyMap<string, string>;
}

/** Kept of standard output and of standard error, each; the rest is read and dropped. */
export const OUTPUT_BYTES_MAX = 64 * 1024;
/** From the polite signal to the one that cannot be caught. */
const KILL_AFTER_MS = 5_000;
const TIMEOUT_MS_MAX = 7 * 24 * 3_600_000;
const ERROR_TAIL_CHARS = 1_000;
const PASSED_ON = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"] as const;

/** What came of a program that ended with status 0. */
export interface ExecResult {
  readonly exit_code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Either output was longer than what is kept. */
  readonly truncated: boolean;
}

interface Order {
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin: string;
  readonly timeoutMs: number | undefined;
}

/** The `exec` handler for one allow-list. */
export function execHandler(options: ExecOptions): Handler<unknown, ExecResult> {
  return (payload, ctx) => {
    const fields = fieldsOf(payload, "exec", ["command", "args", "stdin", "timeout_ms"]);
    return run(readOrder(fields, options.allow), ctx);
  };
}

function readOrder(fields: Fields, allow: ReadonlyMap<string, string>): Order {
  const command = optionalText(fields, "command");
  if (command === undefined) throw new NonRetryable('exec: "command" is missing');
  const program = allow.get(command);
  if (program === undefined) {
    const allowed = [...allow.keys()].join(", ") || "none";
    throw new NonRetryable(`exec: "${command}" is not allowed here; allowed: ${allowed}`);
  }
  const args = fields["args"] ?? [];
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === "string")) {
    throw new NonRetryable('exec: "args" must be an array of strings');
  }
  if (args.some((arg) => arg.includes("\0"))) {
    throw new NonRetryable('exec: "args" must not contain NUL characters');
  }
  return {
    program,
    args,
    stdin: optionalText(fields, "stdin") ?? "",
    timeoutMs: optionalWhole(fields, "timeout_ms", 1, TIMEOUT_MS_MAX),
  };
}

function run(order: Order, ctx: TaskContext): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(order.program, order.args, {
      detached: true,
      env: environmentOf(ctx),
      stdio: ["pipe", "pipe", "pipe"],
    });
    const stdout = new Output(child.stdout);
    const stderr = new Output(child.stderr);
    const stop = watch(child, ctx.signal, order.timeoutMs);
    child.stdin.on("error", () => {}); // A program need not read its input.
    child.stdin.end(order.stdin);
    child.on("error", (cause) => {
      stop();
      reject(new Error(`exec: ${order.program} could not be started: ${cause.message}`, { cause }));
    });
    child.on("close", (code, signal) => {
      const why = stop();
      if (ctx.signal.aborted) return reject(ctx.signal.reason);
      if (why !== undefined) return reject(new Error(why));
      if (code !== 0) return reject(failure(order.program, code, signal, stderr.text));
      const truncated = stdout.truncated || stderr.truncated;
      resolve({ exit_code: code, stdout: stdout.text, stderr: stderr.text, truncated });
    });
  });
}

function environmentOf(ctx: TaskContext): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {
    TQ_TASK_ID: ctx.id,
    TQ_TASK_TYPE: ctx.type,
    TQ_TASK_ATTEMPT: String(ctx.attempt),
    TQ_TASK_TOKEN: String(ctx.token),
  };
  for (const name of PASSED_ON) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

function failure(program: string, code: number | null, signal: string | null, stderr: string) {
  const how = code === null ? `was ended by ${signal}` : `ended with status ${code}`;
  const tail = stderr.slice(-ERROR_TAIL_CHARS).trim();
  return new Error(`exec: ${program} ${how}${tail === "" ? "" : `: ${tail}`}`);
}

/**
 * Ends the child on abort or timeout. The returned function stops watching and says why it ended.
 */
function watch(child: ChildProcess, signal: AbortSignal, timeoutMs: number | undefined) {
  let why: string | undefined;
  let force: NodeJS.Timeout | undefined;
  const end = (): void => {
    signalGroup(child, "SIGTERM");
    force ??= setTimeout(() => signalGroup(child, "SIGKILL"), KILL_AFTER_MS);
  };
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          why = `exec: took longer than timeout_ms (${timeoutMs} ms)`;
          end();
        }, timeoutMs);
  remember(child);
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  return (): string | undefined => {
    clearTimeout(timer);
    clearTimeout(force);
    signal.removeEventListener("abort", end);
    alive.delete(child);
    return why;
  };
}

const alive = new Set<ChildProcess>();
let exitHooked = false;

/** A worker that is made to exit at once must not leave programs behind. */
function remember(child: ChildProcess): void {
  alive.add(child);
  if (exitHooked) return;
  exitHooked = true;
  process.once("exit", () => {
    for (const each of alive) signalGroup(each, "SIGKILL");
  });
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

/** The beginning of a stream, as text; reads on to the end so that the child is never blocked. */
class Output {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  truncated = false;

  constructor(stream: NodeJS.ReadableStream) {
    stream.on("data", (chunk: Buffer) => {
      const room = OUTPUT_BYTES_MAX - this.#bytes;
      if (chunk.length > room) this.truncated = true;
      if (room <= 0) return;
      const kept = chunk.subarray(0, room);
      this.#chunks.push(kept);
      this.#bytes += kept.length;
    });
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}
