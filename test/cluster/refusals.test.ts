/**
 * What goes wrong at a start or from outside, with real processes: each has its exact words and exit
 * status, and a broker that was running goes on as if nothing had happened.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../ports.ts";
import { exitOf, startProcess, TestCluster, waitFor } from "./processes.ts";

let single: TestCluster;
let dir: string;
let nextLog = 0;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "tq-refusals-"));
  single = await TestCluster.create(1);
  await single.start();
}, 120_000);

afterAll(async () => {
  await single?.close();
  rmSync(dir, { recursive: true, force: true });
});

function running() {
  return single.nodes[0] as (typeof single.nodes)[number];
}

/** Runs a broker that is expected to end by itself. */
async function start(args: readonly string[]): Promise<{ status: number | string; log: string }> {
  const logFile = join(dir, `${nextLog++}.log`);
  const status = await exitOf(startProcess("packages/broker/bin/tq-broker.js", args, { logFile }));
  return { status, log: readFileSync(logFile, "utf8") };
}

async function flags(overrides: Record<string, string>): Promise<string[]> {
  const all = {
    "--broker-addr": `127.0.0.1:${await freePort()}`,
    "--rest-port": `${await freePort()}`,
    "--node-id": "lonely",
    "--data-dir": join(dir, `data-${nextLog}`),
    ...overrides,
  };
  return Object.entries(all).flat();
}

/** The broker that runs all along has neither ended nor forgotten. */
async function expectUnharmed(): Promise<void> {
  const before = (await running().stats()).raft;
  const { status } = await running().get("/readyz");
  expect(status).toBe(200);
  expect(before.term).toBe(1);
}

describe("a broker that cannot start", () => {
  test("because another one uses its data directory", async () => {
    const { status, log } = await start(
      await flags({ "--data-dir": running().dataDir, "--node-id": running().id }),
    );
    expect(status).toBe(73);
    expect(log).toContain(running().dataDir);
    expect(log).toMatch(/another tq-broker/);
    await expectUnharmed();
  });

  test("because its data directory cannot be written", async () => {
    const file = join(dir, "a-file");
    writeFileSync(file, "");
    const { status, log } = await start(await flags({ "--data-dir": join(file, "data") }));
    expect(status).toBe(73);
    expect(log).toContain(`the data directory ${join(file, "data")} cannot be written`);
  });

  test("because the directory belongs to another node", async () => {
    const dataDir = join(dir, "owned");
    const owner = startProcess(
      "packages/broker/bin/tq-broker.js",
      await flags({ "--data-dir": dataDir, "--node-id": "owner" }),
      { logFile: join(dir, "owner.log") },
    );
    await waitFor("its doors", () =>
      readFileSync(join(dir, "owner.log"), "utf8").includes("doors"),
    );
    const ended = exitOf(owner);
    owner.kill("SIGTERM");
    expect(await ended).toBe(0);
    const { status, log } = await start(await flags({ "--data-dir": dataDir }));
    expect(status).toBe(73);
    expect(log).toContain("belongs to node owner, but this node is called lonely");
  });

  test("because its worker port is in use", async () => {
    const { status, log } = await start(await flags({ "--broker-addr": running().address }));
    expect(status).toBe(69);
    expect(log).toContain(`${running().port}`);
    expect(log).toContain("broker.port");
    await expectUnharmed();
  });

  test("because its REST port is in use", async () => {
    const { status, log } = await start(await flags({ "--rest-port": `${running().restPort}` }));
    expect(status).toBe(69);
    expect(log).toContain(`${running().restPort}`);
    expect(log).toContain("api.rest_port");
    await expectUnharmed();
  });

  test("because a setting does not exist", async () => {
    const file = join(dir, "bad.yaml");
    writeFileSync(file, "broker:\n  prot: 6379\n");
    const { status, log } = await start(["--config", file]);
    expect(status).toBe(78);
    expect(log).toContain(`${file}:2`);
    expect(log).toContain("broker.port");
  });
});

describe("the worker port", () => {
  test("closes on garbage and serves everybody else", async () => {
    const socket = connectSocket(running().port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write(Buffer.alloc(1024, 0xfe));
    await new Promise<void>((resolve) => socket.once("close", () => resolve()));
    await expectUnharmed();
  });
});

describe("brokers of two clusters", () => {
  test("do not listen to each other", async () => {
    const one = await TestCluster.create(3);
    const other = await TestCluster.create(3);
    try {
      await one.start();
      await other.start();
      const stray = one.nodes[2] as (typeof one.nodes)[number];
      await stray.kill("SIGKILL");
      // The stray node of one cluster comes back pointed at a node of the other.
      const target = other.nodes[0] as (typeof other.nodes)[number];
      const logFile = join(dir, "stray.log");
      const strayed = startProcess(
        "packages/broker/bin/tq-broker.js",
        [
          ...["--broker-addr", stray.address, "--node-id", target.id],
          ...["--data-dir", join(dir, "stray"), "--rest-port", `${stray.restPort}`],
          ...["--peer", target.address, "--peer", (other.nodes[1] as typeof target).address],
        ],
        { logFile },
      );
      const ended = exitOf(strayed);
      await waitFor("a refusal in the log", () =>
        /has incarnation/.test(readFileSync(logFile, "utf8")),
      );
      strayed.kill("SIGTERM");
      expect(await ended).toBe(0);
      for (const cluster of [one, other]) {
        expect(await cluster.leader()).toBeDefined();
      }
      const [first, second] = [await one.leader(), await other.leader()];
      const ids = await Promise.all(
        [first, second].map((node) => node.get<{ cluster_id: string }>("/cluster")),
      );
      expect(ids[0]?.body.cluster_id).not.toBe(ids[1]?.body.cluster_id);
    } finally {
      await one.close();
      await other.close();
    }
  }, 180_000);
});
