/** What Prometheus reads of a worker process, and the page that describes it. */
import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { readExposition } from "../../broker/test/observe/exposition.ts";
import { faultsByPromtool } from "../../broker/test/observe/promtool.ts";
import { RunTimes, renderMetrics, serveMetrics } from "../src/cli/metrics.ts";
import type { RunContext } from "../src/middleware.ts";
import type { WorkerStatus } from "../src/worker-status.ts";

const STATUS: WorkerStatus = {
  state: "running",
  connected: true,
  broker: "a:1",
  running: 2,
  waiting: 1,
  abandoned: 0,
  unreported: 0,
  completed: 5,
  failed: 1,
  connectionErrors: 3,
};
const NO_CONTEXT = {} as RunContext;

/** Runs that took so many ms; odd ones fail. */
async function timesOf(...lengths: number[]): Promise<RunTimes> {
  let now = 0;
  const runs = new RunTimes(() => now);
  for (const ms of lengths) {
    const run = runs.middleware(NO_CONTEXT, async () => {
      now += ms;
      if (ms % 2 === 1) throw new Error("odd");
    });
    if (ms % 2 === 1) await expect(run).rejects.toThrow("odd");
    else await run;
  }
  return runs;
}

const optionsOf = (runs: RunTimes) => {
  return { host: "127.0.0.1", port: 0, poolSize: 4, runs, status: () => STATUS };
};

test("the figures, with runs that failed among the times", async () => {
  const text = renderMetrics(optionsOf(await timesOf(4, 10, 31, 4_000_000)));
  expect(faultsByPromtool(text)).toBeUndefined();
  const families = [...readExposition(text).values()];
  const samples = Object.fromEntries(families.flatMap((family) => [...family.samples]));
  expect(samples).toMatchObject({
    tq_worker_pool_size: 4,
    tq_worker_busy: 2,
    tq_jobs_processed_total: 6,
    tq_jobs_failed_total: 1,
    tq_worker_connection_errors_total: 3,
    'tq_job_duration_seconds_bucket{le="0.005"}': 1,
    'tq_job_duration_seconds_bucket{le="0.01"}': 2,
    'tq_job_duration_seconds_bucket{le="0.05"}': 3,
    'tq_job_duration_seconds_bucket{le="3600"}': 3,
    'tq_job_duration_seconds_bucket{le="+Inf"}': 4,
    tq_job_duration_seconds_count: 4,
    tq_job_duration_seconds_sum: 4_000.045,
  });
});

test("the page names the same families", async () => {
  const page = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
  const rows = page.slice(page.indexOf("## Of a worker")).matchAll(/^\| `(tq_\w+)` \| (\w+) \|/gm);
  const described = [...rows].map(([, name, type]) => `${name} ${type}`);
  const families = readExposition(renderMetrics(optionsOf(await timesOf())));
  expect(described).toEqual([...families.values()].map(({ name, type }) => `${name} ${type}`));
});

test("they are served, and a port in use is named with the flag that moves it", async () => {
  const options = optionsOf(await timesOf());
  const server = await serveMetrics(options);
  onTestFinished(() => server.close());
  const base = `http://127.0.0.1:${server.port}`;
  const answer = await fetch(`${base}/metrics`);
  expect(await answer.text()).toBe(renderMetrics(options));
  expect(answer.headers.get("content-type")).toContain("version=0.0.4");
  expect((await fetch(base)).status).toBe(404);
  const refused = serveMetrics({ ...options, port: server.port });
  await expect(refused).rejects.toThrow(/EADDRINUSE.*--metrics-port/);
});
