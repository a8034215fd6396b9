/**
 * The flags of `tq-worker`, in one table: from it come the parser, the help and the environment
 * variables. A flag wins over the environment, that over the file of `--config`, and that over the
 * default.
 */
import { readFileSync } from "node:fs";
import { readTlsFiles, type TlsOptions, type TlsPaths } from "task-queue-client/connection";
import yargs from "yargs";
import { VERSION } from "../version.ts";
import { type FileContent, readConfigFile } from "./config-file.ts";
import { EXIT, StartError } from "./exit-status.ts";
import { isOn, labels, list, logLevel, programs, seconds, text, whole } from "./values.ts";

export interface WorkerFlags {
  readonly brokerAddr: string;
  readonly concurrency: number;
  readonly prefetch: number;
  /** undefined = not given, and the lease decides. */
  readonly heartbeatIntervalSecs: number | undefined;
  readonly queues: readonly string[];
  /** Empty = every type that has a handler. */
  readonly types: readonly string[];
  readonly handlers: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly name: string;
  readonly healthHost: string;
  readonly healthPort: number;
  /** The port was asked for, so that another one will not do. */
  readonly healthPortGiven: boolean;
  readonly metricsPort: number;
  readonly graceSecs: number;
  readonly logLevel: string;
  readonly execAllow: ReadonlyMap<string, string>;
  readonly httpDenyPrivate: boolean;
  readonly apiKey: string;
  /** undefined = plain text. */
  readonly tls: TlsOptions | undefined;
  /** What in the file of `--config` changes nothing, and why. */
  readonly notes: readonly string[];
  /** Only look whether a start would take these options. */
  readonly checkOnly: boolean;
}

export interface Flag {
  readonly describe: string;
  readonly fallback: string;
  /** Environment variables besides `TQ_` and the flag's name. */
  readonly env?: readonly string[];
  readonly kind?: "repeatable" | "switch";
}

export const FLAGS = {
  config: { describe: "YAML or JSON file with these options", fallback: "" },
  "check-config": {
    describe: "Say what is wrong with the options, and do not start",
    fallback: "false",
    kind: "switch",
  },
  "broker-addr": {
    describe: "Brokers to work for: HOST:PORT[,HOST:PORT...]",
    fallback: "127.0.0.1:6379",
  },
  concurrency: {
    describe: "Tasks to run at once",
    fallback: "4",
    env: ["TQ_WORKER__CONCURRENCY", "TQ_WORKER__POOL_SIZE", "WORKER_COUNT"],
  },
  prefetch: {
    describe: "Tasks to hold ready besides those; for short tasks",
    fallback: "0",
    env: ["TQ_WORKER__PREFETCH"],
  },
  "heartbeat-interval-secs": {
    describe: "Seconds between heartbeats [15, or as many as the lease needs]",
    fallback: "",
    env: ["TQ_WORKER__HEARTBEAT_INTERVAL_SECS"],
  },
  queues: {
    describe: "Queues to serve: a,b,c; empty = all",
    fallback: "",
    env: ["TQ_WORKER__QUEUES"],
  },
  types: {
    describe: "Task types to run: a,b,c; empty = all that have a handler",
    fallback: "",
    env: ["TQ_WORKER__TYPES"],
  },
  handlers: {
    describe: "ES module with the handlers",
    fallback: "",
    env: ["TQ_WORKER__HANDLERS"],
  },
  labels: { describe: "Labels of this worker: key=value,...", fallback: "" },
  name: { describe: "Name of this worker in lists", fallback: "", env: ["WORKER_ID"] },
  "health-host": { describe: "Address of the health page and the metrics", fallback: "127.0.0.1" },
  "health-port": { describe: "Port of the health page; 0 = none", fallback: "8081" },
  "metrics-port": { describe: "Port of the metrics for Prometheus; 0 = none", fallback: "0" },
  "grace-secs": {
    describe: "How long running tasks may go on after SIGTERM",
    fallback: "25",
  },
  "log-level": {
    describe: "trace, debug, info, warn, error, fatal or silent",
    fallback: "info",
    env: ["TQ_LOG"],
  },
  "api-key-file": {
    describe: "File with the API key; default: the key in TQ_API_KEY",
    fallback: "",
  },
  "exec-allow": {
    describe: "A program that exec tasks may run: NAME=/path/to/program; repeatable",
    fallback: "",
    kind: "repeatable",
  },
  "http-deny-private": {
    describe: "Refuse loopback and private addresses to http tasks",
    fallback: "false",
    kind: "switch",
  },
  tls: {
    describe: "TLS to the brokers; any of the following does the same",
    fallback: "false",
    kind: "switch",
  },
  "tls-ca": { describe: "File with the authorities to trust, PEM", fallback: "" },
  "tls-cert": { describe: "File with the certificate to show, PEM", fallback: "" },
  "tls-key": { describe: "File with its private key, PEM", fallback: "" },
  "tls-server-name": { describe: "Name in the brokers' certificates; the host", fallback: "" },
} as const satisfies Record<string, Flag>;

