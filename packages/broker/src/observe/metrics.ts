/**
 * The figures of one broker for Prometheus, read when somebody scrapes and not before. What
 * concerns the whole cluster is exported by the leader alone, so that a sum over all brokers is
 * right; it comes from the replicated state, or from counting what was applied to it, so that the
 * next leader goes on with the same figures if it has run for as long.
 */
import { collectDefaultMetrics, type Gauge, Registry } from "prom-client";
import type { Broker, NodeStatus } from "../operations/broker.ts";
import { ApiFigures, type CountRequest } from "./api-figures.ts";
import { counter, gauge, labelledCounter, setTotal } from "./families.ts";
import { LeadershipWatch } from "./leadership-watch.ts";
import { type FiguredBroker, queueFigures } from "./queue-figures.ts";
import { type StorageMeter, storageFigures } from "./storage-figures.ts";
import { TaskFigures } from "./task-figures.ts";
import { TotalFigures, type TotalledBroker } from "./total-figures.ts";

export interface MetricsOptions {
  readonly status: () => NodeStatus;
  readonly broker: FiguredBroker & TotalledBroker & Pick<Broker, "feed">;
  readonly snapshots: () => SnapshotFigures;
  /** How often this node found that a member's state, or its own, differs from the leader's. */
  readonly divergences: () => number;
  /** Entries of the log on disk; without it that figure is not exported. */
  readonly logEntries?: (() => number) | undefined;
  /** What this node has removed while it led; without it that is not exported. */
  readonly retention?: (() => RetentionFigures) | undefined;
  /** Of scheduled backups; undefined: there are none to be taken. */
  readonly backup?: (() => BackupFigures) | undefined;
  /** Of the disk with the data directory; undefined as long as it is not known. */
  readonly diskSpace?: () => DiskFigures | undefined;
  /** Others reach a listener that lacks keys or TLS. */
  readonly isOpenToOthers?: boolean | undefined;
  /** Of listeners with TLS. */
  readonly certificates?: () => readonly CertificateFigures[];
  /** Refusals for their rates, by the names of keys; a bounded number of names. */
  readonly rateLimited?: (() => ReadonlyMap<string, number>) | undefined;
  /** Of listeners that refuse revoked certificates. */
  readonly revocationLists?: () => readonly CertificateFigures[];
  /** Without it that is not exported. */
  readonly workerPort?: WorkerPortFigures | undefined;
  /** What the disk is asked for; without it that is not exported. */
  readonly storage?: StorageMeter | undefined;
  /** Of this program. */
  readonly version: string;
}

export interface CertificateFigures {
  readonly listener: string;
  readonly secondsLeft: number;
}

export interface WorkerPortFigures {
  readonly connections: number;
  /** Since this process started. */
  readonly refusals: { readonly full: number; readonly address: number };
}

/** Since this process started. */
export interface RetentionFigures {
  readonly tasks: number;
  readonly results: number;
  readonly logs: number;
  /** Tombstones and keys. */
  readonly forgotten: number;
}

export interface BackupFigures {
  /** ms; 0 = there is none. */
  readonly lastSuccessAt: number;
  /** Since this process started. */
  readonly failures: number;
}

export interface DiskFigures {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Since this process started. */
export interface SnapshotFigures {
  /** To other members, whole ones. */
  readonly sent: number;
  /** From another member, and installed. */
  readonly received: number;
  readonly receivedBytes: number;
  /** How long the newest one took to receive; undefined = there was none. */
  readonly lastDurationMs: number | undefined;
}

export interface Metrics {
  readonly contentType: string;
  /** In Prometheus' text format. */
  render(): Promise<string>;
  /** Ends the looks between scrapes. */
  close(): void;
}

export interface BrokerMetrics extends Metrics {
  /** A door has answered somebody. */
  readonly countRequest: CountRequest;
}

/** Gauges of the library that call themselves totals; each has a twin with labels beside it. */
const MISNAMED = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];
/** Elections take longer than this, so that none is overlooked between two scrapes. */
const LOOK_MS = 250;
const ROLES = ["leader", "follower", "candidate", "learner"] as const;

