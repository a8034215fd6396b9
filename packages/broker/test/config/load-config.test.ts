/**
 * Settings from file, environment and flags: what is taken, what is refused, and in which words.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { ConfigError, UsageError } from "../../src/config/config-error.ts";
import { describeConfig, referenceFile } from "../../src/config/describe-config.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { KEYS } from "../../src/config/schema.ts";
import { PLAIN_BACKOFF } from "../../src/queue/index.ts";

const CONFIG_FOLDER = new URL("../../../../config/", import.meta.url);

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tq-config-"));
  file = join(folder, "config.yaml");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function load(yaml: string, env: Record<string, string> = {}, argv: string[] = []): Config {
  writeFileSync(file, yaml);
  return loadConfig({ argv: ["--config", file, ...argv], env });
}

/** The message of the refusal, with the file's folder left out. */
function refusal(yaml: string, env: Record<string, string> = {}, argv: string[] = []): string {
  try {
    load(yaml, env, argv);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).exitStatus).toBe(78);
    return (error as Error).message.replaceAll(`${folder}/`, "");
  }
  throw new Error("it was accepted");
}

describe("without any source", () => {
  test("a single node that keeps its data in ./data", () => {
    expect(loadConfig({ argv: [], env: {} })).toEqual({
      file: undefined,
      acceptRestoredData: false,
      audit: { file: resolve("data/audit.log"), keep: 10, maxBytes: 64 * 1024 ** 2 },
      checkOnly: false,
      broker: {
        host: "127.0.0.1",
        port: 6379,
        advertise: "127.0.0.1:6379",
        maxConnections: 1000,
        maxConnectionsPerAddress: 750,
        queueDepthThreshold: 100_000,
        maxPayloadBytes: 1024 ** 2,
      },
      persistence: {
        dataDir: resolve("data"),
        walSyncIntervalMs: 0,
        writeBufferBytes: 32 * 1024 ** 2,
        minFreeDiskBytes: 512 * 1024 ** 2,
        finishedRetentionMs: 7 * 24 * 60 * 60 * 1000,
      },
      raft: {
        enabled: false,
        nodeId: hostname(),
        peers: [],
        port: 16379,
        heartbeatIntervalMs: 100,
        electionTimeoutMs: 1000,
        snapshotEntries: 10_000,
        priority: 0,
      },
      api: {
        host: "127.0.0.1",
        restPort: 8080,
        proxyProtocolFrom: [],
        allowedHosts: ["localhost", hostname(), "127.0.0.1"],
        grpcPort: 9090,
      },
      auth: { enabled: false, keys: [], signing: { required: false, windowMs: 300_000 } },
      isOpenToOthers: false,
      monitoring: {
        host: "127.0.0.1",
        prometheusPort: 9091,
        logLevel: "info",
        logFile: undefined,
        requireAuth: false,
      },
      worker: { heartbeatIntervalMs: 10_000, leaseTimeoutMs: 30_000 },
      retry: {
        ...PLAIN_BACKOFF,
        maxRetries: 3,
        initialDelayMs: 5000,
        multiplier: 2,
        maxDelayMs: 3_600_000,
        jitter: 0.1,
      },
      retryOfTypes: new Map(),
      notices: [],
      said: new Map(),
    });
  });
});

