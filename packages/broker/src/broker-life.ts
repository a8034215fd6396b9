/**
 * One life of a broker, from start to end: opens the disk, takes its seat in the cluster, starts
 * the replica, opens the doors; and all of that backwards on the way out. The composition root:
 * nothing else in this package knows both an edge and the runtime.
 */
import { noteStart, openAudit, processDeed } from "./audit/open.ts";
import type { ProcessNotes } from "./audit/process-notes.ts";
import { restoreFirst } from "./backup/restore.ts";
import { type RestoreNote, readRestoreNote } from "./backup/restore-note.ts";
import { bootReplica } from "./boot.ts";
import { type ClusterSeat, memberOf, takeSeat } from "./cluster-bus.ts";
import type { Config } from "./config/config.ts";
import { type DiskSpaceWatch, watchDiskSpace } from "./disk-space.ts";
import { openDoors } from "./doors.ts";
import { EXIT, StartupError } from "./exit-status.ts";
import { handOver } from "./hand-over.ts";
import { startLeaderChores } from "./jobs/leader-chores.ts";
import { LeaderProgress } from "./leader-progress.ts";
import { LocalBroker } from "./local-broker.ts";
import type { NodeLogger } from "./observe/logger.ts";
import { StorageMeter } from "./observe/storage-figures.ts";
import { Throttle } from "./observe/throttle.ts";
import { openData, rosterOf } from "./open-data.ts";
import type { Access } from "./operations/access.ts";
import type { Audit } from "./operations/audit.ts";
import type { Bus, BusListener, Roster } from "./ports.ts";
import { finishRecovery } from "./recovery/finish.ts";
import { openPeerStarts, type StoredPeerStarts } from "./recovery/peer-starts.ts";
import { Promotion } from "./recovery/promotion.ts";
import { RejoinDesk } from "./recovery/rejoin-desk.ts";
import type { Rejoin } from "./recovery/rejoin-file.ts";
import { noteSuspicion } from "./recovery/suspicion.ts";
import { UNANNOUNCED } from "./replica/index.ts";
import { type NodeReplica, Runtime } from "./runtime.ts";
import { scheduleBackups } from "./schedule-backups.ts";
import type { DataDir } from "./storage/data-dir.ts";
import { measuredLog } from "./storage/measured-log.ts";
import { Scrub } from "./storage/scrub.ts";
import { StorageDamage } from "./storage/storage-error.ts";
import { BrokerTls } from "./tls/broker-tls.ts";
import { TlsFileError } from "./tls/read-material.ts";
import { backupsAsker } from "./transport/backup-call.ts";
import { type CallRejoin, rejoinCaller } from "./transport/rejoin-call.ts";

export interface BrokerLife {
  /** Hands over, lets work under way finish, closes everything, keeps everything. */
  stop(): Promise<void>;
  /** Closes everything, and hands nothing over. */
  close(): Promise<void>;
}

export interface BrokerLifeOptions {
  readonly config: Config;
  readonly access: Access;
  readonly version: string;
  readonly log: NodeLogger;
  /** An operator vouches for a data directory that is a copy. */
  readonly acceptRestored?: boolean;
  /** What the process says of itself is noted here, from before the doors open to their end. */
  readonly notes?: ProcessNotes;
  /** Ends a start that still waits for its peers. */
  readonly signal: AbortSignal;
  /** Must end the process. */
  readonly onFatal: (what: string, error: unknown) => void;
  /** This node was removed from its cluster: the process is to be stopped. */
  readonly onRemoved: () => void;
  /** The data directory is older than what the others have seen of this node: it must not go on. */
  readonly onRolledBack: (reason: string) => void;
}

interface Closable {
  close(): Promise<unknown>;
}

/** What the bus reports, beside what the replica takes in. */
interface Sightings {
  /** With the version of its program, as it said when it came. */
  readonly connected: Map<string, string>;
  readonly leader: LeaderProgress;
  /** The newest one that the replica has told the bus. */
  roster: Roster;
}

/**
 * Resolves when every door is open; whatever goes wrong before that closes what was opened. Throws
 * `LostData` when this node must not take part as it is.
 */
