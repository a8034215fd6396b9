/**
 * The health page. `/healthz` says that the process lives; `/health` and `/readyz` say whether it
 * can be given work: registered with a broker, and not on its way out.
 */
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { WorkerStatus } from "../worker-status.ts";
import { EXIT, StartError } from "./exit-status.ts";

export interface HealthOptions {
  readonly host: string;
  readonly port: number;
  /** The port was asked for: when it is busy, no other will do. */
  readonly exact: boolean;
  status(): WorkerStatus & { readonly id: string; readonly name: string };
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

const REQUEST_MS = 10_000;
const CONNECTIONS_MAX = 100;

/** Throws `StartError` when the port is busy and was asked for. */
export async function serveHealth(options: HealthOptions): Promise<HealthServer> {
  const server = http.createServer((request, response) => {
    const { code, body } = answer(request.url ?? "/", options.status());
    response.writeHead(code, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(request.method === "HEAD" ? undefined : `${JSON.stringify(body)}\n`);
  });
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  server.maxConnections = CONNECTIONS_MAX;
  try {
    await listen(server, options.host, options.port);
  } catch (cause) {
    const busy = (cause as NodeJS.ErrnoException).code === "EADDRINUSE";
    if (!busy || options.exact) throw refused(options, cause);
    await listen(server, options.host, 0);
  }
  const { port } = server.address() as AddressInfo;
  return { port, close: () => close(server) };
}

function answer(url: string, status: ReturnType<HealthOptions["status"]>) {
  const path = url.split("?", 1)[0];
  if (path === "/healthz") return { code: 200, body: { status: "alive" } };
  if (path !== "/health" && path !== "/readyz") {
    return { code: 404, body: { error: "there is /health, /readyz and /healthz" } };
  }
  const reason = whyNot(status);
  const figures = { ...status, broker: status.broker ?? null };
  if (reason === undefined) return { code: 200, body: { status: "healthy", ...figures } };
  return { code: 503, body: { status: "unhealthy", reason, ...figures } };
}

function whyNot(status: WorkerStatus): string | undefined {
  if (status.state === "draining") return "draining";
  if (status.state === "stopped") return "stopped";
  return status.connected ? undefined : "not registered with a broker";
}

function listen(server: http.Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function close(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function refused(options: HealthOptions, cause: unknown): StartError {
  const where = `${options.host}:${options.port}`;
  const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const fix = "choose another with --health-port, or 0 for none";
  return new StartError(EXIT.config, `the health page cannot use ${where} (${why}); ${fix}`, cause);
}