export function createMetrics(options: MetricsOptions): BrokerMetrics {
  const { status, broker } = options;
  const node = new Registry();
  const cluster = new Registry();
  const watch = new LeadershipWatch(status());
  collectDefaultMetrics({ register: node });
  for (const name of MISNAMED) node.removeSingleMetric(name);
  const collectors = [
    buildInfo(node, options.version),
    insecureListener(node, options.isOpenToOthers === true),
    raftFigures(node, watch, options.logEntries),
    snapshotFigures(node, options),
    diskFigures(node, options),
    retentionFigures(node, options),
    certificateFigures(node, options),
    listFigures(node, options),
    workerPortFigures(node, options),
    backupFigures(node, options),
    rateFigures(node, options),
    storageFigures(node, options.storage),
  ];
  const leaderCollectors = [memberFigures(cluster), queueFigures(cluster, broker)];
  const tasks = new TaskFigures(cluster, broker);
  const totals = new TotalFigures(broker);
  const api = new ApiFigures(node);
  const look = () => {
    watch.see(status());
    tasks.see();
    totals.look();
  };
  totals.look();
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return {
    contentType: node.contentType,
    async render() {
      const now = status();
      watch.see(now);
      for (const collect of collectors) collect(now);
      const own = (await node.metrics()) + (await totals.render());
      if (now.role !== "leader") return own;
      for (const collect of leaderCollectors) collect(now);
      const runs = tasks.collect();
      return own + (await cluster.metrics()) + runs;
    },
    countRequest: (request) => api.count(request),
    close: () => clearInterval(timer),
  };
}

/** Brings its figures up to date. */
type Collect = (status: NodeStatus) => void;

function buildInfo(registry: Registry, version: string): Collect {
  const info = gauge(registry, "tq_build_info", "Version of the broker and of Node; always 1.", [
    "version",
    "node_version",
  ]);
  return () => info.set({ version, node_version: process.version }, 1);
}

function insecureListener(registry: Registry, isOpen: boolean): Collect {
  const help = "1 if other machines reach a listener that lacks keys or TLS, else 0.";
  const insecure = gauge(registry, "tq_insecure_listener", help);
  return () => insecure.set(isOpen ? 1 : 0);
}

function raftFigures(
  registry: Registry,
  watch: LeadershipWatch,
  logEntries: (() => number) | undefined,
): Collect {
  const role = gauge(registry, "tq_raft_role", "1 for the role that this node has.", ["role"]);
  const isLeader = gauge(registry, "tq_raft_is_leader", "1 if this node leads, else 0.");
  const term = gauge(registry, "tq_raft_term", "Term that this node is in.");
  const commit = gauge(registry, "tq_raft_commit_index", "Last entry known to be committed.");
  const applied = gauge(registry, "tq_raft_applied_index", "Last entry applied to the state.");
  const changes = counter(registry, "tq_raft_leader_changes_total", "Changes of leader seen.");
  const elections = counter(registry, "tq_raft_elections_total", "Elections seen: terms begun.");
  const entries =
    logEntries && gauge(registry, "tq_raft_log_entries", "Entries of the log on disk.");
  return (status) => {
    const own = roleOf(status);
    for (const each of ROLES) role.set({ role: each }, each === own ? 1 : 0);
    isLeader.set(status.role === "leader" ? 1 : 0);
    term.set(status.term);
    commit.set(status.commit);
    applied.set(status.applied);
    setTotal(changes, watch.changes);
    setTotal(elections, watch.elections);
    if (logEntries !== undefined) entries?.set(logEntries());
  };
}

function certificateFigures(
  registry: Registry,
  { certificates }: Pick<MetricsOptions, "certificates">,
): Collect {
  if (certificates === undefined) return () => {};
  const help = "Time until the certificate of a listener expires; below 0: it has.";
  const left = gauge(registry, "tq_tls_certificate_expiry_seconds", help, ["listener"]);
  return () => {
    for (const { listener, secondsLeft } of certificates()) left.set({ listener }, secondsLeft);
  };
}

function listFigures(
  registry: Registry,
  { revocationLists }: Pick<MetricsOptions, "revocationLists">,
): Collect {
  if (revocationLists === undefined) return () => {};
  const help = "Time until a list of revoked certificates is out of date and refuses everybody.";
  const left = gauge(registry, "tq_tls_crl_expiry_seconds", help, ["listener"]);
  return () => {
    for (const { listener, secondsLeft } of revocationLists()) left.set({ listener }, secondsLeft);
  };
}

