/**
 * One call of `tq-admin`, from the command line to the exit status. Data goes to standard output,
 * everything else to standard error, and the connection is closed whatever happens.
 */
import { TqError } from "task-queue-client";
import { isClosed, readTlsFiles, type TlsOptions } from "task-queue-client/connection";
import { type BrokerFile, readBrokerFile } from "./broker-file.ts";
import type { Arguments, Command, Context } from "./command.ts";
import { CliError, EXIT, explain, unread } from "./exit-status.ts";
import type { AdminClient, ConnectOptions, Io } from "./io.ts";
import { FORMATS, type Format, Output } from "./output/output.ts";
import { printableLines } from "./output/table.ts";
import { parse } from "./parse.ts";
import { duration, text, wrong } from "./values.ts";
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
  const file = brokerFileOf(args, io);
  const servers = serversOf(args, io, file);
  const timeoutMs = timeoutOf(args) ?? command.timeoutMs?.(args) ?? TIMEOUT_MS;
  const out = new Output(formatOf(args, io), io.stdout);
  const watch = new Reachability(servers, (text) => io.stderr(text));
  const tryMs = command.patient === true ? Math.min(timeoutMs, PATIENT_TRY_MS) : timeoutMs;
  const apiKey = () => apiKeyOf(args, io);
  const tls = (address: string) => tlsOf(args, io, file, address === file?.address);
  const stay = command.patient === true;
  let opened: AdminClient | undefined;
  const context: Context = {
    // Opened when it is first asked for, for some verbs need no broker.
    get client() {
      opened ??= openClient(
        io,
        { servers, tls: tls(servers), apiKey, timeoutMs: tryMs, stay },
        watch,
      );
      return opened;
    },
    connect: (address, ms) => {
      const options = { servers: address, tls: tls(address), apiKey, timeoutMs: ms, stay: true };
      return openClient(io, options, NO_WATCH);
    },
    dial: () => ({ servers, tls: tls(servers), apiKey: apiKey() }),
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
  } catch (error) {
    throw watch.explained(error);
  } finally {
    await opened?.close();
  }
}

function timeoutOf(args: Arguments): number | undefined {
  const ms = duration(args, "timeout");
  if (ms !== 0) return ms;
  throw wrong("timeout", String(args["timeout"]), "more than 0; write 500ms, 30s or 2m");
}

function brokerFileOf(args: Arguments, io: Io): BrokerFile | undefined {
  const path = text(args, "config");
  return path === undefined ? undefined : readBrokerFile(path, io);
}

/** The nearest to the command line wins. */
function serversOf(args: Arguments, io: Io, file: BrokerFile | undefined): string {
  return text(args, "broker-addr") ?? file?.address ?? io.env["TQ_BROKER_ADDR"] ?? SERVERS;
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
 * The client tries for as long as its deadline allows, which is right for a cluster in an election,
 * also behind a load balancer that hangs up as long as nobody leads, and tiresome when nobody is
 * there at all.
 */
class Reachability {
  readonly unreachable: Promise<never>;
  readonly #triesMax: number;
  #reject: (error: CliError) => void = () => {};
  readonly #tell: (text: string) => void;
  #tries = 0;
  #everUp = false;
  #hangUps = 0;
  #hungUp: Error | undefined;

  constructor(servers: string, tell: (text: string) => void) {
    this.#tell = tell;
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
    if (isClosed(error)) this.#noteHangUp(error);
    else this.#tries++;
    if (this.#everUp || this.#hungUp !== undefined || this.#tries < this.#triesMax) return;
    const fix = "is a broker running there? --broker-addr or TQ_BROKER_ADDR names others";
    const why = error.message.includes(address) ? error.message : `${address}: ${error.message}`;
    this.#reject(
      new CliError(EXIT.unavailable, `no broker can be reached (${why}); ${fix}`, error),
    );
  }

  /** The client's word at the end of its time, with why nobody was there to ask. */
  explained(error: unknown): unknown {
    if (this.#everUp || this.#hungUp === undefined) return error;
    if (!(error instanceof TqError && error.code === "no_leader")) return error;
    const { status, message } = explain(error);
    return new CliError(status, `${message} (${this.#hungUp.message})`, error);
  }

  /** Told while it goes on: a wrong --tls does the same, and that no patience mends. */
  #noteHangUp(error: Error): void {
    this.#hungUp = error;
    this.#hangUps++;
    if (this.#everUp || this.#hangUps !== this.#triesMax) return;
    this.#tell(`tq-admin: ${printableLines(error.message)}; trying on\n`);
  }
}

function formatOf(args: Arguments, io: Io): Format {
  const given = text(args, "output");
  return FORMATS.find((format) => format === given) ?? (io.isTerminal ? "table" : "json");
}

/** From the flags, the broker's file, or variables with the flags' names: `TQ_TLS_CA`. */
function tlsOf(
  args: Arguments,
  io: Io,
  file: BrokerFile | undefined,
  isOfFile: boolean,
): TlsOptions | undefined {
  // --no-tls is false, which is not the same as nothing.
  const tls = args["tls"] === false ? undefined : file?.tls;
  const inFile = new Map<string, () => string | undefined>([
    ["tls", () => tls && "true"],
    ["tls-ca", () => tls?.ca()],
    ["tls-server-name", () => (isOfFile ? tls?.serverName() : undefined)],
  ]);
  const given = (name: string): string => {
    const variable = `TQ_${name.toUpperCase().replaceAll("-", "_")}`;
    return (text(args, name) ?? inFile.get(name)?.() ?? io.env[variable] ?? "").trim();
  };
  try {
    return readTlsFiles({
      tls: isOn(given("tls"), "TQ_TLS"),
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

/** As `tq-worker` takes its variables. What is neither must not end in plain text. */
function isOn(value: string, source: string): boolean {
  if (/^(true|1|yes|on)$/i.test(value)) return true;
  if (/^(false|0|no|off|)$/i.test(value)) return false;
  throw new CliError(EXIT.config, `${source}: "${value}" is not true or false`);
}

/** A flag would show the key itself to everybody on the machine, so there is none for it. */
function apiKeyOf(args: Arguments, io: Io): string {
  const flag = text(args, "api-key-file");
  const { TQ_API_KEY: key, TQ_API_KEY_FILE: variable } = io.env;
  const path = flag ?? (key === undefined ? variable : undefined) ?? "";
  if (path === "") return key ?? "";
  const source = flag === undefined ? "TQ_API_KEY_FILE" : "--api-key-file";
  let found: string;
  try {
    found = io.readFile(path).trim();
  } catch (cause) {
    throw unread(source, path, cause, EXIT.config);
  }
  if (found === "") throw new CliError(EXIT.config, `${source}: ${path} is empty`);
  return found;
}
