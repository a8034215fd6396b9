/** A start that is called off ends, gives back what it has opened, and hides no damage. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startBroker } from "../src/broker-process.ts";
import { takeSeat } from "../src/cluster-bus.ts";
import { loadConfig } from "../src/config/load-config.ts";
import { EXIT } from "../src/exit-status.ts";
import { isCalledOff } from "../src/main.ts";
import type { NodeLogger } from "../src/observe/logger.ts";
import { openData, rosterOf } from "../src/open-data.ts";
import { openDataDir } from "../src/storage/data-dir.ts";
import { dialClient } from "../src/transport/dial.ts";
import { greet } from "../src/transport/greet.ts";
import { Journal, listen, memberOf } from "./transport/harness.ts";

const LOG = { info() {}, warn() {}, error() {} } as unknown as NodeLogger;
const NEVER = new AbortController().signal;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tq-start-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function configOf(env: Record<string, string> = {}) {
  return loadConfig({ argv: ["--node-id", "a", "--data-dir", folder], env });
}

function startWith(signal: AbortSignal) {
  const fatal: string[] = [];
  const starting = startBroker({
    config: configOf(),
    version: "1",
    log: LOG,
    signal,
    onFatal: (what) => fatal.push(what),
    onRemoved: () => fatal.push("removed"),
  });
  return { starting, fatal };
}

test("a start that is called off ends with that reason, and closes the disk", async () => {
  const over = new AbortController();
  over.abort(new Error("stopping on SIGTERM"));
  const { starting, fatal } = startWith(over.signal);
  const error = await starting.catch((reason: unknown) => reason);
  expect(error).toBe(over.signal.reason);
  expect(isCalledOff(error, over.signal)).toBe(true);
  expect(fatal).toEqual([]);
  const again = await openData(configOf(), LOG);
  expect(again.identity.identity.formation).toBeUndefined();
  await again.close();
});

test("damage that is found by a start which was called off is still damage", async () => {
  const data = await openDataDir({ path: folder, nodeId: "a", maxConnections: 1 });
  await data.close();
  rmSync(join(folder, "log"), { recursive: true });
  const over = new AbortController();
  over.abort(new Error("stopping on SIGTERM"));
  const error = await startWith(over.signal).starting.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ exitStatus: EXIT.damagedData });
  expect(isCalledOff(error, over.signal)).toBe(false);
  expect(isCalledOff(NEVER.reason, NEVER)).toBe(false);
});

test("a member tells others where it listens now, not where its formation has it", async () => {
  const { server } = await listen();
  const { port } = server;
  await server.close();
  const config = configOf({ TQ_RAFT__ENABLED: "true", TQ_RAFT__PORT: `${port}` });
  const data = await openData(config, LOG);
  const { incarnation } = data.identity.identity;
  const members = [memberOf("a", 9, incarnation), memberOf("b", 10)];
  await data.identity.save({ formation: { clusterId: "c1", revision: 0, members } });
  const seat = await takeSeat(config, data, rosterOf(data), LOG, NEVER);
  const bus = seat.startBus({
    onEnvelope() {},
    onForwards() {},
    onForwardReplies() {},
    onPeer() {},
    async *onSnapshotRequest() {},
  });
  const client = dialClient(`127.0.0.1:${port}`, undefined);
  const asker = { versionMin: 1, versionMax: 1, clusterId: "c1", peers: [], revision: 0 };
  const { from } = await greet(client, { ...asker, member: members[1]! });
  expect(from.member).toMatchObject({ id: "a", incarnation, bus: seat.self.bus });
  expect(from.member.bus.endsWith(`:${port}`)).toBe(true);
  client.close();
  await bus.close();
  await seat.close();
  await data.close();
});

test("a node that is to be added and does not answer is told of, once for each reason", async () => {
  const journal = new Journal();
  const { server } = await listen();
  const { port } = server;
  await server.close();
  const config = configOf({ TQ_RAFT__ENABLED: "true", TQ_RAFT__PORT: `${port}` });
  const data = await openData(config, LOG);
  const members = [memberOf("a", 9, data.identity.identity.incarnation)];
  await data.identity.save({ formation: { clusterId: "c1", revision: 0, members } });
  const log = journal as unknown as NodeLogger;
  const seat = await takeSeat(config, data, rosterOf(data), log, NEVER);
  const error = await seat.greet("d@127.0.0.1:9/9").catch((reason: Error) => reason);
  expect((error as Error).message).toContain("no broker answers at 127.0.0.1:9 (connect ECONN");
  const words = "no broker answers at 127.0.0.1:9 yet, which is to be added: connect ECONNREFUSED";
  expect(journal.lines.filter((line) => line.includes(words))).toHaveLength(1);
  await seat.close();
  await data.close();
}, 30_000);