type FlagName = keyof typeof FLAGS;
type FileValues = FileContent["values"];
type Environment = Readonly<Record<string, string | undefined>>;

interface Given {
  readonly value: string;
  /** Flag or variable, as an error message names it. */
  readonly source: string;
  readonly given: boolean;
}

/**
 * Throws `StartError` with every wrong value; `undefined` when help or the version was asked for
 * and printed.
 */
export function parseFlags(
  args: readonly string[],
  env: Environment,
  print: (text: string) => void,
): WorkerFlags | undefined {
  const argv = parseArguments(args, print);
  if (argv === undefined) return undefined;
  const { values: file, notes } = fileOf(argv, env);
  const find = (name: FlagName): Given => lookUp(name, argv, env, file);
  const mistakes = new Mistakes();
  const read = <T>(name: FlagName, parse: (value: string, source: string) => T): T => {
    const { value, source } = find(name);
    return mistakes.gather(() => parse(value, source));
  };
  const keyFile = find("api-key-file");
  const flags: WorkerFlags = {
    brokerAddr: read("broker-addr", text),
    concurrency: read("concurrency", whole(1, 10_000)),
    prefetch: read("prefetch", whole(0, 10_000)),
    heartbeatIntervalSecs: read("heartbeat-interval-secs", (value, source) => {
      return value === "" ? undefined : seconds(0.1, 3_600)(value, source);
    }),
    queues: read("queues", list),
    types: read("types", list),
    handlers: read("handlers", text),
    labels: read("labels", labels),
    name: read("name", text),
    healthHost: read("health-host", text),
    healthPort: read("health-port", whole(0, 65_535)),
    healthPortGiven: find("health-port").given,
    metricsPort: read("metrics-port", whole(0, 65_535)),
    graceSecs: read("grace-secs", seconds(0, 86_400)),
    logLevel: read("log-level", logLevel),
    execAllow: read("exec-allow", programs),
    httpDenyPrivate: read("http-deny-private", isOn),
    apiKey: mistakes.gather(() => apiKeyOf(keyFile, argv, env)),
    tls: mistakes.gather(() =>
      tlsOf({
        tls: read("tls", isOn),
        ca: read("tls-ca", text),
        cert: read("tls-cert", text),
        key: read("tls-key", text),
        serverName: read("tls-server-name", text),
      }),
    ),
    notes,
    checkOnly: read("check-config", isOn),
  };
  mistakes.refuse();
  return flags;
}

/** Of values: whoever has several wrong ones need not start once for each. */
class Mistakes {
  readonly #found: StartError[] = [];

  /** After a mistake what it returns is nothing to go by, and `refuse` throws. */
  gather<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#found.push(error);
      return undefined as T;
    }
  }

  /** The first one's status is that of all. */
  refuse(): void {
    const [first] = this.#found;
    if (first === undefined) return;
    const text = this.#found.map(({ message }) => message).join("\n");
    throw new StartError(first.status, text, first.cause);
  }
}

/** All but those that say which file. */
const IN_FILE = Object.keys(FLAGS).filter((name) => !/^(config|check-config)$/.test(name));
const NO_FILE: FileValues = new Map();

function fileOf(argv: Readonly<Record<string, unknown>>, env: Environment): FileContent {
  const { value: path, given } = lookUp("config", argv, env, NO_FILE);
  if (given && path === "") throw usage("--config needs the path of a file");
  return path === "" ? { values: NO_FILE, notes: [] } : readConfigFile(path, IN_FILE);
}

function tlsOf(paths: TlsPaths): TlsOptions | undefined {
  try {
    return readTlsFiles(paths);
  } catch (cause) {
    throw new StartError(EXIT.config, (cause as Error).message, cause);
  }
}

