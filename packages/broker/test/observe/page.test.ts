/** The page about metrics and a broker with all figures name the same families, type and labels. */
import { readFileSync } from "node:fs";
import { parseTaskId } from "task-queue-protocol";
import { expect, onTestFinished, test } from "vitest";
import { createMetrics } from "../../src/observe/metrics.ts";
import { StorageMeter } from "../../src/observe/storage-figures.ts";
import { submitTask } from "../../src/operations/submit.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { SETTINGS } from "../rest/harness.ts";
import { type Family, readExposition } from "./exposition.ts";
import { faultsByPromtool } from "./promtool.ts";

const PAGE = new URL("../../../../docs/metrics.md", import.meta.url);
const ROW = /^\| `(tq_\w+)` \| (\w+) \|(.*?)\| .+ \|$/gm;
/** The library's; the page only says where they come from. */
const DEFAULTS = /^(process|nodejs)_/;

interface Described {
  readonly type: string;
  readonly labels: readonly string[];
}

/** By name, of a part of the page. */
function described(from: string, to?: string): Record<string, Described> {
  const text = readFileSync(PAGE, "utf8");
  const part = text.slice(text.indexOf(from), to === undefined ? undefined : text.indexOf(to));
  const rows = [...part.matchAll(ROW)].map(([, name, type, labels]) => {
    const names = [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!);
    return [name!, { type: type!, labels: names }] as const;
  });
  return Object.fromEntries(rows);
}

function exported(families: ReadonlyMap<string, Family>): Record<string, Described> {
  const own = [...families.values()].filter(({ name }) => !DEFAULTS.test(name));
  return Object.fromEntries(
    own.map(({ name, type, samples }) => {
      expect(samples.size, name).toBeGreaterThan(0);
      const names = [...samples.keys()].flatMap((sample) => [...sample.matchAll(/(\w+)="/g)]);
      const labels = [...new Set(names.map(([, label]) => label!))];
      return [name, { type, labels: labels.filter((label) => label !== "le") }];
    }),
  );
}

/** A leader of which every family has a sample. */
async function everything() {
  const broker = new FakeBroker();
  const storage = new StorageMeter();
  const metrics = createMetrics({
    status: () => broker.status(),
    broker,
    snapshots: () => ({ sent: 1, received: 1, receivedBytes: 1, lastDurationMs: 1 }),
    divergences: () => 0,
    logEntries: () => 1,
    retention: () => ({ tasks: 0, results: 0, logs: 0, forgotten: 0 }),
    backup: () => ({ lastSuccessAt: 0, failures: 0 }),
    diskSpace: () => ({ freeBytes: 1, totalBytes: 2 }),
    certificates: () => [{ listener: "rest", secondsLeft: 1 }],
    rateLimited: () => new Map([["shop", 1]]),
    revocationLists: () => [{ listener: "rest", secondsLeft: 1 }],
    workerPort: { connections: 1, refusals: { full: 0, address: 0 } },
    storage,
    version: "9.9.9",
  });
  onTestFinished(() => metrics.close());
  const run = async (retryable: boolean) => {
    const { value } = await submitTask(broker, { type: "mail" }, SETTINGS);
    const error = { message: "no", stack: "" };
    const token = broker.lease("mail");
    const given = { id: parseTaskId(value.task.id)!, token, error, retryAfterMs: undefined };
    broker.apply({ type: "fail", ...given, retryable });
  };
  await run(true);
  await run(false);
  const request = { route: "/tasks", method: "GET", code: "500", isError: true, ms: 1 };
  metrics.countRequest(request);
  storage.synced(3);
  return { broker, metrics };
}

test("the page has every family of a leader, and no other", async () => {
  const { metrics } = await everything();
  const text = await metrics.render();
  expect(faultsByPromtool(text)).toBeUndefined();
  expect(described("## Of the cluster", "## Of a worker")).toEqual(exported(readExposition(text)));
});

test("what a follower exports is what the page says of each broker", async () => {
  const { broker, metrics } = await everything();
  broker.state = { role: "follower" };
  const families = readExposition(await metrics.render());
  expect(exported(families)).toEqual(described("## Of each broker", "## Of a worker"));
});