describe("files", () => {
  test("the deployment guide's file, as it stands", () => {
    const config = load(`broker:
  host: 0.0.0.0
  port: 6379
  max_connections: 1000
  queue_depth_threshold: 100000

persistence:
  data_dir: /var/lib/task-queue
  wal_sync_interval_ms: 100
  completed_task_retention_days: 7

raft:
  enabled: false  # Single node

api:
  rest_port: 8080
  grpc_port: 9090
  enable_tls: false

auth:
  enabled: false  # Enable for production

monitoring:
  prometheus_port: 9091
  log_level: info

worker:
  concurrency: 4
  heartbeat_interval_secs: 15
  lease_timeout_secs: 30
`);
    expect(config).toMatchObject({
      file,
      broker: { host: "0.0.0.0", port: 6379, advertise: `${hostname()}:6379` },
      persistence: { dataDir: "/var/lib/task-queue", walSyncIntervalMs: 100 },
      raft: { enabled: false },
      api: { host: "0.0.0.0", restPort: 8080, grpcPort: 9090 },
    });
    const without = config.notices.filter((notice) => notice.level === "info");
    expect(without.map((notice) => notice.text.replace(`${folder}/`, ""))).toEqual([
      "config.yaml:28: worker.concurrency has no effect: " +
        "it is a setting of tq-worker, which reads it here with its own --config",
    ]);
    const warnings = config.notices.filter((notice) => notice.level === "warn");
    expect(warnings.map(({ text }) => text)).toEqual([
      "the worker port, REST and gRPC, metrics can be reached on 0.0.0.0 " +
        "without API keys and TLS: let only trusted machines reach them",
    ]);
    expect(config.isOpenToOthers).toBe(true);
  });

  test("the guide's cluster node and its tuning of storage", () => {
    const config = load(`broker:
  host: 10.0.1.10
  port: 6379
raft:
  enabled: true
  node_id: node1
  peers:
    - 10.0.1.11:6379
    - 10.0.1.12:6379
persistence:
  # Increase write buffer for higher throughput
  write_buffer_size: 128MB
  max_write_buffer_number: 4
  wal_sync_interval_ms: 1000
`);
    expect(config.raft).toMatchObject({
      enabled: true,
      nodeId: "node1",
      peers: ["10.0.1.11:6379", "10.0.1.12:6379"],
      port: 16379,
    });
    expect(config.persistence).toMatchObject({
      writeBufferBytes: 128 * 1024 ** 2,
      // A cluster does more than it is asked for, and says so.
      walSyncIntervalMs: 0,
    });
    expect(config.notices).toContainEqual({
      level: "info",
      text:
        "persistence.wal_sync_interval_ms is for single nodes in this version: " +
        "a cluster always syncs before it answers",
    });
  });

  test("a worker is asked to beat three times in a lease, however short that is", () => {
    const beat = (yaml: string) => load(`worker:\n${yaml}`).worker.heartbeatIntervalMs;
    expect(beat("  lease_timeout_secs: 10\n")).toBe(3333);
    expect(beat("  lease_timeout_secs: 10\n  heartbeat_interval_secs: 2\n")).toBe(2000);
    expect(beat("  lease_timeout_secs: 300\n")).toBe(15_000);
  });

  test("empty files, empty sections and empty lists say nothing", () => {
    for (const yaml of ["", "# nothing\n", "broker:\n  # port: 1\nraft:\n  peers:\n"]) {
      expect(load(yaml).broker.port).toBe(6379);
    }
  });

  test("IPv6 addresses are bracketed where a port follows", () => {
    const config = load('broker:\n  host: "::1"\n');
    expect([config.broker.host, config.broker.advertise]).toEqual(["::1", "[::1]:6379"]);
    expect(config.notices).toEqual([]);
  });

  test.each([
    ["node-a", "node-a:6379"],
    ["node-a:7000", "node-a:7000"],
  ])("advertise %s is %s", (said, advertised) => {
    expect(load(`broker:\n  advertise: ${said}\n`).broker.advertise).toBe(advertised);
  });
});

