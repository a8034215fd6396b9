/**
 * What a log comes to is no matter of where its machine stands: processes with other time zones,
 * languages and orders of letters replay the same random log to the same hash and the same records.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { Driver } from "./harness.ts";
import { NaiveModel } from "./naive-model.ts";
import { RandomCommands, STEPS_MS } from "./random-commands.ts";

const MACHINE = fileURLToPath(new URL("../../dist/queue/index.js", import.meta.url));
const COMMANDS = 600;
const PLACES = [
  { TZ: "UTC", LC_ALL: "C" },
  { TZ: "Asia/Kathmandu", LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8" },
  { TZ: "Pacific/Apia", LC_ALL: "ar_EG.UTF-8", LANG: "ar_EG.UTF-8" },
];

/** Replays the log in the file given, with a flush at its end, and says what it has come to. */
const REPLAY = `
  import { createHash } from "node:crypto";
  import { readFileSync } from "node:fs";
  const [machinePath, logPath] = process.argv.slice(1);
  const { decodeBatch, QueueMachine } = await import(machinePath);
  const machine = new QueueMachine({ get: () => undefined }, 0);
  for (const [at, entry] of JSON.parse(readFileSync(logPath, "utf8")).entries()) {
    if (typeof entry === "number") {
      machine.skip(at + 1);
      machine.raise(entry);
    } else machine.apply(at + 1, decodeBatch(new Uint8Array(Buffer.from(entry, "base64"))));
  }
  const hash = createHash("sha256");
  for (const { key, value } of machine.beginFlush().writes) {
    hash.update(key).update(value ?? "gone");
  }
  const place = new Date(0).toString() + (1234.5).toLocaleString();
  process.stdout.write(JSON.stringify([machine.effectHash, hash.digest("hex"), place]));
`;

const directory = mkdtempSync(join(tmpdir(), "tq-locale-"));
afterEach(() => rmSync(directory, { recursive: true }));

test("a log comes to the same in every time zone and language", () => {
  const driver = new Driver();
  const model = new NaiveModel();
  const commands = new RandomCommands(driver, model);
  driver.raise(++model.version);
  driver.raise(++model.version);
  const dice = fc.nat(999);
  const step = fc.record({
    kind: fc.integer({ min: 18, max: 99 }),
    a: dice,
    b: dice,
    c: dice,
    d: dice,
  });
  for (const given of fc.sample(step, COMMANDS)) {
    const command = commands.command(given);
    model.apply({ at: driver.now, commands: [command] });
    driver.apply(command);
    driver.now += STEPS_MS[given.d % STEPS_MS.length]!;
  }
  const path = join(directory, "log.json");
  const entries = driver.log.map((entry) => {
    return typeof entry === "number" ? entry : Buffer.from(entry).toString("base64");
  });
  writeFileSync(path, JSON.stringify(entries));
  const outcomes = PLACES.map((place) => {
    const args = ["--input-type=module", "-e", REPLAY, MACHINE, path];
    const env = { ...process.env, ...place };
    return JSON.parse(execFileSync(process.execPath, args, { env, encoding: "utf8" }));
  });
  expect(new Set(outcomes.map(([, , place]) => place)).size).toBe(PLACES.length);
  for (const [effectHash, records] of outcomes) {
    expect(effectHash).toBe(driver.machine.effectHash);
    expect(records).toBe(outcomes[0][1]);
  }
});
