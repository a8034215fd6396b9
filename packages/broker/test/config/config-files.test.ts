/** What is made from the table of settings: the schema and the page; and the guides' own blocks. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { configPage } from "../../src/config/config-page.ts";
import { referenceFile } from "../../src/config/describe-config.ts";
import { configSchema } from "../../src/config/json-schema.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { KEYS } from "../../src/config/schema.ts";

const ROOT = new URL("../../../../", import.meta.url);
const EXAMPLES = ["single-node", "node1", "node2", "node3"];

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tq-config-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

function load(yaml: string, env: Record<string, string> = {}) {
  const file = join(folder, "config.yaml");
  writeFileSync(file, yaml);
  return loadConfig({ argv: ["--config", file], env });
}

test("schema.json and the page of settings are those of the table", async () => {
  const schema = `${JSON.stringify(configSchema(), undefined, 2)}\n`;
  await expect(schema).toMatchFileSnapshot(new URL("config/schema.json", ROOT).pathname);
  await expect(configPage()).toMatchFileSnapshot(new URL("docs/configuration.md", ROOT).pathname);
});

test("every amount says what goes wrong at both ends", () => {
  const silent = [...KEYS]
    .filter(([key, { kind, without }]) => {
      const isAmount = / from \S+ to \S+$/.test(kind.allowed) && !key.endsWith("port");
      return isAmount && without === undefined;
    })
    .filter(([, { doc }]) => !/Too low/.test(doc) || !/Too high/.test(doc));
  expect(silent.map(([key]) => key)).toEqual([]);
});

describe("the schema", () => {
  const validate = new Ajv2020({ allowUnionTypes: true }).compile(configSchema());

  test("takes the files that come with the broker", () => {
    const files = EXAMPLES.map((name) =>
      readFileSync(new URL(`config/${name}.yaml`, ROOT), "utf8"),
    );
    for (const yaml of [referenceFile(), "broker:\n", ...files]) {
      expect([validate(parse(yaml)), validate.errors]).toEqual([true, null]);
    }
  });

  test("takes every default as it is written in a file", () => {
    for (const [key, { kind, default: fallback }] of KEYS) {
      if (fallback === undefined || kind.schema === undefined) continue;
      const [section = "", name = ""] = key.split(".");
      const value = parse(kind.format(fallback));
      expect([key, validate({ [section]: { [name]: value } })]).toEqual([key, true]);
    }
  });

  test.each([
    ["broker: { prot: 1 }"],
    ["brokr: {}"],
    ["broker: { port: 65536 }"],
    ["broker: { port: 1.5 }"],
    ["broker: { host: 'http://x' }"],
    ["persistence: { min_free_disk: lots }"],
    ["persistence: { wal_sync_interval_ms: 60001 }"],
    ["raft: { enabled: maybe }"],
    ["raft: { peers: [1] }"],
    ["monitoring: { log_level: loud }"],
    ["retry: { initial_delay: 5 }"],
    ["retry: { jitter: 2 }"],
    ["worker: { lease_timeout_secs: 0 }"],
  ])("refuses what the broker refuses: %s", (yaml) => {
    expect(validate(parse(yaml))).toBe(false);
    expect(() => load(yaml)).toThrow();
  });
});

describe("blocks of the guides, as they stand", () => {
  test.each([1, 2, 3])("node %i of the cluster", (node) => {
    const others = [10, 11, 12].filter((last) => last !== 9 + node);
    const config = load(`broker:
  host: 10.0.1.${9 + node}
  port: 6379

persistence:
  data_dir: /var/lib/task-queue/node${node}

raft:
  enabled: true
  node_id: node${node}
  peers:
    - 10.0.1.${others[0]}:6379
    - 10.0.1.${others[1]}:6379
`);
    expect(config.raft).toMatchObject({ enabled: true, nodeId: `node${node}`, port: 16379 });
    expect(config.broker.advertise).toBe(`10.0.1.${9 + node}:6379`);
  });

  test("logs that show everything", () => {
    expect(load("monitoring:\n  log_level: debug\n").monitoring.logLevel).toBe("debug");
  });

  test("storage", () => {
    const { persistence } = load(`persistence:
  # Increase write buffer for higher throughput
  write_buffer_size: 128MB
  
  # More write buffers
  max_write_buffer_number: 4
  
  # Sync WAL less frequently (lower durability)
  wal_sync_interval_ms: 1000
`);
    expect(persistence).toMatchObject({ writeBufferBytes: 128 * 2 ** 20, walSyncIntervalMs: 1000 });
  });

  test("variables of retries", () => {
    const env = {
      MAX_RETRIES: "3",
      INITIAL_RETRY_DELAY: "5",
      RETRY_BACKOFF_MULTIPLIER: "2.0",
      MAX_RETRY_DELAY: "3600",
      JAEGER_HOST: "localhost",
      JAEGER_PORT: "6831",
      REDIS_ADDR: "localhost:6379",
      WORKER_COUNT: "32",
      CIRCUIT_BREAKER__COOLDOWN_PERIOD: "45s",
    };
    const config = load("", env);
    expect(config.retry).toMatchObject({
      maxRetries: 3,
      initialDelayMs: 5_000,
      multiplier: 2,
      maxDelayMs: 3_600_000,
    });
    expect([...config.said.keys()]).toContain("worker.concurrency");
  });

  test("what another queue needs and this one does not is refused with what serves instead", () => {
    const block = `worker:
  pool_size: 20              # 2x CPU cores
  prefetch: 10               # Batch job fetching
  connection_pool: 50        # Redis connections

execution:
  timeout: 5m                # Reasonable timeout
  concurrent_requests: 100   # Per worker limit
`;
    let message = "";
    try {
      load(block);
    } catch (error) {
      message = (error as Error).message.replaceAll(`${folder}/`, "");
    }
    const refusal = "there is no such key here";
    expect(message.split("\n")).toEqual([
      `config.yaml:4: worker.connection_pool: ${refusal}; a worker needs one connection; more workers are more processes`,
      `config.yaml:7: execution.timeout: ${refusal}; the longest run is timeout_ms of a task`,
      `config.yaml:8: execution.concurrent_requests: ${refusal}; tasks at a time are worker.concurrency`,
    ]);
    expect(load(block.slice(0, block.indexOf("  connection"))).notices).toHaveLength(2);
  });
});