describe("what is wrong with a file is told with file, line, key and what is allowed", () => {
  const host =
    "host, port, advertise, max_connections, max_connections_per_address, queue_depth_threshold, " +
    "max_payload_bytes";
  test.each([
    [
      "broker:\n  prot: 6380\n",
      `config.yaml:2: broker.prot: there is no such key; keys of broker are ${host}. ` +
        'Did you mean "broker.port"?',
    ],
    [
      "\nbrokr:\n  port: 1\n",
      'config.yaml:3: brokr.port: there is no section "brokr"; sections are broker, persistence, ' +
        'raft, api, auth, security, monitoring, worker, retry, backup, audit. Did you mean "broker.port"?',
    ],
    [
      "broker:\n  port: abc\n",
      'config.yaml:2: broker.port: "abc" is not allowed; allowed is a whole number from 0 to 65535',
    ],
    [
      "broker:\n  port: 65536\n",
      "config.yaml:2: broker.port: 65536 is not allowed; allowed is a whole number from 0 to 65535",
    ],
    [
      "broker:\n  port:\n",
      "config.yaml:2: broker.port: null is not allowed; allowed is a whole number from 0 to 65535",
    ],
    [
      "broker:\n  host: http://x\n",
      'config.yaml:2: broker.host: "http://x" is not allowed; allowed is a host name or IP address',
    ],
    [
      "retry:\n  initial_delay: 5\n",
      "config.yaml:2: retry.initial_delay: 5 is not allowed; " +
        "allowed is a duration such as 500ms, 30s, 1m30s, from 0ms to 365d",
    ],
    [
      "retry:\n  jitter: 150%\n",
      'config.yaml:2: retry.jitter: "150%" is not allowed; ' +
        "allowed is a share such as 10% or 0.1, from 0 to 100%",
    ],
    [
      "persistence:\n  write_buffer_size: 12 parsecs\n",
      'config.yaml:2: persistence.write_buffer_size: "12 parsecs" is not allowed; ' +
        "allowed is a size such as 64KB or 128MB, from 1MB to 1GB",
    ],
    [
      "raft:\n  enabled: yes\n",
      'config.yaml:2: raft.enabled: "yes" is not allowed; allowed is true or false',
    ],
    [
      "monitoring:\n  log_level: loud\n",
      'config.yaml:2: monitoring.log_level: "loud" is not allowed; ' +
        "allowed is trace, debug, info, warn, error, fatal",
    ],
    [
      "raft:\n  peers: [{host: a}]\n",
      'config.yaml:2: raft.peers: [{"host":"a"}] is not allowed; ' +
        "allowed is a list of addresses (HOST:PORT or ID@HOST:PORT/BUSPORT)",
    ],
    ...["brokr:\n", "brokr: {}\n", "brokr: 1\n"].map((yaml) => [
      yaml,
      'config.yaml:1: brokr: there is no section "brokr"; sections are broker, persistence, ' +
        "raft, api, auth, security, monitoring, worker, retry, backup, audit.",
    ]),
    ["broker: 6379\n", 'config.yaml:1: broker: keys are expected below "broker:"'],
    ["- a\n", 'config.yaml:1: sections are expected, such as "broker:"'],
    [
      "broker:\n  port: 1\n  port: 2\n",
      "config.yaml:3: not YAML, at column 3: Map keys must be unique",
    ],
    [
      "api:\n  enable_tls: true\n",
      "config.yaml:2: api.enable_tls: it needs api.tls_cert_path; " +
        "set it to the path of a PEM file",
    ],
    [
      "monitoring:\n  enable_tls: true\napi:\n  tls_cert_path: a.crt\n",
      "config.yaml:2: monitoring.enable_tls: it needs api.tls_key_path; " +
        "set it to the path of a PEM file",
    ],
    [
      "raft:\n  tls_cert_path: a.crt\n  tls_key_path: a.key\n",
      "config.yaml:2: raft.tls_cert_path: TLS between brokers needs raft.tls_ca_path too",
    ],
    [
      "raft:\n  tls_server_name: tq\n",
      "config.yaml:2: raft.tls_server_name: TLS between brokers needs raft.tls_cert_path too",
    ],
    [
      "broker:\n  port: 55536\n",
      "config.yaml:2: broker.port: the bus would be on port 65536; " +
        "set raft.port, or a port up to 55535",
    ],
    ["api:\n  rest_port: 6379\n", "config.yaml:2: api.rest_port: port 6379 is also broker.port"],
    ["api:\n  grpc_port: 8080\n", "config.yaml:2: api.grpc_port: port 8080 is also api.rest_port"],
    ["raft:\n  port: 8080\n", "config.yaml:2: raft.port: port 8080 is also api.rest_port"],
    [
      "api:\n  rest_port: 16379\nraft:\n  enabled: true\n",
      "raft.port: port 16379 is also api.rest_port",
    ],
    [
      "raft:\n  heartbeat_interval_ms: 300\n",
      "raft.election_timeout_ms: 1000 is less than 1500, 5 times raft.heartbeat_interval_ms",
    ],
    [
      "raft:\n  enabled: false\n  peers: [b:1]\n",
      "config.yaml:3: raft.peers: peers are given, but raft.enabled is false; " +
        "set it to true, or remove the peers",
    ],
    ["raft:\n  peers: [b:1, c:1, b:1]\n", 'config.yaml:2: raft.peers: "b:1" stands there twice'],
    [
      "broker:\n  host: 0.0.0.0\nraft:\n  enabled: true\n",
      "config.yaml:2: broker.host: peers cannot dial 0.0.0.0; " +
        "set broker.advertise to this node's address",
    ],
    [
      "broker:\n  port: 0\nraft:\n  enabled: true\n",
      "config.yaml:2: broker.port: 0 takes a free port, which peers could not know",
    ],
    [
      "worker:\n  concurrency: 4\n  pool_size: 5\n",
      "config.yaml:3: worker.pool_size: a synonym of worker.concurrency, which says 4; " +
        "keep one of the two",
    ],
  ])("%j", (yaml, message) => {
    expect(refusal(yaml)).toBe(message);
  });

  test("all problems at once, a line each", () => {
    const lines = refusal("broker:\n  port: x\n  hots: y\n", { TQ_API__REST_PORT: "z" }, [
      "--log-level",
      "loud",
    ]).split("\n");
    expect(lines.map((line) => line.split(": ").slice(0, 2).join(": "))).toEqual([
      "config.yaml:2: broker.port",
      "config.yaml:3: broker.hots",
      "environment TQ_API__REST_PORT: api.rest_port",
      "flag --log-level: monitoring.log_level",
    ]);
  });

  test("a file that is not there", () => {
    expect(() => loadConfig({ argv: ["--config", "/nowhere.yaml"], env: {} })).toThrow(
      /^\/nowhere\.yaml: the file cannot be read: ENOENT/,
    );
  });
});

