/** What Prometheus reads of a broker, and the port where it reads it. */
import { createServer } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { LeadershipWatch } from "../../src/observe/leadership-watch.ts";
import { createMetrics, type MetricsOptions } from "../../src/observe/metrics.ts";
import { startMetricsServer } from "../../src/observe/metrics-server.ts";
import { submitTask } from "../../src/operations/submit.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { Harness, SETTINGS } from "../rest/harness.ts";
import { readExposition } from "./exposition.ts";
import { configFaultsByPromtool, faultsByPromtool } from "./promtool.ts";

const NO_SNAPSHOTS = { sent: 0, received: 0, receivedBytes: 0, lastDurationMs: undefined };

function metricsOf(broker: FakeBroker, options: Partial<MetricsOptions> = {}) {
  const metrics = createMetrics({
    status: () => broker.status(),
    broker,
    snapshots: () => NO_SNAPSHOTS,
    divergences: () => 0,
    version: "9.9.9",
    ...options,
  });
  onTestFinished(() => metrics.close());
  return metrics;
}

/** Every sample of our own by its name with labels. */
async function scrape(metrics: { render(): Promise<string> }): Promise<Record<string, number>> {
  const families = readExposition(await metrics.render());
  const samples = [...families.values()].flatMap((family) => [...family.samples]);
  return Object.fromEntries(samples.filter(([name]) => name.startsWith("tq_")));
}

const queueSamples = (samples: Record<string, number>) =>
  Object.entries(samples).filter(([name]) => name.startsWith("tq_queue_depth"));

/** As the deployment guide has it. */
const SCRAPE_CONFIGS = `scrape_configs:
  - job_name: 'task-queue'
    static_configs:
      - targets:
        - '10.0.1.10:9091'
        - '10.0.1.11:9091'
        - '10.0.1.12:9091'
`;
/** What docs/operations.md adds for a cluster with TLS and keys. */
const WITH_TLS = `    scheme: https
    tls_config: { ca_file: tls/ca.crt }
    authorization: { credentials_file: keys/prometheus.key }
`;

test("Prometheus takes the guide's scrape_configs, and what TLS and keys add to them", () => {
  expect(configFaultsByPromtool(SCRAPE_CONFIGS)).toBeUndefined();
  expect(configFaultsByPromtool(SCRAPE_CONFIGS + WITH_TLS)).toBeUndefined();
});

