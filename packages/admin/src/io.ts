/** The program's surroundings in one object, so that tests can be the terminal and the network. */
import { readFileSync } from "node:fs";
import { type Client, connect } from "task-queue-client";

/** What the verbs ask of the cluster. */
export type AdminClient = Pick<
  Client,
  | "cancel"
  | "close"
  | "cluster"
  | "dead"
  | "get"
  | "list"
  | "queues"
  | "retry"
  | "stats"
  | "submit"
  | "wait"
  | "workers"
>;

export interface ConnectOptions {
  readonly servers: string;
  readonly apiKey: string;
  readonly timeoutMs: number;
  /** Told of each broker that could not be reached. */
  onFailed(address: string, error: Error): void;
  onUp(): void;
}

export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Is standard output a terminal? */
  readonly isTerminal: boolean;
  /** Milliseconds since 1970. */
  now(): number;
  stdout(text: string): void;
  stderr(text: string): void;
  readFile(path: string): string;
  readStdin(): string;
  sleep(ms: number): Promise<void>;
  connect(options: ConnectOptions): AdminClient;
}

const STDIN = 0;

/** The real surroundings. */
export const PROCESS_IO: Io = {
  env: process.env,
  isTerminal: process.stdout.isTTY === true,
  now: Date.now,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  readFile: (path) => readFileSync(path, "utf8"),
  readStdin: () => readFileSync(STDIN, "utf8"),
  sleep: (ms) =>
    new Promise((resolve) => {
      setTimeout(resolve, ms);
    }),
  connect: ({ servers, apiKey, timeoutMs, onFailed, onUp }) =>
    connect({
      servers,
      apiKey,
      timeoutMs,
      name: "tq-admin",
      onConnection: ({ state, address, error }) => {
        if (state === "up") onUp();
        if (state === "failed" && error !== undefined) onFailed(address ?? "", error);
      },
    }),
};
