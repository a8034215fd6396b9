/** The program's surroundings in one object, so that tests can be the terminal and the network. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect, type Keys, type Members, type TlsOptions } from "task-queue-client";
import { askBrokerProgram, type ProgramAnswer } from "./broker-program.ts";
import { StandardOutput } from "./output/standard-output.ts";

/** What the verbs ask of the cluster. */
export type AdminClient = Pick<
  Client,
  | "audit"
  | "cancel"
  | "close"
  | "cluster"
  | "compact"
  | "dead"
  | "events"
  | "get"
  | "graph"
  | "jobs"
  | "list"
  | "logs"
  | "queue"
  | "queues"
  | "release"
  | "reschedule"
  | "retry"
  | "snapshot"
  | "stats"
  | "submit"
  | "submitMany"
  | "wait"
  | "workers"
> & {
  readonly members: Pick<Members, keyof Members>;
  readonly keys: Pick<Keys, keyof Keys>;
};

export interface ConnectOptions {
  readonly servers: string;
  readonly apiKey: string;
  /** undefined = plain text. */
  readonly tls: TlsOptions | undefined;
  readonly timeoutMs: number;
  /** Ask these servers only, wherever they point. */
  readonly stay: boolean;
  /** Told of each broker that could not be reached. */
  onFailed(address: string, error: Error): void;
  onUp(): void;
}

export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Is standard output a terminal? */
  readonly isTerminal: boolean;
  /** Is standard error one, on which a line may be drawn again and again? */
  readonly isStderrTerminal: boolean;
  /** Is somebody there who can answer a question? */
  readonly canAsk: boolean;
  /** Milliseconds since 1970. */
  now(): number;
  stdout(text: string): void;
  /** The same for what is long: done once it was taken, and rejects when it was not. */
  stdoutAll(content: string | Uint8Array): Promise<void>;
  stderr(text: string): void;
  readFile(path: string): string;
  readBytes(path: string): Buffer;
  readStdin(): string;
  /** One line of an answer; empty when the input ends. */
  ask(question: string): Promise<string>;
  /** Ends early when `signal` says so. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * Aborted by Ctrl-C, or by any of `signals`, the first of which from now on does not end the
   * program by itself.
   */
  interrupted(signals?: readonly NodeJS.Signals[]): AbortSignal;
  /** Lines of the terminal. */
  rows(): number;
  /** Runs `tq-broker`; throws `CliError` when it is not there. */
  askBroker(args: readonly string[]): ProgramAnswer;
  connect(options: ConnectOptions): AdminClient;
}

const STDIN = 0;
/** Of a terminal that does not say, or says 0. */
const ROWS_DEFAULT = 24;

/** On standard error, because standard output is for data. */
function askOnTerminal(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve) => {
    terminal.once("close", () => resolve(""));
    terminal.question(question, (answer) => {
      resolve(answer);
      terminal.close();
    });
  });
}

export const STANDARD_OUTPUT = new StandardOutput(process.stdout);

/** The real surroundings. */
export const PROCESS_IO: Io = {
  env: process.env,
  isTerminal: process.stdout.isTTY === true,
  isStderrTerminal: process.stderr.isTTY === true,
  canAsk: process.stdin.isTTY === true && process.stderr.isTTY === true,
  now: Date.now,
  stdout: (text) => STANDARD_OUTPUT.write(text),
  stdoutAll: (content) => STANDARD_OUTPUT.writeAll(content),
  stderr: (text) => void process.stderr.write(text),
  readFile: (path) => readFileSync(path, "utf8"),
  readBytes: (path) => readFileSync(path),
  readStdin: () => readFileSync(STDIN, "utf8"),
  ask: askOnTerminal,
  sleep: (ms, signal) => delay(ms, undefined, signal && { signal }).catch(() => undefined),
  interrupted: (signals = ["SIGINT"]) => {
    const controller = new AbortController();
    for (const each of signals) process.once(each, () => controller.abort());
    return controller.signal;
  },
  rows: () => process.stdout.rows || ROWS_DEFAULT,
  askBroker: askBrokerProgram,
  connect: ({ servers, apiKey, tls, timeoutMs, stay, onFailed, onUp }) =>
    connect({
      servers,
      stay,
      apiKey,
      tls,
      timeoutMs,
      name: "tq-admin",
      onConnection: ({ state, address, error }) => {
        if (state === "up") onUp();
        if (state === "failed" && error !== undefined) onFailed(address ?? "", error);
      },
    }),
};
