/**
 * Every setting there is: its kind, its default and what it does. The one table behind reading a
 * file, the environment and the flags, behind the error messages, and behind the reference file. A
 * key with `without` is accepted, because files that others wrote have it, and said to have no
 * effect.
 */
import { type ApiKey, apiKeys } from "./api-keys.ts";
import { type Derived, derived, type Fixed, type Key, key } from "./key.ts";
import { decimal, duration, flag, integer, list, oneOf, share, size, text } from "./kinds.ts";
import { PER_SECOND_MIN, RATE_MAX } from "./rate.ts";
import { type TypePolicies, typePolicies } from "./type-policies.ts";

const DAY_MS = 86_400_000;
const MIB = 1024 ** 2;
const port = integer({ min: 0, max: 65535 });
const host = text("a host name or IP address", /^[^\s:/@[\]]+$|^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/);
const path = text("a path", /\S/);
const logLevel = oneOf(["trace", "debug", "info", "warn", "error", "fatal"] as const);
const retryDelay = duration({ min: 0, max: 365 * DAY_MS });

const FOR_WORKERS = "it is a setting of tq-worker, which reads it here with its own --config";
const OF_TASKS = "how long a run may take is timeout_ms of its task";

export const SCHEMA = {
  broker: {
    host: key(host, "127.0.0.1", "Where workers and clients are listened for."),
    port: key(port, 6379, "Port of the worker protocol; 0 takes a free one (single node only)."),
    advertise: derived(
      text("HOST or HOST:PORT", /^\S+$/),
      "Under which address others reach this node; default: host and port.",
    ),
    max_connections: key(
      integer({ min: 1, max: 65535 }),
      1000,
      "Connections of workers and clients; one more is refused. Too low: workers are turned away " +
        "after a failover, when all of them come at once. Too high: the broker does not " +
        "start where the limit of open files (LimitNOFILE) is too low for them.",
    ),
    max_connections_per_address: derived(
      integer({ min: 1, max: 65535 }),
      "How many of them may come from one address; default: three quarters. Too low: workers " +
        "behind one router or load balancer are turned away. Too high: one address takes all.",
    ),
    queue_depth_threshold: key(
      integer({ min: 0, max: 100_000_000 }),
      100_000,
      "Unfinished tasks in one queue beyond which a submit is refused; 0 = no limit. Too low: an " +
        "ordinary peak is refused. Too high: memory, which every unfinished task needs.",
    ),
    max_payload_bytes: key(
      size({ min: 1024, max: 3 * MIB }),
      MIB,
      "Largest payload of a task. Too low: tasks are refused as too large. Too high: a few large " +
        "tasks delay all others on their way through the log.",
    ),
  },
  persistence: {
    data_dir: key(path, "./data", "Where everything is kept."),
    wal_sync_interval_ms: key(
      duration({ min: 0, max: 60_000 }, 1),
      0,
      "0: synced to disk before a task is acknowledged. Above: synced at most this often; " +
        "faster. Too low, but not 0: as slow as 0, without its promise. Too high: more is lost " +
        "of what was acknowledged when the machine loses power. A cluster always syncs.",
    ),
    min_free_disk: key(
      size({ min: 0, max: 1024 * 1024 * MIB }),
      512 * MIB,
      "With less room than this left on the disk of data_dir no new tasks are taken in, until " +
        "there is 5% more. Too low: work under way fills the disk, and the broker stops; 0 = not " +
        "watched. Too high: tasks are refused although there is room.",
    ),
    write_buffer_size: key(
      size({ min: MIB, max: 1024 * MIB }),
      32 * MIB,
      "Memory that LevelDB fills before it writes a table. Too low: many small tables, and " +
        "writes that wait for their merging. Too high: memory, twice this for each of the two " +
        "stores, and a longer start.",
    ),
    completed_task_retention_days: key(
      integer({ min: 0, max: 36_500 }),
      7,
      "How long completed, cancelled and expired tasks are kept, unless the settings of their " +
        "queue say otherwise; dead ones stay until somebody deletes them. 0 = for ever. Too low: " +
        "results are gone before somebody asks for them. Too high: the disk fills.",
    ),
    max_write_buffer_number: key(
      integer({ min: 1, max: 64 }),
      2,
      "Number of write buffers.",
      "LevelDB always has two",
    ),
  },
  raft: {
    enabled: derived(flag(), "One of several brokers; default: true when peers are given."),
    node_id: derived(
      text("1 to 64 of A-Z a-z 0-9 . _ -", /^[A-Za-z0-9._-]{1,64}$/),
      "This node's name for ever; default: the machine's host name.",
    ),
    peers: key(
      list("addresses (HOST:PORT or ID@HOST:PORT/BUSPORT)"),
      [],
      "The other brokers: their broker.host and broker.port. Only a hint where to find them once " +
        "this node belongs to a cluster; members are added with tq-admin.",
    ),
    port: derived(port, "Port of the bus between brokers; default: broker.port + 10000."),
    heartbeat_interval_ms: key(
      duration({ min: 10, max: 10_000 }, 1),
      100,
      "How often the leader is heard of. Too low: traffic between brokers that have nothing to " +
        "say. Too high: the election timeout must be longer, too, and so is each failover.",
    ),
    election_timeout_ms: key(
      duration({ min: 50, max: 100_000 }, 1),
      1000,
      "Silence after which an election starts: 1 to 2 times this, at least 5 heartbeats. Too " +
        "low: a slow disk or a pause of the process costs the leader its office. Too high: " +
        "nothing is served for that long after the leader's machine is gone.",
    ),
    snapshot_entries: key(
      integer({ min: 100, max: 100_000_000 }),
      10_000,
      "Log entries kept behind the state on disk. A member that was away for longer than they " +
        "reach back is sent a snapshot of the state instead. Too low: snapshots after every " +
        "short absence. Too high: disk, and a longer start.",
    ),
    priority: key(
      integer({ min: 0, max: 100 }),
      0,
      "Among brokers that are up to date the one with the highest becomes leader. Too low, as on " +
        "all of them: whoever is first leads. Too high on a slow machine: it is the one that " +
        "leads.",
    ),
    tls_cert_path: derived(
      path,
      "Certificate of this node for the bus, on which brokers then talk in mutual TLS. All nodes " +
        "of a cluster have one, or none has.",
    ),
    tls_key_path: derived(path, "Its private key, which only its owner may read."),
    tls_ca_path: derived(path, "The authority of all nodes' certificates, and of nothing else."),
    tls_crl_path: derived(path, "Revoked certificates of nodes, as api.tls_crl_path."),
    tls_server_name: derived(
      text("a host name", /^\S{1,253}$/),
      "A name that the certificates of all nodes have; default: each has its own raft.node_id.",
    ),
  },
  api: {
    host: derived(host, "Where REST requests are listened for; default: broker.host."),
    rest_port: key(port, 8080, "Port of REST; 0 takes a free one."),
    allowed_hosts: derived(
      list("host names without ports, or *"),
      "Names that REST answers to, beside addresses. Default: any, but on a loopback host " +
        "without keys localhost and the node's own names, which keeps web pages out.",
    ),
    proxy_protocol_from: key(
      list("addresses or networks, such as 10.0.0.0/8"),
      [],
      "Load balancers that say with the PROXY protocol for whom they connect: they must, to " +
        "workers' port, REST and gRPC, and nobody else is believed.",
    ),
    grpc_port: key(
      port,
      9090,
      "Port of gRPC; 0 takes a free one. Where nobody set it and it is in use, the broker starts " +
        "without gRPC.",
    ),
    enable_tls: key(
      flag(),
      false,
      "TLS for workers, clients, REST and gRPC. Needs tls_cert_path and tls_key_path.",
    ),
    tls_cert_path: derived(
      path,
      "Certificate in PEM, with the ones between it and its authority. Read again on SIGHUP and " +
        "when it is replaced.",
    ),
    tls_key_path: derived(path, "Its private key in PEM, which only its owner may read."),
    tls_ca_path: derived(
      path,
      "Authorities in PEM. With it, whoever connects must show a certificate of one of them.",
    ),
    tls_crl_path: derived(
      path,
      "Their lists of revoked certificates in PEM. Out of date, they refuse everybody.",
    ),
  },
  auth: {
    enabled: key(
      flag(),
      false,
      "Whether a key must be shown with every request, but for the health pages. false: whoever " +
        "reaches a port may do everything.",
    ),
    api_keys: key<readonly ApiKey[]>(
      apiKeys(),
      [],
      "The keys by their bcrypt hashes, and what each permits. tq-admin keys hash makes one. " +
        "rate_per_second is how many requests, and tasks of batches, a key may send to one " +
        "broker; burst (default: those of one second) is how many at once. Too low: refusals " +
        "in an ordinary peak. Too high: one application takes what all of them need. " +
        "signing_secret_file is what the key's holder may sign requests with.",
    ),
    default_rate_per_second: derived(
      decimal({ min: PER_SECOND_MIN, max: RATE_MAX }),
      "How many requests, and tasks of batches, every other key may send to this broker: those " +
        "of api_keys without a rate_per_second, and each that the cluster keeps; default: no " +
        "limit. Too low: refusals in an ordinary peak. Too high: one application takes what all " +
        "of them need.",
    ),
    default_burst: derived(
      integer({ min: 1, max: RATE_MAX }),
      "How many of these at once after a pause; default: those of one second. Too low: batches " +
        "and peaks are refused. Too high: an application that runs wild is held back late.",
    ),
    signing_required: key(
      flag(),
      false,
      "Whether REST takes signed requests alone, and no key as it is. Other listeners take keys.",
    ),
    signing_window_secs: key(
      duration({ min: 1000, max: 3_600_000 }, 1000),
      300_000,
      "How far the clocks of a signer and of the broker may be apart. Too low: requests that " +
        "were on their way for long, or whose sender's clock goes wrong, are refused. Too high: " +
        "more to remember, and more time to send a request again to another broker.",
    ),
  },
  security: {
    require: key(
      flag(),
      false,
      "No start with a listener that other machines reach without keys or without TLS. false: " +
        "such a listener is only warned of.",
    ),
  },
  monitoring: {
    host: derived(host, "Where metrics are asked for; default: broker.host."),
    prometheus_port: key(
      port,
      9091,
      "Port of metrics for Prometheus; 0 takes a free one. Where nobody set it and it is in use, " +
        "metrics are at /metrics of REST alone.",
    ),
    enable_tls: key(flag(), false, "TLS for metrics, with the certificate of api.tls_cert_path."),
    log_level: key(logLevel, "info", "What is logged: this level and those after it."),
    log_file: derived(path, "Log file; default: standard output."),
    require_auth: key(
      flag(),
      false,
      "Whether the metrics port asks for a key with read_tasks too, as /metrics of REST does.",
    ),
  },
  worker: {
    concurrency: key(integer({ min: 1, max: 10_000 }), 4, "Tasks at a time.", FOR_WORKERS),
    pool_size: derived(integer({ min: 1, max: 10_000 }), "Synonym of concurrency.", FOR_WORKERS),
    prefetch: derived(integer({ min: 0, max: 10_000 }), "Tasks held ready.", FOR_WORKERS),
    heartbeat_interval_secs: key(
      duration({ min: 1000, max: 3_600_000 }, 1000),
      15_000,
      "How often a worker is asked to beat; never less often than a third of the lease. Too low: " +
        "log entries of thousands of workers that say only that they live. Too high: without " +
        "effect, because of the lease.",
    ),
    lease_timeout_secs: key(
      duration({ min: 1000, max: DAY_MS }, 1000),
      30_000,
      "A worker that is not heard from for this long loses its tasks to others. Too low: a pause " +
        "of the worker is taken for its death, and tasks run twice. Too high: tasks of a dead " +
        "worker wait that long.",
    ),
    timeout: derived(duration({ min: 0, max: 365 * DAY_MS }), "Longest run.", OF_TASKS),
    queues: derived(list("queue names"), "Queues to serve.", FOR_WORKERS),
    types: derived(list("task types"), "Types to run.", FOR_WORKERS),
    handlers: derived(path, "Module with handlers.", FOR_WORKERS),
  },
  retry: {
    max_retries: key(
      integer({ min: 0, max: 1000 }),
      3,
      "Retries of a task that does not say itself; one more attempt than that. Too low: a short " +
        "outage of what the task needs makes it dead. Too high: what can never work is tried on " +
        "and on.",
    ),
    initial_delay: key(
      retryDelay,
      5000,
      "Wait before the first retry. Too low: all attempts fall into the same outage. Too high: a " +
        "moment's trouble delays a task for long.",
    ),
    backoff_multiplier: key(
      decimal({ min: 1, max: 100 }),
      2,
      "How many times longer each further wait is. Too low: 1 is no backing off at all. Too " +
        "high: the second or third wait is as long as max_delay.",
    ),
    max_delay: key(
      retryDelay,
      3_600_000,
      "Longest wait between two attempts. Too low: a service that is down is asked on and on. " +
        "Too high: tasks sleep long after it is back.",
    ),
    jitter: key(
      share(),
      0.1,
      "Up to this share is added to each wait. Too low: tasks that failed together come back " +
        "together. Too high: nobody can tell when.",
    ),
    types: key<TypePolicies>(
      typePolicies(),
      new Map(),
      "Policies of single types, in force while this node leads. Settings of a queue go before " +
        "them, and what a submit says before both.",
    ),
  },
  backup: {
    directory: derived(
      path,
      "Where backups are kept that are taken without anybody asking; default: none are. A shared " +
        "one, or one on each broker: a follower takes them if there is one, else the leader. On " +
        "the disk of data_dir they are lost with it.",
    ),
    interval: key(
      duration({ min: 1000, max: 365 * DAY_MS }),
      DAY_MS,
      "How old the newest one may become. Too low: brokers read and write all the time. Too " +
        "high: what came since the last one is lost with the cluster.",
    ),
    keep: key(
      integer({ min: 1, max: 10_000 }),
      7,
      "How many are kept; older ones are deleted once a newer one is whole. Too low: a mistake " +
        "that is noticed late is in all of them. Too high: the disk fills.",
    ),
    key_file: derived(
      path,
      "A file with the key to encrypt them with: 32 random bytes, as they are, in hex or in " +
        "base64. Keep a copy elsewhere: without it they are worth nothing.",
    ),
  },
  audit: {
    enabled: key(
      flag(),
      true,
      "Whether administrative actions and refusals are written down, with who asked for them.",
    ),
    file: derived(
      path,
      "Where; default: audit.log in data_dir. Files that are full are beside it, with the number " +
        "of their first line behind the name.",
    ),
    max_size: key(
      size({ min: 64 * 1024, max: 1024 * MIB }),
      64 * MIB,
      "A file that would grow beyond this is put aside. Too low: many files, and keep of them " +
        "reach back not far. Too high: files that are unwieldy to copy.",
    ),
    keep: key(
      integer({ min: 1, max: 10_000 }),
      10,
      "How many that were put aside are kept. Too low: what happened is gone before somebody " +
        "asks. Too high: the disk fills.",
    ),
  },
} satisfies Record<string, Record<string, AnyKey>>;

