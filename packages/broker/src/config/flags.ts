/**
 * The command line of tq-broker. `--help` and `--version` print and end the process; a flag that
 * does not exist is a `UsageError`. What a flag sets overrides the file and the environment.
 */

import { didYouMean } from "task-queue-protocol";
import yargs from "yargs";
import { formatHostPort, parseHostPort } from "./address.ts";
import type { Collector } from "./collect.ts";
import { UsageError } from "./config-error.ts";

export interface Flags {
  readonly config: string | undefined;
  /** No setting, for it must not stay behind in a file and be true at the next start, too. */
  readonly acceptRestoredData: boolean;
  /** The same goes for these: a backup to begin with, and the file with its key. */
  readonly restore: string | undefined;
  readonly restoreKeyFile: string | undefined;
  /** Only look whether a start would take these settings. */
  readonly checkOnly: boolean;
  /** Values by key, each with the flag that said it. */
  readonly settings: readonly { key: string; value: unknown; where: string }[];
}

export const USAGE = `$0 [options]

A broker of the tq task queue. Without options: a single node that keeps its
data in ./data.`;

export const EPILOGUE = `Every setting is described in config/reference.yaml; each is also
read from the environment: broker.port from TQ_BROKER__PORT. Flags win over the
environment, the environment over the file.`;

export const OPTIONS = {
  config: { type: "string", describe: "YAML file with settings" },
  "broker-addr": { type: "string", describe: "HOST:PORT to listen on for workers and clients" },
  "node-id": { type: "string", describe: "this node's name in the cluster" },
  peer: { type: "string", array: true, describe: "HOST:PORT of another broker (repeatable)" },
  "data-dir": { type: "string", describe: "where everything is kept" },
  "rest-port": { type: "string", describe: "port of the REST interface" },
  "grpc-port": { type: "string", describe: "port of the gRPC interface" },
  "log-level": { type: "string", describe: "trace, debug, info, warn, error or fatal" },
  restore: {
    type: "string",
    describe: "begin a new cluster from this backup, in an empty data-dir",
  },
  "restore-key-file": { type: "string", describe: "file with the key it was encrypted with" },
} as const;

export const SWITCHES = {
  "check-config": {
    type: "boolean",
    describe: "say what is wrong with the settings, and do not start",
  },
  "accept-restored-data": {
    type: "boolean",
    describe: "start on a copied data directory of a cluster member, once, if it is whole",
  },
} as const;

const KEY_OF_FLAG = {
  "node-id": "raft.node_id",
  "data-dir": "persistence.data_dir",
  "rest-port": "api.rest_port",
  "grpc-port": "api.grpc_port",
  "log-level": "monitoring.log_level",
} as const;

/** `argv` without node and script. Throws `UsageError`. */
export function parseFlags(argv: readonly string[], version: string): Flags {
  refuseUnknown(argv);
  const parsed = yargs([...argv])
    .scriptName("tq-broker")
    .usage(USAGE)
    .options({ ...OPTIONS, ...SWITCHES })
    .parserConfiguration({ "camel-case-expansion": false, "boolean-negation": false })
    .requiresArg(Object.keys(OPTIONS))
    .example("$0", "a single node on 127.0.0.1:6379")
    .example("$0 --config /etc/task-queue/config.yaml", "as a service runs it")
    .epilogue(EPILOGUE)
    .version(version)
    .help()
    .strict()
    .fail((message, error) => {
      throw error instanceof UsageError ? error : new UsageError(message ?? String(error));
    })
    .parseSync();
  const restore = single(parsed, "restore");
  const restoreKeyFile = single(parsed, "restore-key-file");
  if (restore === undefined && restoreKeyFile !== undefined) {
    throw new UsageError("--restore-key-file goes with --restore FILE");
  }
  return {
    config: single(parsed, "config"),
    acceptRestoredData: parsed["accept-restored-data"] === true,
    checkOnly: parsed["check-config"] === true,
    restore,
    restoreKeyFile,
    settings: settingsOf(parsed),
  };
}

/** Puts what the flags say into the collector. */
export function readFlags(flags: Flags, collector: Collector): void {
  for (const { key, value, where } of flags.settings) collector.put(key, value, where);
}

function settingsOf(parsed: Readonly<Record<string, unknown>>): Flags["settings"] {
  const settings: { key: string; value: unknown; where: string }[] = [];
  for (const [flag, key] of Object.entries(KEY_OF_FLAG)) {
    const value = single(parsed, flag);
    if (value !== undefined) settings.push({ key, value, where: `flag --${flag}` });
  }
  const peers = parsed["peer"] as readonly string[] | undefined;
  if (peers !== undefined) {
    const value = peers.flatMap((peer) => peer.split(","));
    settings.push({ key: "raft.peers", value, where: "flag --peer" });
  }
  const address = single(parsed, "broker-addr");
  if (address === undefined) return settings;
  const where = "flag --broker-addr";
  const parts = parseHostPort(address);
  if (parts === undefined) {
    const example = formatHostPort({ host: "127.0.0.1", port: 6379 });
    throw new UsageError(`--broker-addr: "${address}" is not HOST:PORT, such as ${example}`);
  }
  settings.push({ key: "broker.host", value: parts.host, where });
  settings.push({ key: "broker.port", value: parts.port, where });
  return settings;
}

function single(parsed: Readonly<Record<string, unknown>>, flag: string): string | undefined {
  const value = parsed[flag];
  if (Array.isArray(value)) throw new UsageError(`--${flag} is given more than once`);
  return value as string | undefined;
}

/**
 * Before yargs does, because it neither suggests the nearest flag nor quotes what it did not know.
 */
function refuseUnknown(argv: readonly string[]): void {
  const known = [...Object.keys(OPTIONS), ...Object.keys(SWITCHES), "help", "version"];
  for (const [index, argument] of argv.entries()) {
    if (!argument.startsWith("--") || argument === "--") continue;
    const name = argument.slice(2).split("=", 1)[0]!;
    const isValue = Object.hasOwn(OPTIONS, argv[index - 1]?.slice(2) ?? "");
    if (known.includes(name) || isValue) continue;
    throw new UsageError(`there is no flag --${name}.${didYouMean(name, known)}`);
  }
}
