/**
 * A cluster of real processes with TLS on everything, made as an operator would: the doors with the
 * certificates of one authority, the bus with those of another; served, renewed under load, and
 * not to be joined with the wrong papers.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { connect } from "task-queue-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Authority, type CertificateFiles } from "../certificates.ts";
import { ask } from "./http.ts";
import { exitOf, type Node, startProcess, TestCluster, waitFor } from "./processes.ts";

const dir = mkdtempSync(join(tmpdir(), "tq-tls-cluster-"));
const doors = new Authority(dir, "doors");
const bus = new Authority(dir, "bus");
const tls = { ca: doors.caPem, servername: "task-queue" };
const CLIENT_ENV = { TQ_TLS_CA: doors.ca, TQ_TLS_SERVER_NAME: "task-queue" };
/** Requests that must go well after the last node has its new certificate. */
const REQUESTS_AFTER = 20;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
  for (const node of cluster.nodes) secure(node, doors.issue("task-queue"), busPair(node.id));
  await cluster.start();
});

afterAll(async () => {
  await cluster.close();
  rmSync(dir, { recursive: true, force: true });
});

function busPair(id: string, by = bus): CertificateFiles {
  return by.issue(id, { names: [`DNS:${id}`] });
}

/** Where a node has its files for the doors, which a renewal replaces. */
function doorFiles({ id }: Node): CertificateFiles {
  return { cert: join(dir, `${id}.crt`), key: join(dir, `${id}.key`) };
}

function install(from: CertificateFiles, to: CertificateFiles): void {
  for (const file of ["cert", "key"] as const) {
    copyFileSync(from[file], `${to[file]}.new`);
    renameSync(`${to[file]}.new`, to[file]);
  }
}

function secure(node: Node, pair: CertificateFiles, onBus: CertificateFiles): void {
  const files = doorFiles(node);
  install(pair, files);
  node.tls = tls;
  node.env = {
    TQ_API__ENABLE_TLS: "true",
    TQ_API__TLS_CERT_PATH: files.cert,
    TQ_API__TLS_KEY_PATH: files.key,
    TQ_MONITORING__ENABLE_TLS: "true",
    TQ_RAFT__TLS_CERT_PATH: onBus.cert,
    TQ_RAFT__TLS_KEY_PATH: onBus.key,
    TQ_RAFT__TLS_CA_PATH: bus.ca,
  };
}

async function adminOf(servers: string, ...args: string[]) {
  const logFile = join(dir, `admin-${args[0]}.log`);
  rmSync(logFile, { force: true });
  const all = ["--broker-addr", servers, ...args];
  const child = startProcess("packages/admin/bin/tq-admin.js", all, { logFile, env: CLIENT_ENV });
  return { status: await exitOf(child), output: readFileSync(logFile, "utf8") };
}

function submit(node: Node, payload: unknown) {
  const body = { type: "echo", payload };
  return node.ask(node.restPort, "/api/v1/tasks", { method: "POST", body, limitMs: 20_000 });
}

/** Of the certificate that a door shows now. */
function serialAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: "127.0.0.1", ...tls }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

