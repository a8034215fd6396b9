/**
 * From command line, environment and file to a `Config`. Order: defaults, file, environment, flags;
 * later wins. All problems are told together; a promise of security that this version cannot keep
 * is one of them, because starting without it would be worse than not starting.
 */
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { BUS_PORT_OFFSET } from "../ports.ts";
import { PLAIN_BACKOFF } from "../queue/index.ts";
import { ANY_HOST, formatHostPort, isLoopback, isWildcard, parseHostPort } from "./address.ts";
import { cheapKeys } from "./api-keys.ts";
import { checkTogether } from "./check-together.ts";
import { Collector } from "./collect.ts";
import type { BusTlsFiles, Config, Notice, Said, TlsFiles } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { type Flags, parseFlags, readFlags } from "./flags.ts";
import { isClustered } from "./is-clustered.ts";
import { type OpenListener, openListeners, openText } from "./open-listeners.ts";
import { burstOf } from "./rate.ts";
import { readEnvironment } from "./read-environment.ts";
import { readConfigFile } from "./read-file.ts";
import { KEYS, type Settings } from "./schema.ts";
import { withSigningSecrets } from "./signing-secrets.ts";

const AUDIT_FILE = "audit.log";
const DAY_MS = 24 * 60 * 60 * 1000;

export interface ConfigSources {
  /** Without node and script. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of this program, for `--version`. */
  readonly version?: string;
}

/** Of all connections: one address leaves room for others, even if it is a load balancer's. */
const ADDRESS_SHARE_DEFAULT = 3 / 4;

/** A worker may miss two beats and still keeps its tasks. */
const BEATS_PER_LEASE_MIN = 3;

/** Throws `ConfigError` or `UsageError`; both carry the exit status they ask for. */
export function loadConfig({ argv, env, version = "0.0.0" }: ConfigSources): Config {
  const flags = parseFlags(argv, version);
  const collector = new Collector();
  if (flags.config !== undefined) readConfigFile(flags.config, collector);
  readEnvironment(env, collector);
  readFlags(flags, collector);
  const settings = collector.settings();
  checkTogether(settings, collector);
  const { enabled, api_keys: apiKeys } = settings.auth;
  const keys = enabled ? withSigningSecrets(apiKeys, collector) : apiKeys;
  if (collector.problems.length > 0) throw new ConfigError(collector.problems);
  return toConfig(
    { ...settings, auth: { ...settings.auth, api_keys: keys } },
    flags,
    collector.said,
  );
}

function toConfig(
  settings: Settings,
  { config: file, acceptRestoredData, checkOnly, restore, restoreKeyFile }: Flags,
  said: ReadonlyMap<string, Said>,
): Config {
  const { broker, persistence, raft, api, monitoring, worker, retry } = settings;
  const apiHost = api.host ?? broker.host;
  const open = openListeners(settings);
  return {
    file,
    acceptRestoredData,
    checkOnly,
    restore: restore === undefined ? undefined : { file: restore, keyFile: restoreKeyFile },
    broker: {
      host: broker.host,
      port: broker.port,
      advertise: advertised(settings),
      maxConnections: broker.max_connections,
      maxConnectionsPerAddress:
        broker.max_connections_per_address ??
        Math.ceil(ADDRESS_SHARE_DEFAULT * broker.max_connections),
      queueDepthThreshold: broker.queue_depth_threshold,
      maxPayloadBytes: broker.max_payload_bytes,
    },
    persistence: {
      dataDir: resolve(persistence.data_dir),
      walSyncIntervalMs: isClustered(raft) ? 0 : persistence.wal_sync_interval_ms,
      writeBufferBytes: persistence.write_buffer_size,
      minFreeDiskBytes: persistence.min_free_disk,
      finishedRetentionMs: persistence.completed_task_retention_days * DAY_MS,
    },
    raft: {
      enabled: isClustered(raft),
      nodeId: raft.node_id ?? hostname(),
      peers: raft.peers,
      port: raft.port ?? broker.port + BUS_PORT_OFFSET,
      heartbeatIntervalMs: raft.heartbeat_interval_ms,
      electionTimeoutMs: raft.election_timeout_ms,
      snapshotEntries: raft.snapshot_entries,
      priority: raft.priority,
      tls: busTlsFiles(raft),
    },
    api: {
      host: apiHost,
      restPort: api.rest_port,
      proxyProtocolFrom: api.proxy_protocol_from,
      allowedHosts: allowedHosts(settings),
      grpcPort: api.grpc_port,
      tls: api.enable_tls ? tlsFiles("api", api) : undefined,
    },
    auth: authOf(settings),
    monitoring: {
      host: monitoring.host ?? broker.host,
      prometheusPort: monitoring.prometheus_port,
      tls: monitoring.enable_tls ? tlsFiles("api", api) : undefined,
      logLevel: monitoring.log_level,
      logFile: monitoring.log_file,
      requireAuth: monitoring.require_auth,
    },
    worker: {
      heartbeatIntervalMs: Math.min(
        worker.heartbeat_interval_secs,
        Math.floor(worker.lease_timeout_secs / BEATS_PER_LEASE_MIN),
      ),
      leaseTimeoutMs: worker.lease_timeout_secs,
    },
    retry: {
      maxRetries: retry.max_retries,
      initialDelayMs: retry.initial_delay,
      multiplier: retry.backoff_multiplier,
      maxDelayMs: retry.max_delay,
      ...PLAIN_BACKOFF,
      jitter: retry.jitter,
    },
    retryOfTypes: retry.types,
    backup: backupOf(settings),
    audit: auditOf(settings),
    notices: [...withoutEffect(said), ...warnings(settings, open), ...alwaysSynced(settings)],
    isOpenToOthers: open.length > 0,
    said,
  };
}