export async function runBroker(options: BrokerLifeOptions): Promise<BrokerLife> {
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
  options: BrokerLifeOptions,
  opened: Closable[],
  closeAll: () => Promise<void>,
): Promise<BrokerLife> {
  const { config, log, version, signal, acceptRestored = false } = options;
  const tls = openTls(options);
  opened.push(tls);
  const security = tls.bus;
  const restored = await readRestoreNote(config.persistence.dataDir);
  await restoreFirst({ config, log, memberAs: (incarnation) => memberOf(config, incarnation) });
  const finish = { config, log, signal, security, acceptRestored, wallMs: Date.now };
  const rejoin = await finishRecovery(finish);
  const data = await openData(config, log, { acceptRestored });
  opened.push(data);
  const audit = await beginAudit(options, opened, restored);
  signal.throwIfAborted();
  const roster = rosterOf(data);
  const seat = await takeSeat(config, data, roster, log, signal, security);
  opened.push(seat);
  signal.throwIfAborted();
  const replica = await boot(config, data, seat);
  const onFault = faultHandler(options);
  const starts = await openPeerStarts({ dataDir: data.path, onFault });
  opened.push(starts);
  signal.throwIfAborted();
  const sightings: Sightings = {
    connected: new Map(),
    leader: new LeaderProgress(),
    roster: roster ?? seat.formation,
  };
  const storage = new StorageMeter();
  const parts = { data, seat, replica, starts, storage, onFault };
  const runtime = startRuntime(options, parts, sightings);
  opened.push(runtime);
  takeBack(options, seat, runtime, sightings);
  const onDamage = (damage: StorageDamage) => runtime.fail("the disk has changed", damage);
  opened.push(new Scrub({ dataDir: data.path, onDamage }));
  const disk = watchDisk(options, runtime);
  opened.push(disk);
  let draining = false;
  const facts = {
    clusterId: seat.formation.clusterId,
    version,
    walSyncIntervalMs: config.persistence.walSyncIntervalMs,
    isConnected: (peer: string) => sightings.connected.has(peer),
    programOf: (peer: string) => sightings.connected.get(peer) ?? "",
    leader: sightings.leader,
    isDraining: () => draining,
  };
  const broker = new LocalBroker(runtime, facts, seat.greet);
  const logEntries = () => data.log.last.index - data.log.base.index;
  const retentionMs = config.persistence.finishedRetentionMs;
  const { retention, ...chores } = startLeaderChores({ broker, runtime, log, retentionMs });
  opened.push(chores);
  const ask = backupsAsker({ security });
  const members = () => runtime.replica.members;
  const schedule = scheduleBackups({ config, log, broker, seat, members, ask });
  if (schedule !== undefined) opened.push(schedule);
  const backup = schedule && (() => schedule.figures);
  const figures = { logEntries, storage, retention: () => retention, backup };
  const doors = { config, version, log, broker, runtime, disk, tls, audit };
  opened.push(...(await openDoors({ ...doors, access: options.access, ...figures })));
  const call = rejoinCaller({ security });
  if (rejoin !== undefined) opened.push(promote(options, seat, runtime, rejoin, call));
  return {
    stop: async () => {
      draining = true;
      // Its disk may hang; the line is written before the log is closed.
      void audit.action(processDeed("stop"));
      // The doors stay open: what came before the signal, or comes now, the successor answers.
      const led = replica.leads;
      const done = await handOver(runtime);
      if (led && done) log.info({ leader: replica.raft.leader }, "handed over");
      await closeAll();
    },
    close: closeAll,
  };
}

async function beginAudit(
  options: BrokerLifeOptions,
  opened: Closable[],
  restored: RestoreNote | undefined,
): Promise<Audit> {
  const audit = await openAudit(options);
  opened.push(audit);
  await noteStart(audit, options, restored);
  options.notes?.tell(audit);
  opened.push({ close: async () => options.notes?.tell(undefined) });
  return audit;
}

function openTls({ config, log }: BrokerLifeOptions): BrokerTls {
  try {
    return new BrokerTls(config, log);
  } catch (cause) {
    if (!(cause instanceof TlsFileError)) throw cause;
    throw new StartupError(EXIT.config, cause.whereSaid(config.said), { cause });
  }
}

/** The next start is told to look closely when this one has met with damage. */
function faultHandler({ config, onFatal }: BrokerLifeOptions) {
  return (what: string, error: unknown): void => {
    const isDamage = error instanceof StorageDamage;
    if (isDamage) noteSuspicion(config.persistence.dataDir, error.message);
    onFatal(isDamage ? MET_DAMAGE : what, error);
  };
}

