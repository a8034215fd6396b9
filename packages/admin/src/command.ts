/** What a verb is: its arguments for the parser, and what it does with them. */
import type { Argv } from "yargs";
import type { AdminClient, ConnectOptions, Io } from "./io.ts";
import type { Output } from "./output/output.ts";
import type { VerbTable } from "./verb-table.ts";

/** What was given on the command line; each verb reads its own arguments. */
export type Arguments = Readonly<Record<string, unknown>>;

export interface Context {
  readonly client: AdminClient;
  /** Another connection, to this broker and no other; whoever asks for it closes it. */
  connect(address: string, timeoutMs: number): AdminClient;
  /** What `client` was opened with, for connections of other kinds. */
  readonly dial: () => Pick<ConnectOptions, "servers" | "apiKey" | "tls">;
  readonly io: Io;
  readonly out: Output;
  readonly args: Arguments;
  /** All verbs, for one that describes them. */
  readonly verbs: () => VerbTable;
  /** How long the verb may take: `--timeout`, or its own default. */
  readonly timeoutMs: number;
}

export interface Command {
  /** As yargs writes it: `get <id>`. */
  readonly usage: string;
  readonly summary: string;
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  arguments(parser: Argv): Argv;
  /** Answers the exit status: 0 = done, 1 = the answer is "no". Anything else is thrown. */
  run(context: Context): Promise<number>;
  /** It waits for brokers to appear, so that none being there is no reason to give up. */
  readonly patient?: boolean;
  /** It shows how things stand, and may be asked to go on showing it: `--watch`. */
  readonly watchable?: true;
  /** How long it may take by default; undefined = as long as any other verb. */
  readonly timeoutMs?: (args: Arguments) => number | undefined;
}

/** Verbs under one word: `tq-admin dlq list`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly Command[];
}