describe("environment", () => {
  test("TQ_ and the key; lists with commas; empty is not set", () => {
    const config = load("broker:\n  port: 1000\n", {
      TQ_BROKER__PORT: "6380",
      TQ_RAFT__PEERS: "a:1, b:2",
      TQ_RAFT__NODE_ID: "n9",
      TQ_API__REST_PORT: "",
      TQ_API_KEY: "not a setting",
      PATH: "/bin",
    });
    expect(config.broker.port).toBe(6380);
    expect(config.raft).toMatchObject({ enabled: true, peers: ["a:1", "b:2"], nodeId: "n9" });
    expect(config.api.restPort).toBe(8080);
  });

  test("retry policies of types, in YAML and as JSON", () => {
    const yaml = `retry:
  types:
    mail: { max_retries: 7, delays: [1s, 1m30s], jitter: full }
    report: { backoff: linear, initial_delay: 2s, max_delay: 1h, backoff_multiplier: 3 }`;
    expect(load(yaml).retryOfTypes).toEqual(
      new Map([
        ["mail", { maxRetries: 7, backoff: "list", delaysMs: [1000, 90_000], jitterKind: "full" }],
        [
          "report",
          { backoff: "linear", initialDelayMs: 2000, maxDelayMs: 3_600_000, multiplier: 3 },
        ],
      ]),
    );
    const json = '{"a": {"jitter": "none"}, "b": {"jitter": "25%", "backoff": "fixed"}}';
    expect(load(yaml, { TQ_RETRY__TYPES: json }).retryOfTypes).toEqual(
      new Map([
        ["a", { jitter: 0 }],
        ["b", { jitter: 0.25, backoff: "fixed" }],
      ]),
    );
  });

  test.each([
    ["[]", "a map from type names to policies"],
    ["{ 'a b': {} }", '"a b" is not the name of a type'],
    ["{ a: 5 }", "a map from type names to policies"],
    ["{ a: { retries: 5 } }", "for a: max_retries, backoff, initial_delay"],
    ["{ a: { backoff: list } }", "for a: delays with backoff list, and only with that"],
    ["{ a: { backoff: fixed, delays: [1s] } }", "for a: delays with backoff list"],
    ["{ a: { delays: [] } }", "for delays of a: 1 to 100 durations"],
    ["{ a: { delays: [soon] } }", "for delays of a: 1 to 100 durations"],
    ["{ a: { max_retries: 1001 } }", "for max_retries of a: a whole number from 0 to 1000"],
  ])("a policy of types that is not one: %s", (types, allowed) => {
    expect(refusal(`retry:\n  types: ${types}\n`)).toContain(allowed);
  });

  test("the names of other guides, whose bare numbers are seconds", () => {
    const config = load("retry:\n  max_delay: 2h\n", {
      MAX_RETRIES: "5",
      INITIAL_RETRY_DELAY: "7",
      RETRY_BACKOFF_MULTIPLIER: "1.5",
      MAX_RETRY_DELAY: "3600",
      TQ_LOG: "DEBUG",
      TQ_RETRY__MAX_RETRIES: "6",
    });
    expect(config.retry).toMatchObject({
      ...PLAIN_BACKOFF,
      maxRetries: 6,
      initialDelayMs: 7000,
      multiplier: 1.5,
      maxDelayMs: 3_600_000,
    });
    expect(config.monitoring.logLevel).toBe("debug");
  });

  test.each([
    [{ TQ_BROKER__PROT: "1" }, "environment TQ_BROKER__PROT: broker.prot: there is no such key"],
    [{ TQ_FOO__BAR: "1" }, 'environment TQ_FOO__BAR: foo.bar: there is no section "foo"'],
    [
      { TQ_RETRY__TYPES: '{"a":{"jitter":"half"}}' },
      'environment TQ_RETRY__TYPES: retry.types: "{\\"a\\":{\\"jitter\\":\\"half\\"}}" is not ' +
        "allowed; allowed is for jitter of a: a share such as 10% or 0.1, from 0 to 100%, none, " +
        "full or equal",
    ],
    [{ MAX_RETRIES: "many" }, 'environment MAX_RETRIES: retry.max_retries: "many" is not allowed'],
  ])("%j is refused", (env, message) => {
    expect(refusal("", env as Record<string, string>)).toContain(message);
  });
});