/** A key of any kind, for code that walks the table. */
export type AnyKey = Key<unknown>;

type Schema = typeof SCHEMA;
type ValueOf<K> = K extends Fixed<infer T> ? T : K extends Derived<infer T> ? T | undefined : never;

/** Every setting's value under its own name; undefined where nothing was said and no default is. */
export type Settings = {
  readonly [S in keyof Schema]: { readonly [K in keyof Schema[S]]: ValueOf<Schema[S][K]> };
};

/** All keys as `section.name`, in the order of the table. */
export const KEYS: ReadonlyMap<string, AnyKey> = new Map(
  Object.entries(SCHEMA).flatMap(([section, keys]) =>
    Object.entries(keys).map(([name, one]) => [`${section}.${name}`, one as AnyKey] as const),
  ),
);

/**
 * Environment variables of other programs' guides, and the keys they set. A number without a unit
 * counts seconds there.
 */
export const ENVIRONMENT_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["MAX_RETRIES", "retry.max_retries"],
  ["INITIAL_RETRY_DELAY", "retry.initial_delay"],
  ["RETRY_BACKOFF_MULTIPLIER", "retry.backoff_multiplier"],
  ["MAX_RETRY_DELAY", "retry.max_delay"],
  ["WORKER_COUNT", "worker.concurrency"],
  ["TQ_LOG", "monitoring.log_level"],
]);