/** The parser takes all that a switch is told, but for "true", as no. */
function plainSwitch(word: string): string {
  const [, name = "", value = ""] = /^--([a-z-]+)=(.*)$/s.exec(word) ?? [];
  const flag: Flag | undefined = Object.hasOwn(FLAGS, name) ? FLAGS[name as FlagName] : undefined;
  return flag?.kind === "switch" ? `--${name}=${isOn(value, `--${name}`)}` : word;
}

function parseArguments(
  args: readonly string[],
  print: (text: string) => void,
): Readonly<Record<string, unknown>> | undefined {
  let message: string | undefined;
  let asked = false;
  const parser = yargs()
    .scriptName("tq-worker")
    .usage("Usage: $0 [options]\n\nRuns tasks of a tq cluster.")
    .parserConfiguration({
      "camel-case-expansion": false,
      "greedy-arrays": false,
    })
    .example("$0", "run echo, sleep and http tasks of the broker on this machine")
    .example("$0 --handlers ./handlers.mjs --concurrency 16", "run your own handlers")
    .example("$0 --broker-addr a:6379,b:6379,c:6379", "work for a cluster")
    .epilogue(EPILOGUE)
    .version(VERSION)
    .help()
    .alias("help", "h")
    .wrap(100)
    .strict()
    .exitProcess(false);
  for (const [name, flag] of Object.entries<Flag>(FLAGS)) {
    const type = flag.kind === "switch" ? "boolean" : "string";
    const describe = flag.fallback === "" ? flag.describe : `${flag.describe} [${flag.fallback}]`;
    parser.option(name, { type, describe, array: flag.kind === "repeatable" });
  }
  const argv = parser.parse(args.map(plainSwitch), {}, (error, _argv, output) => {
    if (error) message = error.message;
    if (output !== "" && !error) {
      asked = true;
      print(output);
    }
  }) as Record<string, unknown>;
  if (message !== undefined) throw usage(message);
  const stray = argv["_"];
  if (Array.isArray(stray) && stray.length > 0) {
    throw usage(`"${stray.join(" ")}" is not an option`);
  }
  return asked ? undefined : argv;
}

export const EPILOGUE = [
  "Every option can come from the environment: TQ_ and its name, as in TQ_BROKER_ADDR, or from a",
  "file: broker_addr and so on, as in config/worker.yaml. Flags win over the environment, and that",
  "over the file.",
  "The API key is read from the file of --api-key-file, from TQ_API_KEY, or from the file that",
  "TQ_API_KEY_FILE names.",
  "SIGTERM drains: running tasks finish, the others are given back. A second signal ends it.",
].join("\n");

function lookUp(
  name: FlagName,
  argv: Readonly<Record<string, unknown>>,
  env: Environment,
  file: FileValues,
): Given {
  const flag: Flag = FLAGS[name];
  const value = argv[name];
  if (value !== undefined) {
    if (Array.isArray(value) && flag.kind !== "repeatable") {
      throw usage(`--${name} was given twice`);
    }
    return { value: String(value), source: `--${name}`, given: true };
  }
  const own = `TQ_${name.toUpperCase().replaceAll("-", "_")}`;
  for (const variable of [own, ...(flag.env ?? [])]) {
    const found = env[variable];
    if (found !== undefined && found !== "") return { value: found, source: variable, given: true };
  }
  const inFile = file.get(name);
  if (inFile !== undefined) return { ...inFile, given: true };
  return { value: flag.fallback, source: `--${name}`, given: false };
}

/** A flag would show the key itself to everybody on the machine, so there is none for it. */
function apiKeyOf(
  { value: path, source }: Given,
  argv: Readonly<Record<string, unknown>>,
  env: Environment,
): string {
  const key = env["TQ_API_KEY"];
  if (path === "" || (key !== undefined && argv["api-key-file"] === undefined)) return key ?? "";
  try {
    const text = readFileSync(path, "utf8").trim();
    if (text === "") throw new Error(`${path} is empty`);
    return text;
  } catch (cause) {
    throw new StartError(EXIT.config, `${source}: ${(cause as Error).message}`, cause);
  }
}

function usage(message: string): StartError {
  return new StartError(EXIT.usage, `${message}\nSee tq-worker --help.`);
}
