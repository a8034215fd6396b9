/** Mistakes that everybody makes once are told by what was named, not by what the system calls it. */
import { readFileSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { admin } from "./doubles.ts";
import { openBroker, temporaryFolder } from "./real-broker.ts";

const REAL = { readFile: (path: string) => readFileSync(path, "utf8") };

test.each([
  ["stats --tls-ca /none", 78, "--tls-ca: there is no such file: /none"],
  ["stats --config /none", 78, "--config: there is no such file or folder: /none"],
  ["stats --api-key-file /none", 78, "--api-key-file: there is no such file or folder: /none"],
  ["submit t --payload @/none", 66, "--payload: there is no such file or folder: /none"],
  ["submit t --payload @", 64, '--payload: "@" is not a file: write its name behind the @'],
  ["import /none", 66, "there is no such file or folder: /none"],
  ["snapshot verify /none", 66, "there is no such file or folder: /none"],
  ["snapshot inspect /none", 66, "there is no such file or folder: /none"],
  ["snapshot extract /none", 66, "there is no such file or folder: /none"],
] as const)("%s", async (line, status, words) => {
  const result = await admin(line, undefined, REAL);
  expect([result.status, result.stderr]).toEqual([status, `tq-admin: ${words}\n`]);
});

test("a backup into a folder that is not there", async () => {
  const broker = await openBroker();
  const folder = await temporaryFolder();
  const gone = join(folder, "gone");
  const { status, stderr } = await broker.call(["create-snapshot", join(gone, "s")]);
  expect([status, stderr]).toEqual([66, `tq-admin: there is no such file or folder: ${gone}\n`]);
  await mkdir(gone);
  expect((await broker.call(["create-snapshot", join(gone, "s")])).status).toBe(0);
  expect(await readdir(gone)).toEqual(["s"]);
});

test("what list writes is no export, and where its way is described is said", async () => {
  const broker = await openBroker();
  await broker.client.submit("t", 1);
  const file = join(await temporaryFolder(), "tasks.json");
  for (const format of ["json", "jsonl"]) {
    await writeFile(file, (await broker.call(["list", "-o", format])).stdout);
    const { status, stderr } = await broker.call(["import", file]);
    expect(status).toBe(65);
    expect(stderr).toContain(`${file}: it is JSON, but no export`);
    expect(stderr).toContain("docs/moving-data.md");
  }
  await writeFile(file, "[\n  {}\n]\n");
  expect((await broker.call(["import", file])).stderr).toContain("it is JSON, but no export");
});

test("figures of the storage are numbers", async () => {
  const broker = await openBroker();
  const { storage } = JSON.parse((await broker.call(["stats"])).stdout);
  expect(storage.memory_bytes).toBeGreaterThan(0);
});