describe("a cluster with TLS on everything", () => {
  test("takes tasks over REST, client and tq-admin, and a worker does them", async () => {
    const logFile = join(dir, "worker.log");
    const args = ["--broker-addr", cluster.servers.join(","), "--health-port", "0"];
    const worker = startProcess("packages/worker/bin/tq-worker.js", args, {
      logFile,
      env: CLIENT_ENV,
    });
    const answers = await Promise.all(cluster.nodes.map((node) => submit(node, node.id)));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    const wait = await adminOf(cluster.servers.join(","), "submit", "echo", "--wait");
    expect(wait).toMatchObject({ status: 0 });
    const options = { ca: tls.ca, serverName: tls.servername };
    await using client = connect({ servers: cluster.servers, tls: options });
    const handle = await client.submit("echo", { by: "client" });
    expect(await handle.result()).toEqual({ by: "client" });
    worker.kill("SIGTERM");
    expect(await exitOf(worker)).toBe(0);
  });

  test("says when its certificates expire", async () => {
    const [node] = cluster.nodes as [Node];
    const { text } = await node.ask(node.metricsPort, "/metrics");
    for (const listener of ["worker", "rest", "metrics", "bus"]) {
      const line = new RegExp(
        `^tq_tls_certificate_expiry_seconds{listener="${listener}"} (.*)$`,
        "m",
      );
      expect(Number(line.exec(text)?.[1])).toBeGreaterThan(86_400);
    }
    expect(node.log()).toContain("expires on");
  });

  test("answers plain HTTP with what to do", async () => {
    const [node] = cluster.nodes as [Node];
    const { status, text } = await ask(`http://127.0.0.1:${node.restPort}/health`);
    expect(status).toBe(400);
    expect(text).toContain("https://");
  });

  test("renews its certificates under load without a failed request", async () => {
    const before = await Promise.all(cluster.nodes.map((node) => serialAt(node.restPort)));
    let renewed = false;
    let after = 0;
    const failures: unknown[] = [];
    const load = cluster.nodes.map(async (node) => {
      while (!renewed || after < REQUESTS_AFTER) {
        const { status, text } = await submit(node, 1).catch((error) => ({
          status: 0,
          text: String(error),
        }));
        if (status !== 201) failures.push(text);
        if (renewed) after++;
        await sleep(1);
      }
    });
    for (const node of cluster.nodes) install(doors.issue("task-queue"), doorFiles(node));
    for (const [i, node] of cluster.nodes.entries()) {
      for (const port of [node.restPort, node.port, node.metricsPort]) {
        await waitFor("the new certificate", async () => (await serialAt(port)) !== before[i]);
      }
    }
    renewed = true;
    await Promise.all(load);
    expect(failures).toEqual([]);
  });

  test("keeps what it has when a renewal is bad, and says so", async () => {
    const [node] = cluster.nodes as [Node];
    const before = await serialAt(node.restPort);
    writeFileSync(doorFiles(node).cert, "no certificate\n");
    await waitFor("a line", () => node.log().includes("the former ones stay in use"));
    expect(await serialAt(node.restPort)).toBe(before);
    install(doors.issue("task-queue"), doorFiles(node));
    await waitFor("the good one", async () => (await serialAt(node.restPort)) !== before);
  });

  test("does not let a node in that has the papers of another authority or node", async () => {
    const third = cluster.nodes[2] as Node;
    const foreign = new Authority(dir, "foreign");
    const rest = cluster.nodes.slice(0, 2);
    const said = (words: string) => rest.some((node) => node.log().includes(words));
    for (const [pair, words] of [
      [busPair("node3", foreign), "an unknown authority has signed the client's certificate"],
      [busPair("node9"), "a certificate for DNS:node9 does not speak for node3"],
    ] as const) {
      await third.kill("SIGTERM");
      secure(third, doors.issue("task-queue"), pair);
      third.start();
      await waitFor(words, () => said(words));
      expect(await third.isReady()).toBe(false);
    }
    const leader = await cluster.leader();
    expect(leader.id).not.toBe("node3");
    expect((await submit(leader, 2)).status).toBe(201);
    await third.kill("SIGTERM");
    secure(third, doors.issue("task-queue"), busPair("node3"));
    third.start();
    await cluster.allReady();
  });
});

describe("the commands of the guide", () => {
  test("make certificates with which a broker starts and is believed", async () => {
    const guide = join(dir, "guide");
    mkdirSync(guide);
    // Only the questions about the authority's own name are answered, with what stands there.
    execFileSync("sh", ["-ec", GUIDE], {
      cwd: guide,
      stdio: ["pipe", "ignore", "pipe"],
      input: "\n\n\n\n\n\n\n",
    });
    const single = await TestCluster.create(1);
    const [node] = single.nodes as [Node];
    const ca = readFileSync(join(guide, "ca.crt"), "utf8");
    node.tls = { ca, servername: "task-queue" };
    const config = join(guide, "config.yaml");
    writeFileSync(config, CONFIG.replaceAll("/etc/task-queue/tls", guide));
    node.args = ["--config", config];
    await single.start();
    expect((await submit(node, 3)).status).toBe(201);
    const flags = ["--tls-ca", join(guide, "ca.crt"), "--tls-server-name", "task-queue"];
    const good = await adminOf(node.address, "stats", ...flags);
    expect(good).toMatchObject({ status: 0 });
    const unknown = await adminOf(node.address, "stats", "--tls-ca", doors.ca);
    expect(unknown.status).toBe(69);
    expect(unknown.output).toContain("of no authority that --tls-ca names");
    await single.close();
  });
});

const GUIDE = `
openssl req -x509 -newkey rsa:4096 -keyout ca.key -out ca.crt -days 365 -nodes
openssl req -newkey rsa:4096 -keyout server.key -out server.csr -nodes -subj "/CN=task-queue"
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 365
openssl req -newkey rsa:4096 -keyout client.key -out client.csr -nodes -subj "/CN=client"
openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out client.crt -days 365
`;

const CONFIG = `
api:
  enable_tls: true
  tls_cert_path: /etc/task-queue/tls/server.crt
  tls_key_path: /etc/task-queue/tls/server.key
`;
