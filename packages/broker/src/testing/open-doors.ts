/** The doors of a test's broker on free ports of loopback. */
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Config } from "../config/config.ts";
import type { Broker } from "../operations/broker.ts";
import { createRestServer } from "../rest/server.ts";

export interface OpenDoors {
  /** `host:port` of the worker port, for clients, workers and tq-admin. */
  readonly address: string;
  /** Where REST is: `http://host:port`. */
  readonly restUrl: string;
  close(): Promise<void>;
}

export interface TestDoorsOptions {
  readonly config: Config;
  readonly broker: Broker;
  /** Of the worker port. */
  readonly onSocket: (socket: Socket) => void;
}

const HOST = "127.0.0.1";
const LOG = { debug() {}, info() {}, warn() {}, error() {} };

export async function openTestDoors(options: TestDoorsOptions): Promise<OpenDoors> {
  const { broker, config, onSocket } = options;
  const server = createServer(onSocket);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, HOST, resolve);
  });
  const api = { ...config.api, host: HOST, restPort: 0 };
  const rest = createRestServer({ broker, config: { ...config, api }, logger: LOG });
  const { port } = await rest.listen();
  return {
    address: `${HOST}:${(server.address() as AddressInfo).port}`,
    restUrl: `http://${HOST}:${port}`,
    close: async () => {
      server.close();
      await rest.close();
    },
  };
}
