/** `tq-worker --config`: the file's part among flags and environment, and what is wrong with one. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { StartError } from "../src/cli/exit-status.ts";
import { FLAGS, parseFlags } from "../src/cli/flags.ts";

const folder = mkdtempSync(join(tmpdir(), "tq-worker-"));
const path = join(folder, "worker.yaml");
const EXAMPLE = fileURLToPath(new URL("../../../config/worker.yaml", import.meta.url));

afterAll(() => rmSync(folder, { recursive: true }));

function flagsOf(text: string, line = "", env: Record<string, string> = {}) {
  writeFileSync(path, text);
  const argv = ["--config", path, ...line.split(" ").filter(Boolean)];
  const flags = parseFlags(argv, env, () => expect.unreachable("a text was printed"));
  if (flags === undefined) throw new Error("there are no flags");
  return flags;
}

function refusal(text: string, env: Record<string, string> = {}): string {
  try {
    flagsOf(text, "", env);
  } catch (error) {
    if (error instanceof StartError) return `${error.status} ${error.message}`;
    throw error;
  }
  throw new Error("it was accepted");
}

test("--config without a path is no start without a file", () => {
  const parse = () => parseFlags(["--config"], {}, () => expect.unreachable());
  expect(parse).toThrow("--config needs the path of a file");
});

describe("the file of --config", () => {
  test("says what the flags say", () => {
    const flags = flagsOf(`
broker_addr: [a:1, b:2]
concurrency: 8
heartbeat-interval-secs: 2.5
queues: [x, y]
types: t
labels: { zone: a, gpu: "no" }
health_port: 0
log_level: WARN
exec_allow: { cat: /bin/cat, sh: /bin/sh }
http_deny_private: "yes"
name:
`);
    expect(flags).toMatchObject({
      brokerAddr: "a:1,b:2",
      concurrency: 8,
      heartbeatIntervalSecs: 2.5,
      queues: ["x", "y"],
      types: ["t"],
      labels: { zone: "a", gpu: "no" },
      name: "",
      healthPort: 0,
      healthPortGiven: true,
      logLevel: "warn",
      execAllow: new Map([
        ["cat", "/bin/cat"],
        ["sh", "/bin/sh"],
      ]),
      httpDenyPrivate: true,
    });
  });

  test("JSON will do, and so will a file that says nothing", () => {
    expect(flagsOf('{"concurrency": 3, "queues": ["a"]}')).toMatchObject({
      concurrency: 3,
      queues: ["a"],
    });
    expect(flagsOf("# nothing\n").concurrency).toBe(4);
  });

  test("a flag wins over the environment, and that over the file", () => {
    const text = "concurrency: 8\nprefetch: 8\nname: file\n";
    const env = { TQ_PREFETCH: "9", WORKER_ID: "environment" };
    expect(flagsOf(text, "--name flag", env)).toMatchObject({
      concurrency: 8,
      prefetch: 9,
      name: "flag",
    });
  });

  test("may be that of a broker: its section worker is read, the others are named", () => {
    const flags = flagsOf(`
broker:
  host: 0.0.0.0
monitoring:
worker:
  pool_size: 7
  heartbeat_interval_secs: 12
  lease_timeout_secs: 30
  timeout: 5m
  queues: [x, y]
log_level: warn
`);
    expect(flags).toMatchObject({
      concurrency: 7,
      heartbeatIntervalSecs: 12,
      queues: ["x", "y"],
      logLevel: "warn",
    });
    expect(flags.notes.map((note) => note.replace(/^\S+worker\.yaml/, ""))).toEqual([
      ":2: broker: it is for tq-broker, and not read here",
      ":8: worker.lease_timeout_secs has no effect here: " +
        "it is the broker's, which tells it to each worker",
      ":9: worker.timeout has no effect here: how long a run may take is timeout_ms of its task",
    ]);
    expect(flagsOf("concurrency: 3\n").notes).toEqual([]);
    expect(flagsOf("worker:\n  concurrency: 3\n  pool_size: 3\n").concurrency).toBe(3);
    const paced = flagsOf("worker:\n  heartbeat_interval_secs: 1m30s\n");
    expect(paced.heartbeatIntervalSecs).toBe(90);
    expect(flagsOf("heartbeat_interval_secs: 500ms\n").heartbeatIntervalSecs).toBe(0.5);
  });

  test.each([
    ["worker: { size: 8 }", /^78 \S+:1: worker\.size: there is no such key; there are concurrency/],
    ["worker: { pool_size: 0 }", /^78 \S+:1: worker\.pool_size: "0" is not a whole number/],
    [
      "worker: { heartbeat_interval_secs: 90m }",
      /:1: worker\.heartbeat_interval_secs: "90m" is not a number from 0\.1 to 3600, or a duration/,
    ],
    ["worker: 4", /:1: worker: there is no such option/],
    [
      "concurrency: 3\nworker:\n  pool_size: 4",
      /:3: worker\.pool_size: it says another thing than \S+:1: concurrency$/,
    ],
    ["concurency: 8", /^78 \S+worker\.yaml:1: concurency: .*did you mean "concurrency"\?$/],
    ["a: 1\n\nlables: {}", /:1: a: [^\n]*there are broker_addr.*\n\S+:3: lables: .*"labels"\?$/s],
    ["config: other.yaml", /there is no such option/],
    ["http_deny_private: perhaps", /^78 \S+worker\.yaml:1: .*"perhaps" is not true or false/],
    ["concurrency: 0", /^78 \S+worker\.yaml:1: concurrency: "0" is not a whole number from 1/],
    ["queues: { a: b }", /:1: queues: it must be a single value or a list/],
    ["concurrency: [1]", /:1: concurrency: it must be a single value$/],
    ['queues: ["a,b"]', /without commas in it/],
    ["exec_allow: { cat: /nowhere }", /:1: exec_allow: "cat=\/nowhere" is not the path of an exec/],
    ["api_key_file: /nowhere", /^78 \S+:1: api_key_file: ENOENT/],
    ["- a", /no map of options/],
    ["a: [", /^78 \S+worker\.yaml: .*line 1/],
    ["__proto__: { concurrency: 1 }", /there is no such option/],
    [`a: &a [x, x]\n${bomb()}`, /^78 /],
  ])("refuses %j", (text, expected) => {
    expect(refusal(text)).toMatch(expected);
  });

  test("tells all wrong values, whatever they come from, and no more than these", () => {
    const text = "concurrency: 0\nprefetch: 1\nlog_level: loud\napi_key_file: /nowhere\n";
    const lines = refusal(text, { TQ_GRACE_SECS: "soon" }).split("\n");
    expect(lines).toEqual([
      expect.stringMatching(/^78 \S+:1: concurrency: "0" is not a whole number/),
      expect.stringMatching(/^TQ_GRACE_SECS: "soon" is not a number from/),
      expect.stringMatching(/:3: log_level: "loud" is not one of/),
      expect.stringMatching(/:4: api_key_file: ENOENT/),
    ]);
  });

  test("one that is not there, and one that is something else", () => {
    const gone = () => parseFlags(["--config", "/nowhere.yaml"], {}, () => {});
    expect(gone).toThrow("--config: ENOENT");
    expect(refusal("#".repeat(300_000))).toContain("is longer than");
  });

  test("the example names every option, with its default", () => {
    const example = readFileSync(EXAMPLE, "utf8");
    const named = [...example.matchAll(/^(?:# )?([a-z_]+):/gm)].map(([, name]) => name);
    const missing = Object.keys(FLAGS).filter((name) => {
      return !named.includes(name.replaceAll("-", "_"));
    });
    const others = ["config", "check-config", "tls", "tls-cert", "tls-key"];
    expect(missing).toEqual(others);
    const { healthPortGiven: _, ...defaults } = parseFlags([], {}, () => {})!;
    expect(flagsOf(example)).toMatchObject(defaults);
  });
});

function bomb(): string {
  const line = (n: number) => `k${n}: &k${n} [${"*k".concat(String(n - 1), ",").repeat(9)}]`;
  const lines = Array.from({ length: 9 }, (_, n) => line(n + 1));
  return ["k0: &k0 [x]", ...lines].join("\n");
}

describe("--check-config", () => {
  const program = fileURLToPath(new URL("../bin/tq-worker.js", import.meta.url));

  function check(text: string) {
    writeFileSync(path, text);
    const argv = [program, "--check-config", "--config", path];
    const env = { PATH: process.env["PATH"] };
    return spawnSync(process.execPath, argv, { encoding: "utf8", env });
  }

  test("says what the start would say, handlers included, and opens nothing", () => {
    expect(check("broker_addr: 127.0.0.1:1\n")).toMatchObject({
      status: 0,
      stdout: "the options are valid\n",
      stderr: "",
    });
    const { status, stderr } = check("handlers: /nowhere.mjs\n");
    expect(status).toBe(78);
    expect(stderr).toContain("there is no /nowhere.mjs");
    expect(check("types: [gone]\n").stderr).toContain('there is no handler for "gone"');
  });
});