type PathName = "tls_cert_path" | "tls_key_path" | "tls_ca_path" | "tls_crl_path";
type TlsPaths = Pick<Settings["api"], PathName>;

/** Undefined unless certificate and key are given. */
function tlsFiles(section: TlsFiles["section"], paths: TlsPaths): TlsFiles | undefined {
  const { tls_cert_path: cert, tls_key_path: key, tls_ca_path: ca, tls_crl_path: crl } = paths;
  if (cert === undefined || key === undefined) return undefined;
  const ownCa = ca === undefined ? undefined : resolve(ca);
  const list = crl === undefined ? {} : { crl: resolve(crl) };
  return { section, cert: resolve(cert), key: resolve(key), ca: ownCa, ...list };
}

function busTlsFiles(raft: Settings["raft"]): BusTlsFiles | undefined {
  const files = tlsFiles("raft", raft);
  return files && { ...files, serverName: raft.tls_server_name };
}

function authOf({ auth }: Settings): Config["auth"] {
  const signing = { required: auth.signing_required, windowMs: auth.signing_window_secs };
  const { enabled, api_keys: given, default_rate_per_second: perSecond, default_burst } = auth;
  const burst = default_burst ?? burstOf(perSecond ?? 0);
  const defaultRate = perSecond === undefined ? undefined : { perSecond, burst };
  const keys = given.map((each) => ({ ...each, rate: each.rate ?? defaultRate }));
  return { enabled, keys, defaultRate, signing };
}

function backupOf({ backup }: Settings): Config["backup"] {
  const { directory, interval, keep, key_file: keyFile } = backup;
  if (directory === undefined) return undefined;
  return { directory: resolve(directory), intervalMs: interval, keep, keyFile };
}

function auditOf({ audit, persistence }: Settings): Config["audit"] {
  const { enabled, file, max_size: maxBytes, keep } = audit;
  if (!enabled) return undefined;
  return { file: resolve(file ?? join(persistence.data_dir, AUDIT_FILE)), maxBytes, keep };
}

/** By default REST is open for local programs without a key, and for no page in a browser. */
function allowedHosts(settings: Settings): readonly string[] | undefined {
  const { broker, api, auth } = settings;
  const said = api.allowed_hosts;
  if (said !== undefined) return said.includes(ANY_HOST) ? undefined : said;
  const host = api.host ?? broker.host;
  if (auth.enabled || !isLoopback(host)) return undefined;
  return ["localhost", hostname(), parseHostPort(advertised(settings))?.host ?? host];
}

/** A wildcard address cannot be dialled: the machine's name is the best guess at one that can. */
function advertised({ broker }: Settings): string {
  const said = broker.advertise;
  if (said === undefined) {
    const host = isWildcard(broker.host) ? hostname() : broker.host;
    return formatHostPort({ host, port: broker.port });
  }
  return parseHostPort(said) === undefined
    ? formatHostPort({ host: said, port: broker.port })
    : said;
}

function withoutEffect(said: ReadonlyMap<string, Said>): Notice[] {
  const notices: Notice[] = [];
  for (const [key, { where }] of said) {
    const reason = KEYS.get(key)?.without;
    if (reason === undefined) continue;
    notices.push({ level: "info", text: `${where}: ${key} has no effect: ${reason}` });
  }
  return notices;
}

/** A member that lost its unsynced tail in a power cut must not vote, and cannot tell yet. */
function alwaysSynced({ persistence, raft }: Settings): Notice[] {
  if (!isClustered(raft) || persistence.wal_sync_interval_ms === 0) return [];
  const key = "persistence.wal_sync_interval_ms";
  const rule = "a cluster always syncs before it answers";
  const text = `${key} is for single nodes in this version: ${rule}`;
  return [{ level: "info", text }];
}

function warnings({ auth }: Settings, open: readonly OpenListener[]): Notice[] {
  const texts = open.length === 0 ? [] : [openText(open)];
  if (!auth.enabled && auth.api_keys.length > 0) {
    texts.push("auth.api_keys has keys, and auth.enabled is false: nobody is asked for one");
  }
  const cheap = cheapKeys(auth.api_keys).join(", ");
  if (cheap !== "") {
    texts.push(`auth.api_keys: the hashes of ${cheap} cost less than 10: hash these keys anew`);
  }
  return texts.map((text) => ({ level: "warn", text }));
}