describe("the figures", () => {
  test("of a leader", async () => {
    const broker = new FakeBroker();
    for (let i = 0; i < 3; i++) await submitTask(broker, { type: "mail" }, SETTINGS);
    broker.lease("mail");
    broker.now += 60_000;
    const follower = { id: "n2", address: "b:1", role: "follower", healthy: true } as const;
    broker.state = {
      members: [{ ...follower, matchIndex: 3, lag: 4, version: "", supports: undefined }],
    };
    const snapshots = { sent: 2, received: 1, receivedBytes: 5_000, lastDurationMs: 1_500 };
    const metrics = metricsOf(broker, {
      snapshots: () => snapshots,
      divergences: () => 1,
      logEntries: () => 77,
    });
    const text = await metrics.render();
    expect(faultsByPromtool(text)).toBeUndefined();
    expect(await scrape(metrics)).toEqual({
      [`tq_build_info{version="9.9.9",node_version="${process.version}"}`]: 1,
      tq_insecure_listener: 0,
      'tq_raft_role{role="leader"}': 1,
      'tq_raft_role{role="follower"}': 0,
      'tq_raft_role{role="candidate"}': 0,
      'tq_raft_role{role="learner"}': 0,
      tq_raft_is_leader: 1,
      tq_raft_term: 3,
      tq_raft_commit_index: 5,
      tq_raft_applied_index: 5,
      tq_raft_leader_changes_total: 0,
      tq_raft_elections_total: 0,
      tq_raft_log_entries: 77,
      tq_snapshot_sent_total: 2,
      tq_snapshot_received_total: 1,
      tq_snapshot_received_bytes_total: 5_000,
      tq_snapshot_last_duration_seconds: 1.5,
      tq_state_divergence_total: 1,
      tq_cluster_tasks_entered_total: 3,
      tq_cluster_tasks_ended_total: 0,
      tq_cluster_runs_total: 1,
      'tq_raft_member_lag{member="n2"}': 4,
      tq_tasks_pending: 2,
      tq_retry_tasks: 0,
      tq_tasks_in_dlq: 0,
      tq_workers_connected: 1,
      tq_worker_active: 1,
      tq_active_workers: 1,
      'tq_queue_depth{queue="default"}': 3,
      'tq_queue_oldest_pending_age_seconds{queue="default"}': 60,
      'tq_pending_tasks{priority="low"}': 0,
      'tq_pending_tasks{priority="normal"}': 2,
      'tq_pending_tasks{priority="high"}': 0,
      'tq_pending_tasks{priority="critical"}': 0,
      'tq_tasks_total{status="submitted"}': 3,
      'tq_tasks_total{status="started"}': 1,
      'tq_tasks_total{status="completed"}': 0,
      'tq_tasks_total{status="failed"}': 0,
      'tq_tasks_total{status="dead"}': 0,
      'tq_tasks_total{status="cancelled"}': 0,
      'tq_tasks_total{status="expired"}': 0,
      tq_leases_lapsed_total: 0,
      'tq_task_submissions_total{priority="normal",type="mail"}': 3,
    });
  });

  test("of the worker port", async () => {
    const workerPort = { connections: 3, refusals: { full: 1, address: 2 } };
    const metrics = metricsOf(new FakeBroker(), { workerPort });
    expect(await scrape(metrics)).toMatchObject({
      tq_broker_connections: 3,
      'tq_broker_connections_refused_total{reason="full"}': 1,
      'tq_broker_connections_refused_total{reason="address"}': 2,
    });
    expect(faultsByPromtool(await metrics.render())).toBeUndefined();
  });

  test("of the disk are there once they are known", async () => {
    const seen: { freeBytes: number; totalBytes: number }[] = [];
    const metrics = metricsOf(new FakeBroker(), { diskSpace: () => seen[0] });
    expect(Object.keys(await scrape(metrics)).filter((name) => /disk/.test(name))).toEqual([]);
    seen.push({ freeBytes: 3_000_000_000, totalBytes: 9_000_000_000 });
    const expected = { tq_disk_free_bytes: 3_000_000_000, tq_disk_total_bytes: 9_000_000_000 };
    expect(await scrape(metrics)).toMatchObject(expected);
    expect(faultsByPromtool(await metrics.render())).toBeUndefined();
    seen[0] = { freeBytes: 1, totalBytes: 9_000_000_000 };
    expect(await scrape(metrics)).toMatchObject({ tq_disk_free_bytes: 1 });
  });

  test("of the process are there too", async () => {
    const families = readExposition(await metricsOf(new FakeBroker()).render());
    for (const name of ["process_resident_memory_bytes", "nodejs_eventloop_lag_seconds"]) {
      expect(families.get(name)?.samples.get(name)).toBeGreaterThanOrEqual(0);
    }
  });

  test("of the cluster come from the leader alone, whoever it is by now", async () => {
    const broker = new FakeBroker();
    await submitTask(broker, { type: "mail" }, SETTINGS);
    const metrics = metricsOf(broker);
    const ofCluster = async () =>
      Object.keys(await scrape(metrics)).filter((name) => {
        return /^tq_(task|workers|queue|raft_member|active|pending|retry|leases)/.test(name);
      });
    const ofLeader = await ofCluster();
    expect(ofLeader).toHaveLength(21);
    broker.state = { role: "follower", leader: { id: "n2", address: "b:1" } };
    expect(await ofCluster()).toEqual([]);
    broker.state = {};
    expect(await ofCluster()).toEqual(ofLeader);
  });

  test("a learner is one, and a member that has left has no lag", async () => {
    const broker = new FakeBroker();
    const metrics = metricsOf(broker);
    expect(await scrape(metrics)).toHaveProperty(['tq_raft_member_lag{member="n1"}'], 0);
    broker.state = { members: [] };
    expect(Object.keys(await scrape(metrics)).join()).not.toContain("member_lag");
    const [own] = new FakeBroker().status().members;
    broker.state = { role: "follower", members: [{ ...own!, role: "learner" }] };
    expect(await scrape(metrics)).toMatchObject({
      'tq_raft_role{role="learner"}': 1,
      'tq_raft_role{role="follower"}': 0,
    });
  });

  test("of very many queues: the deepest by name, the others as one", async () => {
    const broker = new FakeBroker();
    for (let queue = 0; queue < 130; queue++) {
      const tasks = queue < 100 ? 2 : 1;
      for (let i = 0; i < tasks; i++) {
        await submitTask(broker, { type: "t", queue: `q${queue}` }, SETTINGS);
      }
    }
    const depths = queueSamples(await scrape(metricsOf(broker)));
    expect(depths).toHaveLength(101);
    expect(depths.filter(([, depth]) => depth === 2)).toHaveLength(100);
    expect(depths).toContainEqual(['tq_queue_depth{queue="(other)"}', 30]);
  });

  test("two brokers of one process do not share a figure", async () => {
    const [one, two] = [new FakeBroker(), new FakeBroker()];
    two.state = { term: 8 };
    const [first, second] = [metricsOf(one), metricsOf(two)];
    expect(await scrape(first)).toMatchObject({ tq_raft_term: 3 });
    expect(await scrape(second)).toMatchObject({ tq_raft_term: 8 });
  });
});

