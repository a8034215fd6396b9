/**
 * What Prometheus reads of a worker process: `GET /metrics` on a port of its own, off unless asked
 * for. The figures are the worker's own, since its process began; those of tasks are the brokers'.
 */
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { RunMiddleware } from "../middleware.ts";
import type { WorkerStatus } from "../worker-status.ts";
import { EXIT, StartError } from "./exit-status.ts";

export interface MetricsOptions {
  readonly host: string;
  readonly port: number;
  /** Tasks that it runs at once. */
  readonly poolSize: number;
  readonly runs: RunTimes;
  status(): WorkerStatus;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

const REQUEST_MS = 10_000;
const CONNECTIONS_MAX = 50;
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
/** Upper ends of the classes of run times, in seconds. */
const SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600,
];

/** How long handlers took, by class; a run is in one class only. */
export class RunTimes {
  readonly counts = new Float64Array(SECONDS.length + 1);
  seconds = 0;
  readonly #now: () => number;

  /** `now`: monotonic, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** To be put around every run, outside of all others. */
  readonly middleware: RunMiddleware = async (_context, next) => {
    const began = this.#now();
    try {
      await next();
    } finally {
      this.#ran((this.#now() - began) / 1_000);
    }
  };

  #ran(seconds: number): void {
    const at = SECONDS.findIndex((end) => seconds <= end);
    this.counts[at === -1 ? SECONDS.length : at]!++;
    this.seconds += seconds;
  }
}

/** Throws `StartError` when the port cannot be had. */
export async function serveMetrics(options: MetricsOptions): Promise<MetricsServer> {
  const { host, port } = options;
  const server = http.createServer((request, response) => {
    request.resume();
    const isThere = request.url?.split("?", 1)[0] === "/metrics";
    const body = isThere ? renderMetrics(options) : "there is /metrics\n";
    response.writeHead(isThere ? 200 : 404, { "content-type": CONTENT_TYPE });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(refused(host, port, cause)));
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function renderMetrics({ poolSize, runs, status }: MetricsOptions): string {
  const { running, completed, failed, connectionErrors } = status();
  const name = "tq_job_duration_seconds";
  let total = 0;
  const buckets = [...runs.counts].map((count, at) => {
    total += count;
    return `${name}_bucket{le="${SECONDS[at] ?? "+Inf"}"} ${total}`;
  });
  const families = [
    family("tq_worker_pool_size", "gauge", "Tasks that this worker runs at once.", poolSize),
    family("tq_worker_busy", "gauge", "Tasks that it runs now.", running),
    family("tq_jobs_processed_total", "counter", "Runs that ended here.", completed + failed),
    family("tq_jobs_failed_total", "counter", "Those of them that failed.", failed),
    family(
      "tq_worker_connection_errors_total",
      "counter",
      "Connections to brokers that failed or broke.",
      connectionErrors,
    ),
    `# HELP ${name} How long handlers took, however they ended.`,
    `# TYPE ${name} histogram`,
    ...buckets,
    `${name}_sum ${runs.seconds}`,
    `${name}_count ${total}`,
  ];
  return `${families.join("\n")}\n`;
}

function family(name: string, type: string, help: string, value: number): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}`;
}

function refused(host: string, port: number, cause: Error): StartError {
  const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const fix = "choose another with --metrics-port, or 0 for none";
  return new StartError(
    EXIT.config,
    `the metrics cannot use ${host}:${port} (${why}); ${fix}`,
    cause,
  );
}
