/** A broker as it is, with its disk and all its doors, and tq-admin in front of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { freePort } from "../../../test/ports.ts";
import { startBroker } from "../../broker/src/broker-process.ts";
import { loadConfig } from "../../broker/src/config/load-config.ts";
import type { NodeLogger } from "../../broker/src/observe/logger.ts";
import { type Client, connect } from "../../client/src/index.ts";
import { type AdminClient, type Io, PROCESS_IO, run } from "../src/index.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} } as unknown as NodeLogger;

export interface Called {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RealBroker {
  readonly servers: string;
  readonly api: string;
  readonly client: Client;
  /** One command line; `io` replaces parts of its surroundings. */
  call(argv: readonly string[], io?: Partial<Io>): Promise<Called>;
  /** The same through a client that a test has changed. */
  callWith(change: (client: AdminClient) => AdminClient, ...argv: string[]): Promise<Called>;
}

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tq-admin-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

/** A cluster of one, which works with the newest version, for one test. */
export async function openBroker(minFreeDisk?: string): Promise<RealBroker> {
  const { broker, close } = await openKept(minFreeDisk);
  onTestFinished(close);
  return broker;
}

/** The same for several tests, with a folder: whoever asks for it closes it. */
export async function openKept(minFreeDisk = "1MB") {
  const folder = await mkdtemp(join(tmpdir(), "tq-admin-"));
  const [port, rest, metrics] = [await freePort(), await freePort(), await freePort()];
  const broker = await startBroker({
    config: loadConfig({
      argv: [
        "--data-dir",
        join(folder, "data"),
        "--broker-addr",
        `127.0.0.1:${port}`,
        "--rest-port",
        `${rest}`,
      ],
      env: {
        TQ_MONITORING__PROMETHEUS_PORT: `${metrics}`,
        TQ_PERSISTENCE__MIN_FREE_DISK: minFreeDisk,
      },
    }),
    version: "test",
    log: SILENT,
    signal: new AbortController().signal,
    onFatal: (what, error) => {
      throw new Error(what, { cause: error });
    },
    onRemoved: () => undefined,
  });
  const servers = `127.0.0.1:${port}`;
  const client = connect({ servers });
  const close = async (): Promise<void> => {
    await client.close();
    await broker.stop();
    await rm(folder, { recursive: true });
  };
  const call = (argv: readonly string[], io: Partial<Io> = {}) => callAdmin(servers, argv, io);
  await untilRaised(client);
  const opened: RealBroker = {
    servers,
    api: `http://127.0.0.1:${rest}/api/v1`,
    client,
    call,
    callWith: (change, ...argv) => {
      return call(argv, { connect: (options) => change(PROCESS_IO.connect(options)) });
    },
  };
  return { broker: opened, folder, close };
}

/** The roster of a new cluster names its version a moment before that is in force. */
async function untilRaised(client: Client): Promise<void> {
  for (;;) {
    const job = client.jobs.start("cancel", { queue: "none" }, { dryRun: true });
    const refusal = await job.then(() => undefined).catch((error) => error.code);
    if (refusal === undefined) return;
    if (refusal !== "state_conflict") throw new Error(`it answered ${refusal}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A client of which parts are another's. */
export function replacing(client: AdminClient, parts: Partial<AdminClient>): AdminClient {
  return new Proxy(client, {
    get: (target, name) => {
      if (Object.hasOwn(parts, name)) return Reflect.get(parts, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function callAdmin(servers: string, argv: readonly string[], io: Partial<Io>) {
  let stdout = "";
  let stderr = "";
  const status = await run([...argv, "--broker-addr", servers], {
    ...PROCESS_IO,
    env: {},
    isTerminal: false,
    isStderrTerminal: false,
    canAsk: false,
    stdout: (text) => {
      stdout += text;
    },
    stdoutAll: async (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    ...io,
  });
  return { status, stdout, stderr };
}
