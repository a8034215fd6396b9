/**
 * One broker from start to end: opens the disk, takes its seat in the cluster, starts the replica,
 * opens the doors; and all of that backwards on the way out. The composition root: nothing else in
 * this package knows both an edge and the runtime.
 */
import { bootReplica } from "./boot.ts";
import { type ClusterSeat, takeSeat } from "./cluster-bus.ts";
import type { Config } from "./config/config.ts";
import { EXIT, StartupError } from "./exit-status.ts";
import { LocalBroker } from "./local-broker.ts";
import type { NodeLogger } from "./observe/logger.ts";
import type { Bus } from "./ports.ts";
import { createRestServer } from "./rest/server.ts";
import { type NodeReplica, Runtime } from "./runtime.ts";
import { type DataDir, openDataDir } from "./storage/data-dir.ts";
import { DataDirError, StorageDamage } from "./storage/storage-error.ts";
import { createWorkerServer } from "./workers/server.ts";

export interface BrokerProcess {
  /** Lets work under way finish, closes everything, keeps everything. */
  stop(): Promise<void>;
}

export interface BrokerProcessOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: NodeLogger;
  /** Ends a start that still waits for its peers. */
  readonly signal: AbortSignal;
  /** Must end the process. */
  readonly onFatal: (what: string, error: unknown) => void;
}

interface Closable {
  close(): Promise<unknown>;
}

/** Resolves when every door is open; whatever goes wrong before that closes what was opened. */
export async function startBroker(options: BrokerProcessOptions): Promise<BrokerProcess> {
  const opened: Closable[] = [];
  const closeAll = async (): Promise<void> => {
    for (const each of opened.reverse()) await each.close();
  };
  try {
    return await start(options, opened, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function start(
  options: BrokerProcessOptions,
  opened: Closable[],
  closeAll: () => Promise<void>,
): Promise<BrokerProcess> {
  const { config, log } = options;
  const data = await openData(options);
  opened.push(data);
  const seat = await takeSeat(config, data.identity, log, options.signal);
  opened.push(seat);
  const replica = await boot(config, data, seat);
  const connected = new Set<string>();
  const runtime = startRuntime(options, data, seat, replica, connected);
  opened.push(runtime);
  let draining = false;
  const facts = {
    clusterId: seat.formation.clusterId,
    version: options.version,
    walSyncIntervalMs: config.persistence.walSyncIntervalMs,
    isConnected: (peer: string) => connected.has(peer),
    isDraining: () => draining,
  };
  const broker = new LocalBroker(runtime, data.state, facts);
  for (const door of await openDoors(options, broker)) opened.push(door);
  return {
    stop: async () => {
      draining = true;
      await closeAll();
    },
  };
}

async function openData({ config, log }: BrokerProcessOptions): Promise<DataDir> {
  const path = config.persistence.dataDir;
  const options = {
    path,
    nodeId: config.raft.nodeId,
    maxConnections: config.broker.maxConnections,
  };
  const data = await openDataDir(options).catch((error) => {
    if (error instanceof DataDirError) {
      throw new StartupError(EXIT.cannotCreate, error.message, { cause: error });
    }
    if (error instanceof StorageDamage) {
      throw new StartupError(EXIT.damagedData, error.message, { cause: error });
    }
    throw error;
  });
  const trouble = troubleWith(data);
  if (trouble !== undefined) {
    await data.close();
    throw new StartupError(EXIT.damagedData, `${path} ${trouble}`);
  }
  if (data.identity.copied) {
    log.warn(
      {},
      `${path} is a copy: work that was done after the copy was made will be done again`,
    );
    await data.identity.acceptCopy();
  }
  return data;
}

/** Why this node's vote could undo what other members rely on; undefined = it may take part. */
function troubleWith({ verdict, identity }: DataDir): string | undefined {
  const advice =
    "This node does not start, for its vote could undo what the others rely on. They keep the " +
    "data; bring back the original directory.";
  if (verdict.kind === "recovering") {
    return `has lost entries that were acknowledged: ${verdict.reason}. ${advice}`;
  }
  const members = identity.identity.formation?.members.length ?? 0;
  if (identity.copied && members > 1) {
    const what = "is a copy of a cluster member's directory and may be older than its promises";
    return `${what}. ${advice}`;
  }
  return undefined;
}

function boot(config: Config, data: DataDir, seat: ClusterSeat): Promise<NodeReplica> {
  return bootReplica({
    identity: data.identity.identity,
    formation: seat.formation,
    log: data.log,
    state: data.state,
    settings: { retry: config.retry, depthLimit: config.broker.queueDepthThreshold },
    electionTimeoutMs: config.raft.electionTimeoutMs,
    heartbeatIntervalMs: config.raft.heartbeatIntervalMs,
    commitUnsynced: config.persistence.walSyncIntervalMs > 0,
  });
}

function startRuntime(
  { config, log, onFatal }: BrokerProcessOptions,
  data: DataDir,
  seat: ClusterSeat,
  replica: NodeReplica,
  connected: Set<string>,
): Runtime {
  const bus: { current?: Bus } = {};
  const runtime = new Runtime({
    replica,
    log: data.log,
    state: data.state,
    identity: data.identity,
    bus: {
      send: (envelope) => bus.current?.send(envelope),
      forward: (to, forwards) => bus.current?.forward(to, forwards),
      forwardReply: (to, replies) => bus.current?.forwardReply(to, replies),
      close: async () => bus.current?.close(),
    },
    walSyncIntervalMs: config.persistence.walSyncIntervalMs,
    logger: log,
    onFatal,
  });
  bus.current = seat.startBus({
    onEnvelope: (from, envelope) => runtime.input((it) => it.receive(from, envelope)),
    onForwards: (from, forwards) => runtime.input((it) => it.forwards(from, forwards)),
    onForwardReplies: (_from, replies) => runtime.input((it) => it.forwardReplies(replies)),
    onPeer: (peer, isUp) => {
      if (isUp) connected.add(peer);
      else connected.delete(peer);
      runtime.input((it) => it.peer(peer, isUp));
    },
  });
  runtime.start();
  return runtime;
}

async function openDoors(
  { config, version, log }: BrokerProcessOptions,
  broker: LocalBroker,
): Promise<Closable[]> {
  const rest = createRestServer({ broker, config, logger: log });
  const workers = createWorkerServer({
    broker,
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
    logger: log,
  });
  const doors: Closable[] = [];
  try {
    const { port: workerPort } = await workers.listen();
    doors.push(workers);
    const { port: restPort } = await rest.listen();
    doors.push(rest);
    log.info({ workerPort, restPort }, "the doors are open");
    return doors;
  } catch (error) {
    for (const door of doors) await door.close();
    throw new StartupError(EXIT.unavailable, (error as Error).message, { cause: error });
  }
}
