/** SIGHUP: what takes effect, what waits, and what a wrong file changes, which is nothing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../src/config/load-config.ts";
import { createLogger } from "../src/observe/logger.ts";
import { reloader } from "../src/reload.ts";

/** Written lines as `level text`, with the fields of the last one. */
function recorder() {
  const lines: string[] = [];
  const fields: object[] = [];
  const write = (level: string) => (given: object, text: string) => {
    lines.push(`${level} ${text}`);
    fields.push(given);
  };
  const [debug, info, warn, error, fatal] = ["debug", "info", "warn", "error", "fatal"].map(write);
  const setLevel = (level: string) => void lines.push(`= ${level}`);
  const log = { debug, info, warn, error, fatal, setLevel, reopen() {}, flush() {} };
  return { lines, fields, log: log as ReturnType<typeof createLogger> };
}

function running(yaml: string) {
  const folder = mkdtempSync(join(tmpdir(), "tq-reload-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "config.yaml");
  writeFileSync(file, yaml);
  const sources = { argv: ["--config", file], env: {} };
  const recorded = recorder();
  const keys: string[][] = [];
  const rates: (object | undefined)[] = [];
  const noted: object[] = [];
  const reload = reloader(loadConfig(sources), sources, recorded.log, {
    replaceKeys: (given) => {
      keys.push(given.keys.map(({ name }) => name));
      rates.push(given.defaultRate);
    },
    noted: (deed) => void noted.push(deed),
  });
  const change = (next: string): string[] => {
    writeFileSync(file, next);
    recorded.lines.length = 0;
    reload();
    return [...recorded.lines];
  };
  return { ...recorded, change, folder, keys, rates, noted };
}

test("the log level takes effect at once, and is said once", () => {
  const { change } = running("");
  const changed = ["= info", "info log level changed"];
  expect(change("monitoring:\n  log_level: debug\n")).toEqual([...changed, "= debug"]);
  expect(change("monitoring:\n  log_level: debug\n")).toEqual([]);
  expect(change("monitoring:\n  log_level: error\n")).toEqual([...changed, "= error"]);
  expect(change("")).toEqual([...changed, "= info"]);
});

const HASH = "$2b$10$abcdefghijklmnopqrstuuOGLqBrz9SGpaH2c0tDbTbkSUAlTLDXG";

function withKeys(...names: readonly string[]): string {
  const keys = names.map((name) => {
    return `    - { name: ${name}, key_hash: "${HASH.slice(0, -1)}${name.at(-1)}", permissions: [admin] }\n`;
  });
  return `auth:\n  enabled: true\n  api_keys:\n${keys.join("")}`;
}

test("keys take effect at once, unless they are about to be turned off", () => {
  const { change, keys } = running(withKeys("a"));
  expect(change(withKeys("a", "b"))).toEqual([]);
  expect(change("")).toEqual(["warn changed settings wait for the next start"]);
  expect(keys).toEqual([["a", "b"]]);
});

test("the rate of all other keys takes effect at once", () => {
  const { change, rates } = running(withKeys("a"));
  const rate = "  default_rate_per_second: 5\n  default_burst: 9\n";
  expect(change(`${withKeys("a")}${rate}`)).toEqual([]);
  expect(change(withKeys("a"))).toEqual([]);
  expect(rates).toEqual([{ perSecond: 5, burst: 9 }, undefined]);
});

test("each is told for the audit log, with names and without values", () => {
  const { change, noted } = running("broker:\n  port: 7000\n");
  change("broker:\n  port: 7001\nmonitoring:\n  log_level: debug\n");
  change("brokr: {}\n");
  change("broker:\n  port: 7000\n");
  expect(noted).toEqual([
    { detail: "changed: broker.port monitoring.log_level" },
    { outcome: "invalid_request" },
    { detail: undefined },
  ]);
});

test("whatever else has changed is named, and waits", () => {
  const { change, fields } = running("broker:\n  port: 7000\n");
  const waits = ["warn changed settings wait for the next start"];
  expect(change("api:\n  rest_port: 7001\n")).toEqual(waits);
  expect(fields.at(-1)).toEqual({ keys: ["broker.port", "api.rest_port"] });
  expect(change("# as at the start\nbroker:\n  port: 7000\n")).toEqual([]);
});

test("a file that has become wrong changes nothing, and the log says what is wrong", () => {
  const { change, fields, folder } = running("");
  const wrong = "monitoring:\n  log_level: debug\nbroker:\n  prot: 1\n  port: x\n";
  expect(change(wrong)).toEqual([
    "error the settings have become wrong; nothing of them is in force",
  ]);
  const { problems } = fields.at(-1) as { problems: string[] };
  expect(problems.map((line) => line.replace(`${folder}/`, "").split(": ")[1])).toEqual([
    "broker.prot",
    "broker.port",
  ]);
});

test("the real log writes what the level lets through", () => {
  const folder = mkdtempSync(join(tmpdir(), "tq-reload-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "log");
  const log = createLogger({ level: "info", file, nodeId: "n1" });
  log.debug({}, "one");
  log.setLevel("debug");
  log.debug({}, "two");
  log.setLevel("error");
  log.warn({}, "three");
  log.flush();
  const texts = readFileSync(file, "utf8").trim().split("\n");
  expect(texts.map((line) => JSON.parse(line).msg)).toEqual(["two"]);
});