const MET_DAMAGE =
  "what was read from the disk is not what was written; start this broker again: a member of a " +
  "cluster then fetches everything from the others by itself";

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
      retryOfTypes: config.retryOfTypes,
      depthLimit: config.broker.queueDepthThreshold,
      snapshotEntries,
      priority,
    },
    electionTimeoutMs,
    heartbeatIntervalMs,
    commitUnsynced: config.persistence.walSyncIntervalMs > 0,
  });
}

interface Parts {
  readonly data: DataDir;
  readonly seat: ClusterSeat;
  readonly replica: NodeReplica;
  readonly starts: StoredPeerStarts;
  readonly storage: StorageMeter;
  readonly onFault: (what: string, error: unknown) => void;
}

function startRuntime(
  { config, log, version, onRemoved, onRolledBack }: BrokerLifeOptions,
  { data, seat, replica, starts, storage, onFault }: Parts,
  sightings: Sightings,
): Runtime {
  const { connected, leader } = sightings;
  // Each needs the other: nothing is sent before the runtime starts, and by then the bus is there.
  const late: { bus?: Bus } = {};
  const bus = (): Bus => late.bus as Bus;
  const runtime = new Runtime({
    replica,
    clusterId: seat.formation.clusterId,
    log: measuredLog(data.log, storage, () => performance.now()),
    onFlushed: () => storage.done("flush"),
    states: data.states,
    identity: data.identity,
    raiseFormat: (version) => data.format.raise(version),
    bus: {
      send: (envelope) => bus().send(envelope),
      forward: (to, forwards) => bus().forward(to, forwards),
      forwardReply: (to, replies) => bus().forwardReply(to, replies),
      fetchSnapshot: (from, request) => bus().fetchSnapshot(from, request),
      setRoster: (roster) => {
        sightings.roster = roster;
        bus().setRoster(roster);
      },
      close: () => bus().close(),
    },
    walSyncIntervalMs: config.persistence.walSyncIntervalMs,
    logger: log,
    onFatal: onFault,
    onRemoved,
    onLost: onRolledBack,
  });
  const listener: BusListener = {
    onEnvelope: (from, envelope) => {
      leader.heard(from, envelope);
      runtime.input((it) => it.receive(from, envelope));
    },
    onForwards: (from, forwards) => runtime.input((it) => it.forwards(from, forwards)),
    onForwardReplies: (_from, replies) => runtime.input((it) => it.forwardReplies(replies)),
    onPeer: (peer, isUp, versions, program = "") => {
      if (isUp) connected.set(peer, program);
      else connected.delete(peer);
      runtime.input((it) => {
        it.peer(peer, isUp);
        if (isUp) it.announced(peer, versions ?? UNANNOUNCED);
      });
    },
    onSnapshotRequest: (from, request, signal) => runtime.serveSnapshot(from, request, signal),
  };
  const giveUp = (reason: string) => {
    // Before anything else: no vote and no acknowledgement may leave while the doors close.
    runtime.halt();
    onRolledBack(reason);
  };
  late.bus = seat.startBus(listener, { starts, onRolledBack: giveUp, program: version });
  runtime.start();
  return runtime;
}

/** Members that have lost data may come back, when this node leads. */
function takeBack(
  { config, log }: BrokerLifeOptions,
  seat: ClusterSeat,
  runtime: Runtime,
  sightings: Sightings,
): void {
  const desk = new RejoinDesk({
    clusterId: seat.formation.clusterId,
    electionTimeoutMs: config.raft.electionTimeoutMs,
    runtime,
    roster: () => sightings.roster,
    isConnected: (id) => sightings.connected.has(id),
    log,
    throttle: new Throttle(),
    now: () => performance.now(),
  });
  seat.answerRejoins((request, from) => desk.answer(request, from));
}

function watchDisk({ config, log }: BrokerLifeOptions, runtime: Runtime): DiskSpaceWatch {
  return watchDiskSpace({
    path: config.persistence.dataDir,
    floorBytes: config.persistence.minFreeDiskBytes,
    onChange: (isLow) => runtime.input((replica) => replica.diskLow(isLow)),
    log,
  });
}

function promote(
  { config, log, onFatal }: BrokerLifeOptions,
  seat: ClusterSeat,
  runtime: Runtime,
  rejoin: Rejoin,
  call: CallRejoin,
): Promotion {
  return new Promotion({
    dataDir: config.persistence.dataDir,
    rejoin,
    self: seat.self,
    members: () => runtime.replica.members,
    leader: () => runtime.replica.raft.leader,
    call,
    log,
    onFault: onFatal,
    wallMs: Date.now,
  });
}
