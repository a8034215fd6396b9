/** The listeners of a broker: workers and clients, REST, gRPC, metrics; opened together. */
import { createServer, type Server } from "node:net";
import { withClusterKeys } from "./auth/cluster-keys.ts";
import type { Config } from "./config/config.ts";
import type { DiskSpaceWatch } from "./disk-space.ts";
import { EXIT, StartupError } from "./exit-status.ts";
import { createGrpcServer } from "./grpc/server.ts";
import type { NodeLogger } from "./observe/logger.ts";
import {
  type BackupFigures,
  type BrokerMetrics,
  createMetrics,
  type Metrics,
  type RetentionFigures,
} from "./observe/metrics.ts";
import { startMetricsServer } from "./observe/metrics-server.ts";
import type { StorageMeter } from "./observe/storage-figures.ts";
import { type Access, OPEN_ACCESS } from "./operations/access.ts";
import { type Audit, auditedAccess } from "./operations/audit.ts";
import type { Broker } from "./operations/broker.ts";
import { Proxies } from "./proxy/proxies.ts";
import { createRestServer } from "./rest/server.ts";
import type { Runtime } from "./runtime.ts";
import type { BrokerTls } from "./tls/broker-tls.ts";
import { createWorkerServer, type WorkerServer } from "./workers/server.ts";

export interface Door {
  close(): Promise<unknown>;
}

export interface DoorsOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: NodeLogger;
  readonly broker: Broker;
  /** Whom the doors let in. */
  readonly access: Access;
  /** Told of administrative actions and of refusals. */
  readonly audit: Audit;
  readonly runtime: Runtime;
  /** Entries of the log on disk. */
  readonly logEntries: () => number;
  /** What the disk is asked for. */
  readonly storage?: StorageMeter;
  /** What retention has removed so far. */
  readonly retention?: () => RetentionFigures;
  readonly tls: BrokerTls;
  /** Of scheduled backups, where there are any. */
  readonly backup?: (() => BackupFigures) | undefined;
  /** Where the data directory is; without it nobody is told of room on that disk. */
  readonly disk?: Pick<DiskSpaceWatch, "space" | "warning">;
}

/**
 * Resolves when all are open, in the order of opening; else none is. Rejects with `StartupError`.
 */
export async function openDoors(given: DoorsOptions): Promise<Door[]> {
  const keys = { others: given.access, records: given.broker, log: given.log };
  const options = { ...given, access: withClusterKeys(keys) };
  const { config, audit, log, broker } = options;
  const workers = workerServer(options);
  const metrics = metricsOf(options, workers);
  const rest = createRestServer({
    broker,
    access: auditedAccess(options.access, audit, "rest"),
    audit,
    config,
    logger: log,
    metrics,
    countRequest: metrics.countRequest,
    warning: () => warningOf(options),
    guard: guardOf(options, "rest"),
  });
  const doors: Door[] = [{ close: async () => metrics.close() }];
  try {
    doors.push(...(await openMetrics(options, metrics)));
    const { port: workerPort } = await workers.listen();
    doors.push(workers);
    const { port: restPort } = await rest.listen();
    doors.push(rest);
    const grpc = await openGrpc(options, metrics);
    if (grpc !== undefined) doors.push(grpc.server);
    log.info({ workerPort, restPort, grpcPort: grpc?.port }, "the doors are open");
    return doors;
  } catch (error) {
    for (const door of doors.reverse()) await door.close();
    throw new StartupError(EXIT.unavailable, (error as Error).message, { cause: error });
  }
}

const INTAKE_CLOSED =
  "new tasks are refused with disk_full: the disks of too many brokers are nearly full; " +
  "their health pages say which; make room there";

function warningOf({ disk, runtime }: DoorsOptions): string | undefined {
  return disk?.warning() ?? (runtime.replica.intakeClosed ? INTAKE_CLOSED : undefined);
}

function metricsOf(options: DoorsOptions, workers: WorkerServer): BrokerMetrics {
  const { config, access, broker, runtime, version, disk, tls } = options;
  const { logEntries, storage, retention, backup } = options;
  return createMetrics({
    isOpenToOthers: config.isOpenToOthers,
    retention,
    backup,
    status: () => broker.status(),
    broker,
    snapshots: () => runtime.snapshotStats,
    divergences: () => runtime.replica.divergences,
    logEntries,
    storage,
    diskSpace: () => disk?.space(),
    certificates: () => tls.certificates,
    rateLimited: () => access.rateLimited ?? new Map(),
    revocationLists: () => tls.revocationLists,
    workerPort: workers,
    version,
  });
}

/** A default that is taken, by a second broker on this machine perhaps, is no reason to stop. */
async function openMetrics(options: DoorsOptions, metrics: Metrics): Promise<Door[]> {
  const { config, log, tls } = options;
  const guard = (server: Server) => tls.guard(server, "metrics");
  const { host, prometheusPort: port, requireAuth } = config.monitoring;
  const closed = auditedAccess(options.access, options.audit, "metrics");
  const access = requireAuth ? closed : OPEN_ACCESS;
  try {
    return [await startMetricsServer({ metrics, access, host, port, logger: log, guard })];
  } catch (error) {
    if (config.said.has("monitoring.prometheus_port")) throw error;
    log.warn({}, `${(error as Error).message}; they are at /metrics of REST meanwhile`);
    return [];
  }
}

/** Likewise. */
async function openGrpc(options: DoorsOptions, { countRequest }: BrokerMetrics) {
  const { config, access: whom, audit, log, broker } = options;
  const access = auditedAccess(whom, audit, "grpc");
  const guard = guardOf(options, "grpc");
  const given = { broker, access, audit, config, logger: log };
  const server = createGrpcServer({ ...given, guard, countRequest });
  try {
    const { port } = await server.listen();
    return { server, port };
  } catch (error) {
    await server.close();
    if (config.said.has("api.grpc_port")) throw error;
    log.warn({}, `${(error as Error).message}; there is no gRPC meanwhile`);
    return undefined;
  }
}

const PROXIED = { worker: "the worker port", rest: "the REST port", grpc: "the gRPC port" };

/** What stands before a door: who is behind a load balancer is asked before TLS. */
function guardOf({ config, log, tls }: DoorsOptions, door: keyof typeof PROXIED) {
  const proxies = new Proxies(config.api.proxyProtocolFrom, log);
  return (server: Server): void => {
    tls.guard(server, door);
    proxies.guard(server, PROXIED[door]);
  };
}

function workerServer(options: DoorsOptions) {
  const { config, access, audit, version, log, broker } = options;
  const guard = guardOf(options, "worker");
  return createWorkerServer({
    broker,
    access: auditedAccess(access, audit, "worker"),
    audit,
    host: config.broker.host,
    port: config.broker.port,
    version,
    submit: {
      maxPayloadBytes: config.broker.maxPayloadBytes,
      retry: config.retry,
      queueDepthThreshold: config.broker.queueDepthThreshold,
    },
    leaseMs: config.worker.leaseTimeoutMs,
    heartbeatMs: config.worker.heartbeatIntervalMs,
    maxConnections: config.broker.maxConnections,
    maxConnectionsPerAddress: config.broker.maxConnectionsPerAddress,
    logger: log,
    createServer: (onSocket) => {
      const server = createServer(onSocket);
      guard(server);
      return server;
    },
  });
}
