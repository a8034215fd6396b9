/** `tq-worker`'s flags, handlers module and health page. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { StartError } from "../src/cli/exit-status.ts";
import { parseFlags, type WorkerFlags } from "../src/cli/flags.ts";
import { type HealthOptions, serveHealth } from "../src/cli/health.ts";
import { loadHandlers, pickHandlers } from "../src/cli/load-handlers.ts";

function flags(line: string, env: Record<string, string> = {}): WorkerFlags {
  const parsed = parseFlags(line.split(" ").filter(Boolean), env, () => {});
  if (parsed === undefined) throw new Error("a text was printed instead");
  return parsed;
}

function refusal(line: string, env: Record<string, string> = {}): StartError {
  try {
    flags(line, env);
  } catch (error) {
    if (error instanceof StartError) return error;
    throw error;
  }
  throw new Error(`"${line}" was accepted`);
}

describe("flags", () => {
  test("the defaults", () => {
    expect(flags("")).toEqual({
      brokerAddr: "127.0.0.1:6379",
      concurrency: 4,
      prefetch: 0,
      heartbeatIntervalSecs: undefined,
      queues: [],
      types: [],
      handlers: "",
      labels: {},
      name: "",
      healthHost: "127.0.0.1",
      healthPort: 8081,
      healthPortGiven: false,
      metricsPort: 0,
      graceSecs: 25,
      logLevel: "info",
      execAllow: new Map(),
      httpDenyPrivate: false,
      apiKey: "",
      notes: [],
      checkOnly: false,
    });
  });

  test("switches in the words of YAML and shells, and in no others", () => {
    for (const word of ["true", "yes", "on", "1", "TRUE"]) {
      expect(flags(`--http-deny-private=${word}`)).toMatchObject({ httpDenyPrivate: true });
    }
    for (const word of ["false", "no", "off", "0"]) {
      expect(flags(`--http-deny-private=${word}`)).toMatchObject({ httpDenyPrivate: false });
    }
    for (const word of ["perhaps", "constructor"]) {
      expect(() => flags(`--tls=${word}`)).toThrow(`--tls: "${word}" is not true or false`);
    }
  });

  test("every flag", () => {
    const line =
      "--broker-addr a:1,b:2 --concurrency 8 --prefetch 16 --heartbeat-interval-secs 2.5 " +
      "--queues x,y --types t,u --handlers ./h.mjs --labels zone=a,arch=x=y --name w " +
      "--health-port 0 --health-host :: --grace-secs 3 --log-level WARN --http-deny-private " +
      "--exec-allow cat=/bin/cat --exec-allow sh=/bin/sh";
    expect(flags(line)).toMatchObject({
      brokerAddr: "a:1,b:2",
      concurrency: 8,
      prefetch: 16,
      heartbeatIntervalSecs: 2.5,
      queues: ["x", "y"],
      types: ["t", "u"],
      handlers: "./h.mjs",
      labels: { zone: "a", arch: "x=y" },
      name: "w",
      healthHost: "::",
      healthPort: 0,
      healthPortGiven: true,
      graceSecs: 3,
      logLevel: "warn",
      httpDenyPrivate: true,
      execAllow: new Map([
        ["cat", "/bin/cat"],
        ["sh", "/bin/sh"],
      ]),
    });
  });

  test("the environment stands in for flags, and flags win", () => {
    const env = {
      TQ_BROKER_ADDR: "e:1",
      WORKER_COUNT: "9",
      WORKER_ID: "pod-3",
      TQ_LOG: "debug",
      TQ_WORKER__QUEUES: "q",
      TQ_API_KEY: "key",
      TQ_HTTP_DENY_PRIVATE: "1",
    };
    expect(flags("", env)).toMatchObject({
      brokerAddr: "e:1",
      concurrency: 9,
      name: "pod-3",
      logLevel: "debug",
      queues: ["q"],
      apiKey: "key",
      httpDenyPrivate: true,
    });
    expect(flags("--concurrency 2", env).concurrency).toBe(2);
    expect(flags("", { ...env, TQ_CONCURRENCY: "3" }).concurrency).toBe(3);
  });

  test.each([
    ["--concurrency none", 64, /--concurrency: "none" is not a whole number from 1 to 10000/],
    ["--concurrency 0", 64, /whole number/],
    ["--concurrency 1 --concurrency 2", 64, /--concurrency was given twice/],
    ["--bogus 1", 64, /bogus/],
    ["stray", 64, /stray/],
    ["--log-level loud", 64, /one of trace/],
    ["--labels zone", 64, /"zone" is not key=value/],
    ["--exec-allow cat=cat", 64, /NAME=\/absolute\/path/],
    ["--exec-allow x=/nowhere/x", 64, /executable file/],
    ["--exec-allow x=/tmp", 64, /executable file/],
    ["--tls-ca /nowhere", 78, /--tls-ca: there is no such file/],
    ["--tls-cert /dev/null --tls-key /dev/null", 78, /--tls-cert: there is no certificate/],
  ])("%s is refused with %i", (line, status, message) => {
    const error = refusal(line);
    expect(error.message).toMatch(message);
    expect(error.status).toBe(status);
  });

  test("the key comes from a file or the environment, and from no flag", () => {
    const file = join(mkdtempSync(join(tmpdir(), "tq-key-")), "key");
    writeFileSync(file, "from-file\n");
    expect(flags("", { TQ_API_KEY_FILE: file }).apiKey).toBe("from-file");
    const both = { TQ_API_KEY: "from-env", TQ_API_KEY_FILE: "/nowhere/key" };
    expect(flags("", both).apiKey).toBe("from-env");
    expect(flags(`--api-key-file ${file}`, both).apiKey).toBe("from-file");
    expect(refusal("--api-key-file /nowhere/key").message).toMatch(/^--api-key-file: ENOENT/);
    expect(refusal("--api-key secret").status).toBe(64);
    writeFileSync(file, "\n");
    const empty = refusal(`--api-key-file ${file}`);
    expect([empty.status, empty.message]).toEqual([78, `--api-key-file: ${file} is empty`]);
  });

  test("a wrong variable is a configuration error that names the variable", () => {
    const error = refusal("", { WORKER_COUNT: "many" });
    expect(error.status).toBe(78);
    expect(error.message).toMatch(/^WORKER_COUNT: "many"/);
    expect(refusal("", { TQ_API_KEY_FILE: "/nowhere/key" }).status).toBe(78);
  });

  test("TLS by any of its flags or variables", () => {
    expect(flags("").tls).toBeUndefined();
    expect(flags("--tls").tls).toEqual({});
    expect(flags("--tls-server-name a").tls).toEqual({ serverName: "a" });
    expect(flags("", { TQ_TLS_SERVER_NAME: "b" }).tls).toEqual({ serverName: "b" });
  });

  test("help names every flag and is printed, not thrown", () => {
    let help = "";
    const print = (text: string) => {
      help += text;
    };
    expect(parseFlags(["--help"], {}, print)).toBeUndefined();
    expect(help).toContain("--heartbeat-interval-secs");
    expect(help).toContain("tq-worker --handlers ./handlers.mjs");
    help = "";
    expect(parseFlags(["--version"], {}, print)).toBeUndefined();
    expect(help).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe("the handlers module", () => {
  function moduleOf(text: string): string {
    const folder = mkdtempSync(join(tmpdir(), "tq-worker-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "handlers.mjs");
    writeFileSync(file, text);
    return file;
  }

  test.each([
    ["a named object", 'export const handlers = { "email.send": () => 1 };', ["email.send"]],
    ["a default object", "export default { a: () => 1, note: 5 };", ["a"]],
    ["functions", "export const a = () => 1; export function b() {}", ["a", "b"]],
  ])("may export %s", async (_name, text, types) => {
    expect(Object.keys(await loadHandlers(moduleOf(text)))).toEqual(types);
  });

  test.each([
    ["nothing of use", "export const x = 1;", /exports no functions/],
    ["a fault", "throw new Error('at load');", /could not be loaded: Error: at load/],
  ])("with %s is a configuration error", async (_name, text, message) => {
    const file = moduleOf(text);
    await expect(loadHandlers(file)).rejects.toThrow(message);
    await expect(loadHandlers(file)).rejects.toMatchObject({ status: 78 });
  });

  test("that is not there is one too", async () => {
    await expect(loadHandlers("/nowhere/h.mjs")).rejects.toThrow(/there is no \/nowhere\/h.mjs/);
  });

  test("--types picks, and refuses a type without a handler", () => {
    const handlers = { a: () => 1, b: () => 2 };
    expect(pickHandlers(handlers, [])).toBe(handlers);
    expect(Object.keys(pickHandlers(handlers, ["b"]))).toEqual(["b"]);
    expect(() => pickHandlers(handlers, ["toString"])).toThrow(/there are a, b/);
  });
});

describe("the health page", () => {
  const status: ReturnType<HealthOptions["status"]> = {
    id: "s1",
    name: "w1",
    state: "running",
    connected: true,
    broker: "a:1",
    running: 2,
    waiting: 1,
    abandoned: 0,
    unreported: 0,
    completed: 5,
    failed: 1,
    connectionErrors: 0,
  };

  async function serve(now: Partial<typeof status> = {}) {
    const current = { ...status, ...now };
    const options = { host: "127.0.0.1", port: 0, exact: true, status: () => current };
    const health = await serveHealth(options);
    onTestFinished(() => health.close());
    return async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${health.port}${path}`);
      return { code: response.status, body: (await response.json()) as object };
    };
  }

  test("healthy when registered", async () => {
    const get = await serve();
    expect(await get("/health")).toEqual({ code: 200, body: { ...status, status: "healthy" } });
    expect((await get("/readyz?x=1")).code).toBe(200);
    expect(await get("/other")).toMatchObject({ code: 404 });
  });

  test.each([
    [{ connected: false, broker: undefined }, "not registered with a broker"],
    [{ state: "draining" as const }, "draining"],
  ])("unhealthy but alive: %j", async (now, reason) => {
    const get = await serve(now);
    const { code, body } = await get("/health");
    expect(code).toBe(503);
    expect(body).toMatchObject({ status: "unhealthy", reason });
    expect(await get("/healthz")).toEqual({ code: 200, body: { status: "alive" } });
  });

  test("a busy port: another one by default, an error when it was asked for", async () => {
    const other = http.createServer();
    await new Promise<void>((resolve) => {
      other.listen(0, "127.0.0.1", resolve);
    });
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const options = { host: "127.0.0.1", port, status: () => status };
    const moved = await serveHealth({ ...options, exact: false });
    onTestFinished(() => moved.close());
    expect(moved.port).not.toBe(port);
    const refused = serveHealth({ ...options, exact: true });
    await expect(refused).rejects.toThrow(/EADDRINUSE.*--health-port, or 0 for none/);
    await expect(refused).rejects.toMatchObject({ status: 78 });
  });
});