function workerPortFigures(
  registry: Registry,
  { workerPort }: Pick<MetricsOptions, "workerPort">,
): Collect {
  if (workerPort === undefined) return () => {};
  const help = "Connections that were refused since all places were taken, or those of an address.";
  const [name, labels] = ["tq_broker_connections_refused_total", ["reason"]];
  const open = gauge(registry, "tq_broker_connections", "Connections to the worker port.");
  const refused = labelledCounter(registry, name, help, labels);
  return () => {
    const { full, address } = workerPort.refusals;
    open.set(workerPort.connections);
    refused.reset();
    refused.inc({ reason: "full" }, full);
    refused.inc({ reason: "address" }, address);
  };
}

function snapshotFigures(
  registry: Registry,
  { snapshots, divergences }: Pick<MetricsOptions, "snapshots" | "divergences">,
): Collect {
  const sent = counter(registry, "tq_snapshot_sent_total", "Snapshots sent to other members.");
  const received = counter(registry, "tq_snapshot_received_total", "Snapshots installed.");
  const bytes = counter(registry, "tq_snapshot_received_bytes_total", "Bytes of them.");
  const duration = gauge(
    registry,
    "tq_snapshot_last_duration_seconds",
    "How long the newest snapshot took to receive; 0 = there was none.",
  );
  const diverged = counter(
    registry,
    "tq_state_divergence_total",
    "How often a member's state was found to differ from the leader's after the same entry.",
  );
  return () => {
    const figures = snapshots();
    setTotal(sent, figures.sent);
    setTotal(received, figures.received);
    setTotal(bytes, figures.receivedBytes);
    duration.set((figures.lastDurationMs ?? 0) / 1_000);
    setTotal(diverged, divergences());
  };
}

/** Nothing is exported before something is known: a zero would wake somebody up. */
function diskFigures(registry: Registry, { diskSpace }: MetricsOptions): Collect {
  const known: { free?: Gauge; total?: Gauge } = {};
  return () => {
    const space = diskSpace?.();
    if (space === undefined) return;
    known.free ??= gauge(
      registry,
      "tq_disk_free_bytes",
      "Room left on the disk with the data directory; below persistence.min_free_disk it is low.",
    );
    known.total ??= gauge(registry, "tq_disk_total_bytes", "Size of that disk.");
    known.free.set(space.freeBytes);
    known.total.set(space.totalBytes);
  };
}

/** Each node counts what it did while it led, so that the sum over all of them is right. */
function retentionFigures(registry: Registry, { retention }: MetricsOptions): Collect {
  if (retention === undefined) return () => {};
  const help = "What retention has removed: tasks, results, logs, forgotten tombstones and keys.";
  const removed = labelledCounter(registry, "tq_retention_removed_total", help, ["what"]);
  return () => {
    removed.reset();
    for (const [what, count] of Object.entries(retention())) removed.inc({ what }, count);
  };
}

function backupFigures(registry: Registry, { backup }: MetricsOptions): Collect {
  if (backup === undefined) return () => {};
  const last = gauge(
    registry,
    "tq_backup_last_success_timestamp_seconds",
    "When the newest backup was taken that this broker or another one sees; 0 = there is none.",
  );
  const failures = counter(registry, "tq_backup_failures_total", "Backups that failed.");
  return () => {
    const figures = backup();
    last.set(figures.lastSuccessAt / 1_000);
    setTotal(failures, figures.failures);
  };
}

function rateFigures(registry: Registry, { rateLimited }: MetricsOptions): Collect {
  if (rateLimited === undefined) return () => {};
  const help = "Requests that were refused because their keys had asked for too much.";
  const refused = labelledCounter(registry, "tq_api_rate_limited_total", help, ["key"]);
  return () => {
    refused.reset();
    for (const [key, count] of rateLimited()) refused.inc({ key }, count);
  };
}

function memberFigures(registry: Registry): Collect {
  const lag = gauge(registry, "tq_raft_member_lag", "Entries a member lacks; from the leader.", [
    "member",
  ]);
  return ({ members }) => {
    lag.reset();
    for (const member of members) {
      if (member.lag !== undefined) lag.set({ member: member.id }, member.lag);
    }
  };
}

function roleOf(status: NodeStatus): (typeof ROLES)[number] {
  const own = status.members.find(({ id }) => id === status.nodeId);
  return own?.role === "learner" ? "learner" : status.role;
}
