/** The broker as it is built, with signing in its settings: they reach the door, and SIGHUP does. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import bcrypt from "bcrypt";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../../../test/ports.ts";
import { SigningDoor } from "./signer.ts";

const BROKER = fileURLToPath(new URL("../../bin/tq-broker.js", import.meta.url));
const SECRET = "canary-secret-canary-secret-canary";
const OTHER = "canary-second-canary-second-canary";
const KEY = "canary-of-shop";
const WAIT = { timeout: 20_000 };

interface Started {
  readonly child: ChildProcess;
  readonly secretFile: string;
  readonly output: () => string;
  /** Status of a read that is signed, dated with the clock of now. */
  read(secret: string): Promise<number>;
  readByKey(): Promise<number>;
}

async function start(): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), "tq-signing-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [port, rest, grpc, metrics] = await Promise.all([1, 2, 3, 4].map(() => freePort()));
  const secretFile = join(folder, "shop.secret");
  writeFileSync(secretFile, `${SECRET}\n`, { mode: 0o600 });
  const shop = { name: "shop", key_hash: bcrypt.hashSync(KEY, 4), permissions: ["read_tasks"] };
  const keys = [{ ...shop, signing_secret_file: secretFile }];
  const file = join(folder, "config.yaml");
  writeFileSync(
    file,
    JSON.stringify({
      broker: { port },
      persistence: { data_dir: join(folder, "data") },
      api: { rest_port: rest, grpc_port: grpc },
      monitoring: { prometheus_port: metrics, log_level: "trace" },
      auth: { enabled: true, signing_required: true, signing_window_secs: 60, api_keys: keys },
    }),
  );
  const child = spawn(process.execPath, [BROKER, "--config", file]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const url = `http://127.0.0.1:${rest}`;
  const isReady = () =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await expect.poll(isReady, WAIT).toBe(true);
  const signer = new SigningDoor();
  const read = async (secret: string): Promise<number> => {
    const date = `${Date.now()}`;
    const { headers } = signer.signed({ method: "GET", path: "/queues", body: "", date, secret });
    return (await fetch(`${url}/queues`, { headers: headers as Record<string, string> })).status;
  };
  const readByKey = async () =>
    (await fetch(`${url}/queues`, { headers: { "x-api-key": KEY } })).status;
  return { child, secretFile, output: () => text, read, readByKey };
}

test("the settings are in force, and a secret is changed without a restart", async () => {
  const { child, secretFile, output, read, readByKey } = await start();
  expect(await read(SECRET)).toBe(200);
  expect(await read(OTHER)).toBe(401);
  expect(await readByKey()).toBe(401);
  writeFileSync(secretFile, "too short");
  child.kill("SIGHUP");
  await expect.poll(output, WAIT).toContain("the settings have become wrong");
  expect(await read(SECRET)).toBe(200);
  writeFileSync(secretFile, OTHER);
  child.kill("SIGHUP");
  await expect.poll(() => read(OTHER), WAIT).toBe(200);
  expect(await read(SECRET)).toBe(401);
  const gone = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await gone;
  expect(output()).toContain("signing_secret_file of shop");
  expect(output()).not.toContain("canary");
}, 60_000);
