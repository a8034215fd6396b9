/** What is said while nobody leads: that nothing was done, and what else there is. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { TqError } from "task-queue-client";
import { expect, onTestFinished, test } from "vitest";
import { openOne, until } from "../../broker/test/workers/harness.ts";
import { PROCESS_IO, run } from "../src/index.ts";
import { admin, THREE } from "./doubles.ts";

async function call(servers: string, ...argv: string[]) {
  let [stdout, stderr] = ["", ""];
  const status = await run([...argv, "--broker-addr", servers], {
    ...PROCESS_IO,
    env: {},
    isTerminal: false,
    canAsk: false,
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
  });
  return { status, stdout, stderr };
}

test.each([["list"], ["workers"], ["queue-depth"], ["stats"], ["keys", "list"]])(
  "%s %s, which nobody answers, has changed nothing",
  async (...argv) => {
    const { port, node } = await openOne();
    node.readBarrier = () => new Promise<never>(() => {});
    const { status, stderr } = await call(`127.0.0.1:${port}`, ...argv, "--timeout", "150ms");
    expect(stderr).toMatch(/^tq-admin: no_leader: .*nothing was done/);
    expect(status).toBe(69);
  },
);

test("a snapshot is given up after --timeout, and --stale is named", async () => {
  const leaderless = { ...THREE, leader_id: null };
  const io = { sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };
  const { status, stderr, client } = await admin(
    "create-snapshot /nowhere/s --timeout 50ms",
    (fake) => {
      fake.clusters = [leaderless];
    },
    io,
  );
  expect(status).toBe(69);
  expect(stderr).toMatch(/no leader within 50 ms; nothing was done; --stale takes what/);
  expect(client.asked.every(([what]) => what === "cluster")).toBe(true);
});

test("a snapshot that lost its leader on the way names --stale, too", async () => {
  const { status, stderr } = await admin("create-snapshot /tmp/tq-never-written", (fake) => {
    fake.broken = new TqError("no_leader", "x");
  });
  expect([status, stderr]).toEqual([
    69,
    "tq-admin: no_leader: x; --stale takes what this broker has, without a leader\n",
  ]);
});

/** As a load balancer: while `there` is undefined it hangs up. */
async function openFront() {
  const front = { servers: "", there: undefined as number | undefined, hangUps: 0 };
  const server = createServer((near) => {
    near.on("error", () => {});
    if (front.there === undefined) {
      front.hangUps++;
      near.destroy();
      return;
    }
    const far = connect({ host: "127.0.0.1", port: front.there });
    far.on("error", () => near.destroy());
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  front.servers = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return front;
}

test("a front that hangs up is tried until --timeout, and may be one without a leader", async () => {
  const { servers } = await openFront();
  const { status, stderr } = await call(servers, "stats", "--timeout", "400ms");
  expect(status).toBe(69);
  expect(stderr).toMatch(/no_leader: .*within 400 ms; nothing was done \(.*nobody leads\)\n$/);
});

test("and reached when there is a leader in time", async () => {
  const front = await openFront();
  const { port } = await openOne();
  const asked = call(front.servers, "stats", "--timeout", "30s");
  await until(() => front.hangUps > 3);
  front.there = port;
  const { status, stderr, stdout } = await asked;
  expect(status).toBe(0);
  expect(JSON.parse(stdout).node_id).toBe("n1");
  expect(stderr).toMatch(/nobody leads; trying on\n$/);
});

test("brokers that do not know a verb are too old for it", async () => {
  const { status, stderr } = await admin("keys create --name shop", (fake) => {
    fake.error = new TqError("invalid_request", 'there is no verb "create_key".');
  });
  expect([status, stderr]).toEqual([
    1,
    "tq-admin: the brokers are too old for that: it needs cluster version 4; " +
      "see tq-admin upgrade status\n",
  ]);
});