describe("flags", () => {
  test("win over the environment, which wins over the file", () => {
    const yaml = "broker:\n  port: 1000\napi:\n  rest_port: 1001\nmonitoring:\n  log_level: warn\n";
    const env = { TQ_BROKER__PORT: "2000", TQ_API__REST_PORT: "2001" };
    const config = load(yaml, env, ["--broker-addr", "[::1]:3000"]);
    expect(config.broker).toMatchObject({ host: "::1", port: 3000 });
    expect([config.api.restPort, config.monitoring.logLevel]).toEqual([2001, "warn"]);
    expect(describeConfig(config).map((line) => line.replace(`${folder}/`, ""))).toEqual([
      "broker.port = 3000 (flag --broker-addr)",
      "api.rest_port = 2001 (environment TQ_API__REST_PORT)",
      "monitoring.log_level = warn (config.yaml:6)",
      "broker.host = ::1 (flag --broker-addr)",
    ]);
  });

  test("all of them", () => {
    const argv = ["--node-id=n2", "--peer", "a:1", "--peer", "b:2", "--data-dir", "/d"];
    const config = loadConfig({
      argv: [...argv, "--rest-port", "81", "--log-level=error"],
      env: {},
    });
    expect(config).toMatchObject({
      persistence: { dataDir: "/d" },
      raft: { enabled: true, nodeId: "n2", peers: ["a:1", "b:2"] },
      api: { restPort: 81 },
      monitoring: { logLevel: "error" },
    });
  });

  test.each([
    [["--pear", "a:1"], 'there is no flag --pear. Did you mean "peer"?'],
    [["--gprc-port", "1"], 'there is no flag --gprc-port. Did you mean "grpc-port"?'],
    [["start"], "Unknown argument: start"],
    [["--node-id"], "Not enough arguments following: node-id"],
    [["--node-id", "a", "--node-id", "b"], "--node-id is given more than once"],
    [["--broker-addr", "6379"], '--broker-addr: "6379" is not HOST:PORT, such as 127.0.0.1:6379'],
    [["--broker-addr", "a:99999"], '--broker-addr: "a:99999" is not HOST:PORT'],
  ])("%j is refused", (argv, message) => {
    try {
      loadConfig({ argv, env: {} });
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      expect((error as UsageError).exitStatus).toBe(64);
      expect((error as Error).message).toContain(message);
      return;
    }
    throw new Error("it was accepted");
  });

  test("a value may look like a flag's name", () => {
    const config = loadConfig({ argv: ["--data-dir", "./--x"], env: {} });
    expect(config.persistence.dataDir).toBe(resolve("--x"));
  });
});

