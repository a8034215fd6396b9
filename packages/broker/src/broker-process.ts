/**
 * One broker from start to end: opens the disk, takes its seat in the cluster, starts the replica,
 * opens the doors; and all of that backwards on the way out. The composition root: nothing else in
 * this package knows both an edge and the runtime.
 */
import { bootReplica } from "./boot.ts";
import { type ClusterSeat, takeSeat } from "./cluster-bus.ts";
import type { Config } from "./config/config.ts";
import { openDoors } from "./doors.ts";
import { handOver } from "./hand-over.ts";
import { LeaderProgress } from "./leader-progress.ts";
import { LocalBroker } from "./local-broker.ts";
import type { NodeLogger } from "./observe/logger.ts";
import { openData, rosterOf } from "./open-data.ts";
import type { Bus } from "./ports.ts";
import { type NodeReplica, Runtime } from "./runtime.ts";
import type { DataDir } from "./storage/data-dir.ts";

export interface BrokerProcess {
  /** Hands over, lets work under way finish, closes everything, keeps everything. */
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
  /** This node was removed from its cluster: the process is to be stopped. */
  readonly onRemoved: () => void;
}

interface Closable {
  close(): Promise<unknown>;
}

/** What the bus reports, beside what the replica takes in. */
interface Sightings {
  readonly connected: Set<string>;
  readonly leader: LeaderProgress;
}

/** Resolves when every door is open; whatever goes wrong before that closes what was opened. */
export async function startBroker(options: BrokerProcessOptions): Promise<BrokerProcess> {
  const opened: Closable[] = [];
  const closeAll = async (): Promise<void> => {
    for (const each of opened.splice(0).reverse()) await each.close();
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
  const { config, log, version, signal } = options;
  const data = await openData(config, log);
  opened.push(data);
  signal.throwIfAborted();
  const seat = await takeSeat(config, data.identity, rosterOf(data), log, signal);
  opened.push(seat);
  signal.throwIfAborted();
  const replica = await boot(config, data, seat);
  signal.throwIfAborted();
  const sightings = { connected: new Set<string>(), leader: new LeaderProgress() };
  const runtime = startRuntime(options, data, seat, replica, sightings);
  opened.push(runtime);
  let draining = false;
  const facts = {
    clusterId: seat.formation.clusterId,
    version,
    walSyncIntervalMs: config.persistence.walSyncIntervalMs,
    isConnected: (peer: string) => sightings.connected.has(peer),
    leader: sightings.leader,
    isDraining: () => draining,
  };
  const broker = new LocalBroker(runtime, facts, seat.greet);
  const logEntries = () => data.log.last.index - data.log.base.index;
  opened.push(...(await openDoors({ config, version, log, broker, runtime, logEntries })));
  return {
    stop: async () => {
      draining = true;
      // The doors stay open: what came before the signal, or comes now, the successor answers.
      const led = replica.leads;
      const done = await handOver(runtime);
      if (led && done) log.info({ leader: replica.raft.leader }, "handed over");
      await closeAll();
    },
  };
}

function boot(config: Config, data: DataDir, seat: ClusterSeat): Promise<NodeReplica> {
  const { electionTimeoutMs, heartbeatIntervalMs, snapshotEntries, priority } = config.raft;
  return bootReplica({
    identity: data.identity.identity,
    formation: seat.formation,
    self: seat.self,
    log: data.log,
    state: data.states.live,
    settings: {
      retry: config.retry,
      depthLimit: config.broker.queueDepthThreshold,
      snapshotEntries,
      priority,
    },
    electionTimeoutMs,
    heartbeatIntervalMs,
    commitUnsynced: config.persistence.walSyncIntervalMs > 0,
  });
}

function startRuntime(
  { config, log, onFatal, onRemoved }: BrokerProcessOptions,
  data: DataDir,
  seat: ClusterSeat,
  replica: NodeReplica,
  { connected, leader }: Sightings,
): Runtime {
  // Each needs the other: nothing is sent before the runtime starts, and by then the bus is there.
  const late: { bus?: Bus } = {};
  const bus = (): Bus => late.bus as Bus;
  const runtime = new Runtime({
    replica,
    clusterId: seat.formation.clusterId,
    log: data.log,
    states: data.states,
    identity: data.identity,
    bus: {
      send: (envelope) => bus().send(envelope),
      forward: (to, forwards) => bus().forward(to, forwards),
      forwardReply: (to, replies) => bus().forwardReply(to, replies),
      fetchSnapshot: (from, request) => bus().fetchSnapshot(from, request),
      setRoster: (roster) => bus().setRoster(roster),
      close: () => bus().close(),
    },
    walSyncIntervalMs: config.persistence.walSyncIntervalMs,
    logger: log,
    onFatal,
    onRemoved,
  });
  late.bus = seat.startBus({
    onEnvelope: (from, envelope) => {
      leader.heard(from, envelope);
      runtime.input((it) => it.receive(from, envelope));
    },
    onForwards: (from, forwards) => runtime.input((it) => it.forwards(from, forwards)),
    onForwardReplies: (_from, replies) => runtime.input((it) => it.forwardReplies(replies)),
    onPeer: (peer, isUp) => {
      if (isUp) connected.add(peer);
      else connected.delete(peer);
      runtime.input((it) => it.peer(peer, isUp));
    },
    onSnapshotRequest: (from, request, signal) => runtime.serveSnapshot(from, request, signal),
  });
  runtime.start();
  return runtime;
}
