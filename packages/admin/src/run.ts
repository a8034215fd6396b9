/**
 * One call of `tq-admin`, from the command line to the exit status. Data goes to standard output,
 * everything else to standard error, and the connection is closed whatever happens.
 */
import { readTlsFiles, type TlsOptions } from "task-queue-client/connection";
import { addressInFile } from "./broker-file.ts";
import type { Arguments, Command, Context } from "./command.ts";
import { CliError, EXIT, explain } from "./exit-status.ts";
import type { AdminClient, ConnectOptions, Io } from "./io.ts";
import { FORMATS, type Format, Output } from "./output/output.ts";
import { printableLines } from "./output/table.ts";
import { parse } from "./parse.ts";
import { duration, text } from "./values.ts";
import { verbTable } from "./verb-table.ts";
import { watchVerb } from "./watch.ts";

const SERVERS = "127.0.0.1:6379";
const TIMEOUT_MS = 10_000;
/** A verb that asks again and again needs no long tries. */
const PATIENT_TRY_MS = 2_000;
/** Brokers that all refuse this often, without one that answers, are taken to be down. */
const ROUNDS_MAX = 2;

/** Never throws. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    const parsed = await parse(argv);
    if ("text" in parsed) {
      io.stdout(parsed.text);
      return EXIT.ok;
    }
    const { command, args } = parsed;
    return await perform(command, args, io);
  } catch (error) {
    const { status, message } = explain(error);
    io.stderr(`tq-admin: ${printableLines(message)}\n`);
    return status;
  }
}

async function perform(command: Command, args: Arguments, io: Io): Promise<number> {
  const servers = serversOf(args, io);
  const timeoutMs = duration(args, "timeout") ?? command.timeoutMs?.(args) ?? TIMEOUT_MS;
  const out = new Output(formatOf(args, io), io.stdout);
  const watch = new Reachability(servers);
  const tryMs = command.patient === true ? Math.min(timeoutMs, PATIENT_TRY_MS) : timeoutMs;
  const apiKey = () => apiKeyOf(args, io);
  const stay = command.patient === true;
  let opened: AdminClient | undefined;
  const context: Context = {
    // Opened when it is first asked for, for some verbs need no broker.
    get client() {
      opened ??= openClient(
        io,
        { servers, tls: tlsOf(args, io), apiKey, timeoutMs: tryMs, stay },
        watch,
      );
      return opened;
    },
    connect: (address, ms) => {
      const options = { servers: address, tls: tlsOf(args, io), apiKey, timeoutMs: ms, stay: true };
      return openClient(io, options, NO_WATCH);
    },
    dial: () => ({ servers, tls: tlsOf(args, io), apiKey: apiKey() }),
    io,
    out,
    args,
    verbs: verbTable,
    timeoutMs,
  };
  try {
    const isWatch = args["watch"] !== undefined;
    const work = isWatch ? watchVerb(command, context) : command.run(context);
    return stay ? await work : await Promise.race([work, watch.unreachable]);
  } finally {
    await opened?.close();
  }
}

/** The nearest to the command line wins. */
function serversOf(args: Arguments, io: Io): string {
  const file = text(args, "config");
  const inFile = file === undefined ? undefined : addressInFile(file, io);
  return text(args, "broker-addr") ?? inFile ?? io.env["TQ_BROKER_ADDR"] ?? SERVERS;
}

function openClient(
  io: Io,
  options: Pick<ConnectOptions, "servers" | "tls" | "timeoutMs" | "stay"> & { apiKey(): string },
  watch: Pick<Reachability, "failed" | "up">,
): AdminClient {
  try {
    return io.connect({
      ...options,
      apiKey: options.apiKey(),
      onFailed: (address, error) => watch.failed(address, error),
      onUp: () => watch.up(),
    });
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(EXIT.usage, `--broker-addr: ${(cause as Error).message}`, cause);
  }
}

/** Whoever asks one broker among several goes on without its answer. */
const NO_WATCH: Pick<Reachability, "failed" | "up"> = { failed() {}, up() {} };

/**
 * The client tries for as long as its deadline allows, which is right for a cluster in an election
 * and tiresome when nobody is there at all.
 */
class Reachability {
  readonly unreachable: Promise<never>;
  readonly #triesMax: number;
  #reject: (error: CliError) => void = () => {};
  #tries = 0;
  #everUp = false;

  constructor(servers: string) {
    this.#triesMax = servers.split(",").length * ROUNDS_MAX;
    this.unreachable = new Promise((_, reject) => {
      this.#reject = reject;
    });
    // Lost races leave it behind; then nobody asks for the reason.
    this.unreachable.catch(() => {});
  }

  up(): void {
    this.#everUp = true;
  }

  failed(address: string, error: Error): void {
    this.#tries++;
    if (this.#everUp || this.#tries < this.#triesMax) return;
    const fix = "is a broker running there? --broker-addr or TQ_BROKER_ADDR names others";
    const why = error.message.includes(address) ? error.message : `${address}: ${error.message}`;
    this.#reject(
      new CliError(EXIT.unavailable, `no broker can be reached (${why}); ${fix}`, error),
    );
  }
}

function formatOf(args: Arguments, io: Io): Format {
  const given = text(args, "output");
  return FORMATS.find((format) => format === given) ?? (io.isTerminal ? "table" : "json");
}

/** From the flags, or from variables with the same names: `TQ_TLS_CA`. */
function tlsOf(args: Arguments, io: Io): TlsOptions | undefined {
  const given = (name: string): string => {
    const variable = `TQ_${name.toUpperCase().replaceAll("-", "_")}`;
    return (text(args, name) ?? io.env[variable] ?? "").trim();
  };
  try {
    return readTlsFiles({
      tls: ["true", "1"].includes(given("tls")),
      ca: given("tls-ca"),
      cert: given("tls-cert"),
      key: given("tls-key"),
      serverName: given("tls-server-name"),
    });
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(EXIT.config, (cause as Error).message, cause);
  }
}

/** A flag would show the key itself to everybody on the machine, so there is none for it. */
function apiKeyOf(args: Arguments, io: Io): string {
  const flag = text(args, "api-key-file");
  const { TQ_API_KEY: key, TQ_API_KEY_FILE: variable } = io.env;
  const path = flag ?? (key === undefined ? variable : undefined) ?? "";
  if (path === "") return key ?? "";
  try {
    const found = io.readFile(path).trim();
    if (found === "") throw new Error(`${path} is empty`);
    return found;
  } catch (cause) {
    const source = flag === undefined ? "TQ_API_KEY_FILE" : "--api-key-file";
    throw new CliError(EXIT.config, `${source}: ${(cause as Error).message}`, cause);
  }
}