describe("elections", () => {
  const look = (term: number, id?: string) => {
    return { term, leader: id === undefined ? undefined : { id, address: "" } };
  };

  test("terms and leaders are counted from look to look", () => {
    const watch = new LeadershipWatch(look(3));
    const seen = () => [watch.elections, watch.changes];
    watch.see(look(3));
    watch.see(look(3, "n1"));
    expect(seen()).toEqual([0, 0]);
    watch.see(look(4));
    watch.see(look(6));
    expect(seen()).toEqual([3, 0]);
    watch.see(look(6, "n2"));
    watch.see(look(6));
    watch.see(look(6, "n2"));
    expect(seen()).toEqual([3, 1]);
    watch.see(look(7, "n2"));
    expect(seen()).toEqual([4, 2]);
  });

  test("they are in the figures", async () => {
    const broker = new FakeBroker();
    const metrics = metricsOf(broker);
    broker.state = { term: 5, leader: { id: "n2", address: "b:1" }, role: "follower" };
    const expected = { tq_raft_elections_total: 2, tq_raft_leader_changes_total: 1 };
    expect(await scrape(metrics)).toMatchObject(expected);
    expect(await scrape(metrics)).toMatchObject(expected);
  });
});

describe("GET /metrics over REST", () => {
  test("is the same text, and there only when the broker has figures", async () => {
    const without = new Harness();
    expect((await without.get("/metrics")).status).toBe(404);
    const broker = new FakeBroker();
    const h = new Harness({ metrics: metricsOf(broker) });
    for (const path of ["/metrics", "/api/v1/metrics"]) {
      const { status, headers, body } = await h.get(path);
      expect(status).toBe(200);
      expect(headers["content-type"]).toMatch(/^text\/plain; version=0\.0\.4/);
      expect(headers["x-tq-node"]).toBe("n1");
      expect(readExposition(body).has("tq_build_info")).toBe(true);
    }
  });
});

describe("the metrics port", () => {
  const lines: string[] = [];
  const logger = { error: (_fields: object, message: string) => lines.push(message) };

  async function open(metrics = metricsOf(new FakeBroker()), port = 0) {
    const server = await startMetricsServer({ metrics, host: "127.0.0.1", port, logger });
    onTestFinished(() => server.close());
    return { server, base: `http://127.0.0.1:${server.port}` };
  }

  test("answers what Prometheus asks, and little else", async () => {
    const { base } = await open();
    const scraped = await fetch(`${base}/metrics?x=1`);
    expect([scraped.status, scraped.headers.get("content-type")]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ]);
    expect(readExposition(await scraped.text()).has("tq_raft_term")).toBe(true);
    const statusOf = async (path: string, method = "GET") =>
      (await fetch(base + path, { method })).status;
    expect(await statusOf("/metrics", "HEAD")).toBe(200);
    expect(await statusOf("/")).toBe(200);
    expect(await statusOf("/tasks")).toBe(404);
    expect(await statusOf("/metrics", "POST")).toBe(405);
  });

  test("a port in use is named, with the setting that moves it", async () => {
    const { server } = await open();
    await expect(open(metricsOf(new FakeBroker()), server.port)).rejects.toThrow(
      `metrics: port ${server.port} on 127.0.0.1 is in use; end what listens there, ` +
        "or set monitoring.prometheus_port (TQ_MONITORING__PROMETHEUS_PORT)",
    );
  });

  test("a failure is logged in full and told without details", async () => {
    const metrics = metricsOf(new FakeBroker(), {
      divergences: () => {
        throw new Error("secret");
      },
    });
    const { base } = await open(metrics);
    const answer = await fetch(`${base}/metrics`);
    expect([answer.status, await answer.text()]).toEqual([
      500,
      "the broker failed to answer; its log says why\n",
    ]);
    expect(lines).toEqual(["the metrics could not be read"]);
  });

  test("what is not HTTP is cut; closing frees the port although somebody is connected", async () => {
    const { server } = await open();
    const stranger = connect(server.port, "127.0.0.1");
    stranger.write("\x16\x03\x01garbage\r\n\r\n");
    expect(await text(stranger)).toMatch(/^HTTP\/1\.1 400/);
    const idle = connect(server.port, "127.0.0.1");
    const ended = text(idle).catch(() => "");
    await new Promise((resolve) => idle.once("connect", resolve));
    await server.close();
    await ended;
    const again = createServer();
    onTestFinished(() => void again.close());
    await new Promise<void>((resolve) => again.listen(server.port, "127.0.0.1", resolve));
  });
});
