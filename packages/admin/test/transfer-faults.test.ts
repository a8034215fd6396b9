/** What is wrong with a file, a command line or an output is told in words, and in no others. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { createWorker } from "../../worker/src/index.ts";
import { StandardOutput } from "../src/output/standard-output.ts";
import { openBroker, temporaryFolder } from "./real-broker.ts";
import { HOUR_MS, header, queueLine, read, taskLine, write } from "./transfer-file.ts";

test("fields of other types are told by their line before anything is made", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "types");
  const now = Date.now();
  const cases: [object, string][] = [
    [{ tags: 5 }, "tags is no list of texts"],
    [{ tags: ["a", 5] }, "tags is no list of texts"],
    [{ payload_base64: "!!notb64" }, "payload_base64 is no base64"],
    [{ retry: [] }, "retry is no JSON object"],
    [{ retry: { delays_ms: ["1"] } }, "retry.delays_ms is no list of numbers"],
    [{ retry: { jitter: {} } }, "retry.jitter is no number"],
    [{ metadata: "x" }, "metadata is no JSON object"],
    [{ run_at: 5 }, "run_at is no text"],
    [{ timeout_ms: "5" }, "timeout_ms is no number"],
    [{ depends_on: "x" }, "depends_on is no list of ids"],
    [{ delay_ms: 5 }, "delay_ms is no field of a submit"],
  ];
  for (const [more, why] of cases) {
    await write(file, [header(now), taskLine(now), taskLine(now, more)]);
    const { status, stderr } = await to.call(["import", file]);
    expect({ status, stderr }).toEqual({ status: 65, stderr: `tq-admin: ${file}:3: ${why}\n` });
  }
  expect(await to.client.queues()).toEqual([]);
});

test("bytes of the file never reach the terminal as they are", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "escape");
  const now = Date.now();
  const evil = "\u001b[2J\r\ntq-admin: all is well";
  const control = /\p{Control}/u;
  await writeFile(file, `{"kind":${evil}}\n`);
  const cut = await to.call(["import", file]);
  expect(cut.status).toBe(65);
  expect(cut.stderr.trimEnd()).not.toMatch(control);
  const lines = [queueLine(evil, {}), taskLine(now, { queue: evil })];
  await write(file, [header(now), ...lines, taskLine(now, { retry: { backoff: evil } })]);
  const told = await to.call(["import", file]);
  expect(told.status).toBe(1);
  expect(told.stderr.trimEnd().split("\n").join("")).not.toMatch(control);
  expect(told.stderr).toContain("\\u{1b}");
  expect(told.stderr).not.toMatch(/^tq-admin: all is well/m);
});

test("what cannot be read twice, or is compressed, is no file to import", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "zipped.gz");
  await writeFile(file, gzipSync("{}"));
  const zipped = await to.call(["import", file]);
  expect(zipped).toMatchObject({ status: 65, stderr: expect.stringContaining("gunzip") });
  for (const path of ["-", "/dev/null"]) {
    const refused = await to.call(["import", path]);
    expect(refused).toMatchObject({ status: 64, stderr: expect.stringContaining("needs a file") });
  }
  const exported = await to.call(["export", "-"]);
  expect(exported.stdout).toContain('"kind":"end"');
});

test("a queue that is not there is no empty export", async () => {
  const from = await openBroker();
  const file = join(await temporaryFolder(), "none");
  const refused = await from.call(["export", "--queue", "none", file]);
  expect(refused).toMatchObject({ status: 66, stderr: expect.stringContaining("none") });
  await expect(read(file)).rejects.toThrow("ENOENT");
});

test("an expiry that is over is told, unless it was said that it may be", async () => {
  const [from, to] = [await openBroker(), await openBroker()];
  const file = join(await temporaryFolder(), "expired");
  const now = Date.now();
  const expires_at = new Date(now - HOUR_MS).toISOString();
  await write(file, [header(now), taskLine(now, { expires_at })]);
  for (const [flags, status] of [
    [[], 1],
    [["--skip-expired"], 0],
    [["--dry-run"], 1],
  ] as const) {
    const done = await to.call(["import", file, ...flags]);
    expect(done.status).toBe(status);
    expect(JSON.parse(done.stdout)).toMatchObject({ made: 0, expired: 1 });
  }
  const worker = createWorker({
    servers: [from.servers],
    handlers: {
      hold: (_payload, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    },
  });
  await worker.start();
  await from.client.submit("hold", 1, { expiresInMs: HOUR_MS });
  await vi.waitFor(async () => {
    expect((await from.client.stats())["tasks"]).toMatchObject({ running: 1 });
  });
  const running = `${file}-running`;
  await from.call(["export", running]);
  await worker.stop({ graceMs: 0 });
  const [submit] = (await read(running)).submits.values();
  expect(submit).not.toHaveProperty("expires_at");
});

test("names of queues are checked, also for a dry run, whose answer knows no copies", async () => {
  const to = await openBroker();
  const file = join(await temporaryFolder(), "names");
  const now = Date.now();
  await write(file, [header(now), taskLine(now), taskLine(now, { expires_at: "soon" })]);
  const drawn: string[] = [];
  const terminal = { isStderrTerminal: true, stderr: (text: string) => void drawn.push(text) };
  for (const pair of ["mial=post", "default=a b"]) {
    const refused = await to.call(["import", file, "--dry-run", "--map-queue", pair], terminal);
    expect(refused).toMatchObject({ status: 64, stdout: "" });
  }
  const missing = `nothing in ${file} is in a queue mial`;
  expect(drawn.join("")).toContain(`\r\u001b[Ktq-admin: --map-queue: ${missing}\n`);
  const dry = JSON.parse((await to.call(["import", file, "--dry-run"])).stdout);
  expect(dry).toMatchObject({ made: 2, dry_run: true });
  expect(dry).not.toHaveProperty("duplicate");
  const { stderr } = await to.call(["import", file]);
  expect(stderr).toContain(`${file}:3: invalid_request: expires_at: `);
});

test("an export that cannot be written says so, without a stack", async () => {
  const from = await openBroker();
  const failing = (code: string) => ({
    stdoutAll: () => Promise.reject(Object.assign(new Error(`${code}: it failed`), { code })),
  });
  const closed = await from.call(["export"], failing("EPIPE"));
  const early = "tq-admin: standard output: closed before the export was whole\n";
  expect(closed).toMatchObject({ status: 75, stderr: early });
  const full = await from.call(["export"], failing("ENOSPC"));
  const why = "tq-admin: standard output: ENOSPC: it failed\n";
  expect(full).toMatchObject({ status: 75, stderr: why });
});

test("standard output waits for its reader, and tells of its end whoever waits", async () => {
  let take: (error?: Error) => void = () => {};
  const stream = new Writable({
    write: (_chunk, _encoding, done) => {
      take = done;
    },
  });
  const output = new StandardOutput(stream);
  const exits: number[] = [];
  output.guard((status) => void exits.push(status));
  let isTaken = false;
  const first = output.writeAll("a").then(() => {
    isTaken = true;
  });
  await Promise.resolve();
  expect(isTaken).toBe(false);
  take();
  await first;
  const second = output.writeAll("b");
  take(Object.assign(new Error("gone"), { code: "EPIPE" }));
  await expect(second).rejects.toThrow("gone");
  expect(exits).toEqual([]);
  const plain = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("gone"), { code: "EPIPE" })),
  });
  const listed = new StandardOutput(plain);
  listed.guard((status) => void exits.push(status));
  listed.write("a");
  await vi.waitFor(() => expect(exits).toEqual([0]));
});
