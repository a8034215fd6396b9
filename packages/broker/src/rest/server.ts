/** The REST listener: opens its port, and closes without cutting off requests in hand. */

import { setMaxListeners } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import type { CountRequest } from "../observe/api-figures.ts";
import type { Metrics } from "../observe/metrics.ts";
import { Throttle } from "../observe/throttle.ts";
import { type Access, OPEN_ACCESS } from "../operations/access.ts";
import type { Audit } from "../operations/audit.ts";
import type { Broker } from "../operations/broker.ts";
import { listenError } from "../operations/listen-error.ts";
import { buildRestApp } from "./app.ts";
import { Connections } from "./connections.ts";
import type { RestConfig, RestLogger } from "./context.ts";
import { limitIntake } from "./intake.ts";
import { CLOSE_GRACE_MS, CONNECTIONS_MAX, HEADERS_MAX } from "./limits.ts";

const TLS_HANDSHAKE = 0x16;

export interface RestServerOptions {
  readonly broker: Broker;
  /** Default: open to all. */
  readonly access?: Access | undefined;
  /** See `RestContext`. */
  readonly audit?: Audit | undefined;
  readonly config: RestConfig;
  readonly logger: RestLogger;
  /** Without it there is no `/metrics`. */
  readonly metrics?: Metrics | undefined;
  /** See `RestContext`. */
  readonly countRequest?: CountRequest | undefined;
  /** See `RestContext`. */
  readonly warning?: (() => string | undefined) | undefined;
  /** Sees to it that connections are encrypted before they get here. */
  readonly guard?: ((server: Server) => void) | undefined;
}

export interface RestServer {
  /** Resolves once requests are taken. Rejects with what to do when the port cannot be had. */
  listen(): Promise<{ port: number }>;
  /** Takes no more connections, ends waits, and gives requests in hand a few seconds. */
  close(): Promise<void>;
}

export function createRestServer(options: RestServerOptions): RestServer {
  const { broker, access = OPEN_ACCESS, config, logger } = options;
  const { metrics, countRequest, warning } = options;
  const closing = new AbortController();
  // As many may wait as there are connections.
  setMaxListeners(0, closing.signal);
  const settings = {
    maxPayloadBytes: config.broker.maxPayloadBytes,
    queueDepthThreshold: config.broker.queueDepthThreshold,
    retry: config.retry,
  };
  const given = { broker, access, audit: options.audit, settings, logger };
  const hosts = config.api.allowedHosts;
  const context = { ...given, hosts, metrics, countRequest, warning };
  const app = buildRestApp({ ...context, closing: closing.signal });
  limitIntake(app);
  app.server.maxConnections = CONNECTIONS_MAX;
  app.server.maxHeadersCount = HEADERS_MAX;
  const connections = new Connections(app.server);
  sayWhoSpeaksTls(app.server, logger);
  // Last: it puts itself before all that wait for connections.
  options.guard?.(app.server);
  return {
    listen: () => listen(app, config.api.host, config.api.restPort),
    close: () => {
      closing.abort();
      return close(app, connections);
    },
  };
}

/** A client with TLS on a port without is answered like all that is no HTTP, and told of here. */
function sayWhoSpeaksTls(server: Server, logger: RestLogger): void {
  const throttle = new Throttle();
  server.prependListener(
    "clientError",
    ({ rawPacket }: { rawPacket?: Buffer }, { remoteAddress }: Socket) => {
      if (rawPacket?.[0] !== TLS_HANDSHAKE || !throttle.allows(`${remoteAddress}`)) return;
      const words = `a TLS handshake came from ${remoteAddress} to the REST port, which has no TLS`;
      logger.warn({ address: remoteAddress }, `${words} (api.enable_tls)`);
    },
  );
}

const LISTENING = {
  door: "REST",
  hostSetting: "api.host",
  portSetting: "api.rest_port",
  or: "--rest-port, TQ_API__REST_PORT",
};

async function listen(app: FastifyInstance, host: string, port: number): Promise<{ port: number }> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    throw listenError(cause as NodeJS.ErrnoException, { ...LISTENING, host, port });
  }
  return { port: (app.server.address() as AddressInfo).port };
}

async function close(app: FastifyInstance, connections: Connections): Promise<void> {
  const cut = setTimeout(() => connections.cut(), CLOSE_GRACE_MS);
  const closed = app.close();
  connections.close();
  await closed;
  clearTimeout(cut);
}
