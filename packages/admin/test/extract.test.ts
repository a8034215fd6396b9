/** `tq-admin snapshot extract`: what a backup holds, without the broker that it was taken from. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { EXIT } from "../src/exit-status.ts";
import { openBroker, temporaryFolder } from "./real-broker.ts";

/** With nobody to ask. */
const NOBODY = { connect: () => expect.unreachable("it asks a broker") as never };

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Two tasks that wait, one on the other, and one that is cancelled; and where extracts may write. */
async function backup(...flags: string[]) {
  const broker = await openBroker();
  const { client } = broker;
  const parent = await client.submit("work", { n: 1 }, { queue: "mail", tags: ["a"] });
  await client.submit("work", { n: 2 }, { queue: "later", dependsOn: [parent.id] });
  await client.queue("mail").set({ concurrency: 7 });
  const { id } = await client.submit("work", { n: 3 });
  await client.cancel(id, "not wanted");
  const folder = await temporaryFolder();
  const path = join(folder, "s");
  expect(await broker.call(["create-snapshot", path, ...flags])).toMatchObject({ status: 0 });
  const temporary = await temporaryFolder();
  vi.stubEnv("TMPDIR", temporary);
  return { broker, path, temporary };
}

function linesOf(text: string) {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("it is what an export would have said, and an import takes it", async () => {
  const { broker, path, temporary } = await backup();
  const exported = await broker.call(["export", "--finished"]);
  const extracted = await broker.call(["snapshot", "extract", path], NOBODY);
  expect(extracted.status).toBe(EXIT.ok);
  expect(extracted.stderr).toBe("2 tasks extracted, 1 that had ended, settings of 1 queues\n");
  const [header, ...lines] = linesOf(extracted.stdout);
  const [other, ...expected] = linesOf(exported.stdout);
  const body = (all: { kind: string }[]) => all.filter(({ kind }) => /queue|task/.test(kind));
  expect(body(lines)).toEqual(body(expected));
  expect(header).toMatchObject({ format: other.format, cluster_id: other.cluster_id });
  expect(await readdir(temporary)).toEqual([]);
  const file = join(await temporaryFolder(), "x.jsonl");
  await writeFile(file, extracted.stdout);
  const imported = await broker.call(["import", "--dry-run", file]);
  expect(imported).toMatchObject({ status: EXIT.ok, stderr: "" });
});

test.each([
  [["--queue", "mail"], [1]],
  [["--state", "cancelled"], [3]],
  [["--status", "blocked"], [2]],
  [["--queue", "mail", "--state", "cancelled"], []],
])("%s lets through tasks %s", async (filter, numbers) => {
  const { broker, path } = await backup();
  const { stdout, status } = await broker.call(["snapshot", "extract", path, ...filter], NOBODY);
  const tasks = linesOf(stdout).filter(({ kind }) => kind === "task");
  expect([status, tasks.map(({ submit }) => submit.payload.n)]).toEqual([EXIT.ok, numbers]);
});

test("with the key of an encrypted one, and not without", async () => {
  const key = join(await temporaryFolder(), "key");
  await writeFile(key, "7".repeat(64));
  const { broker, path } = await backup("--key-file", key);
  const locked = await broker.call(["snapshot", "extract", path], NOBODY);
  expect(locked).toMatchObject({ status: EXIT.config, stdout: "" });
  const opened = await broker.call(["snapshot", "extract", path, "--key-file", key], NOBODY);
  expect(linesOf(opened.stdout).at(-1)).toMatchObject({ live: 2, finished: 1 });
});

test("of a damaged one not a line, and nothing stays behind", async () => {
  const { broker, path, temporary } = await backup();
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
  const { status, stdout, stderr } = await broker.call(["snapshot", "extract", path], NOBODY);
  expect([status, stdout]).toEqual([EXIT.data, ""]);
  expect(stderr).toContain(path);
  expect(await readdir(temporary)).toEqual([]);
});

test("a queue that is not in it is told with its neighbour, and Ctrl-C leaves nothing", async () => {
  const { broker, path, temporary } = await backup();
  const wrong = await broker.call(["snapshot", "extract", path, "--queue", "mial"], NOBODY);
  expect(wrong).toMatchObject({ status: EXIT.notFound, stdout: "" });
  expect(wrong.stderr).toContain('did you mean "mail"?');
  const interrupted = () => AbortSignal.abort();
  const stopped = await broker.call(["snapshot", "extract", path], { ...NOBODY, interrupted });
  expect(stopped).toMatchObject({ status: EXIT.temporary, stdout: "" });
  expect(await readdir(temporary)).toEqual([]);
});
