/**
 * The listener that Prometheus scrapes: `GET /metrics` and nothing else. A port of its own, so that
 * the figures can be had while the doors for work are shut, or are open to others.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ERRORS, TqError } from "task-queue-protocol";
import { type Access, identifyByHeaders, OPEN_ACCESS } from "../operations/access.ts";
import { listenError } from "../operations/listen-error.ts";
import type { Metrics } from "./metrics.ts";

export interface MetricsServerOptions {
  readonly metrics: Metrics;
  /** Default: open to all. */
  readonly access?: Access | undefined;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly logger: MetricsLogger;
  /** Sees to it that connections are encrypted before they get here. */
  readonly guard?: ((server: Server) => void) | undefined;
}

export interface MetricsLogger {
  error(fields: object, message: string): void;
}

export interface MetricsServer {
  readonly port: number;
  /** Closes the port and cuts what is open: a scrape that is lost is asked for again. */
  close(): Promise<void>;
}

/** One more is refused by closing it. */
const CONNECTIONS_MAX = 50;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Between two scrapes Prometheus keeps its connection. */
const KEEP_ALIVE_MS = 75_000;
const HEADER_BYTES_MAX = 16 * 1024;
const HINT = "This is tq's port for metrics: GET /metrics\n";

/** Resolves when the port is open; rejects with what to do when it cannot be had. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port } = options;
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
    void answer(options, request, response);
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  options.guard?.(server);
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  { metrics, logger, access = OPEN_ACCESS }: MetricsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A body is of no interest, and must not keep the connection waiting.
  request.resume();
  const path = (request.url ?? "").split("?", 1)[0];
  if (path !== "/metrics") return send(response, path === "/" ? 200 : 404, HINT);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return send(response, 405, HINT);
  }
  try {
    const { headers, socket } = request;
    const caller = await identifyByHeaders(access, headers, socket.remoteAddress ?? "");
    caller.demand("metrics");
    const text = await metrics.render();
    response.setHeader("content-type", metrics.contentType);
    send(response, 200, text);
  } catch (error) {
    if (error instanceof TqError) return refuse(response, error);
    logger.error({ err: error }, "the metrics could not be read");
    send(response, 500, "the broker failed to answer; its log says why\n");
  }
}

function refuse(response: ServerResponse, { code, message }: TqError): void {
  const status = ERRORS[code].http;
  if (status === 401) response.setHeader("www-authenticate", "Bearer");
  send(response, status, `${code}: ${message}\n`);
}

function send(response: ServerResponse, status: number, body: string): void {
  if (!response.hasHeader("content-type")) {
    response.setHeader("content-type", "text/plain; charset=utf-8");
  }
  response.setHeader("cache-control", "no-store");
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("content-length", Buffer.byteLength(body));
  response.writeHead(status);
  // Node leaves the body of an answer to HEAD out by itself.
  response.end(body);
}

const LISTENING = {
  door: "metrics",
  hostSetting: "monitoring.host",
  portSetting: "monitoring.prometheus_port",
  or: "TQ_MONITORING__PROMETHEUS_PORT",
};

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      reject(listenError(error, { ...LISTENING, host, port }));
    };
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}