describe("a member of a cluster", () => {
  test("may name no peers: it may know them already", () => {
    const { raft } = load("raft:\n  enabled: true\n");
    expect([raft.enabled, raft.peers]).toEqual([true, []]);
  });

  test("keeps as much log, and is wanted as leader as much, as it is told", () => {
    const { raft } = load("raft:\n  snapshot_entries: 100\n  priority: 7\n");
    expect([raft.snapshotEntries, raft.priority]).toEqual([100, 7]);
    expect(refusal("raft:\n  snapshot_entries: 99\n  priority: 101\n")).toBe(
      "config.yaml:2: raft.snapshot_entries: 99 is not allowed; allowed is a whole number from " +
        "100 to 100000000\n" +
        "config.yaml:3: raft.priority: 101 is not allowed; allowed is a whole number from 0 to 100",
    );
  });
});

describe("the port of metrics", () => {
  test("is that of no other listener when it was said", () => {
    const clash = "api:\n  rest_port: 9000\nmonitoring:\n  prometheus_port: 9000\n";
    expect(refusal(clash)).toContain("monitoring.prometheus_port: port 9000 is also api.rest_port");
  });

  test("on an address that others reach is warned of like any other door", () => {
    const { monitoring, notices } = load("monitoring:\n  host: 0.0.0.0\n");
    expect(monitoring.host).toBe("0.0.0.0");
    expect(notices.map(({ level }) => level)).toEqual(["warn"]);
  });
});

describe("the files that come with the broker", () => {
  test("reference.yaml has every key, and says what the defaults are", async () => {
    await expect(referenceFile()).toMatchFileSnapshot(
      new URL("reference.yaml", CONFIG_FOLDER).pathname,
    );
    const config = load(referenceFile());
    const { notices, said, file: _file, ...values } = config;
    const plain = loadConfig({ argv: [], env: {} });
    const { notices: _n, said: _s, file: _f, ...defaults } = plain;
    expect(values).toEqual(defaults);
    const derived = [...KEYS].filter(([, key]) => key.default === undefined).length;
    expect(said.size).toBe(KEYS.size - derived);
    expect(notices.every((notice) => notice.level === "info")).toBe(true);
  });

  test.each(["single-node", "node1", "node2", "node3"])("%s.yaml starts a broker", (name) => {
    const path = new URL(`${name}.yaml`, CONFIG_FOLDER).pathname;
    const config = loadConfig({ argv: ["--config", path], env: {} });
    expect(config.notices).toEqual([]);
    expect(config.raft.enabled).toBe(name !== "single-node");
  });

  test("tls.yaml names all files, and says what is left open", () => {
    const path = new URL("tls.yaml", CONFIG_FOLDER).pathname;
    const { api, monitoring, raft } = loadConfig({ argv: ["--config", path], env: {} });
    const cert = "/etc/task-queue/tls/server.crt";
    const key = "/etc/task-queue/tls/server.key";
    expect(api.tls).toEqual({ section: "api", cert, key, ca: undefined });
    expect(monitoring.tls).toEqual(api.tls);
    expect(raft.tls).toMatchObject({ section: "raft", ca: "/etc/task-queue/tls/bus-ca.crt" });
  });

  test("the three nodes name each other and share no port", () => {
    const nodes = ["node1", "node2", "node3"].map((name) => {
      const path = new URL(`${name}.yaml`, CONFIG_FOLDER).pathname;
      expect(readFileSync(path, "utf8")).toContain(`node_id: ${name}`);
      return loadConfig({ argv: ["--config", path], env: {} });
    });
    for (const node of nodes) {
      const others = nodes.filter((other) => other !== node);
      expect(node.raft.peers).toEqual(others.map((other) => other.broker.advertise));
    }
    const ports = nodes.flatMap(({ broker, api, raft }) => [
      broker.port,
      api.restPort,
      api.grpcPort,
      raft.port,
    ]);
    expect(new Set(ports).size).toBe(12);
  });
});
