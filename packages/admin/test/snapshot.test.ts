/** `tq-admin create-snapshot` and `snapshot` against a real broker, and where there is none. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TqError } from "task-queue-client";
import { expect, test } from "vitest";
import { EXIT } from "../src/exit-status.ts";
import { type AdminClient, PROCESS_IO } from "../src/index.ts";
import { openBroker, replacing, temporaryFolder } from "./real-broker.ts";

async function someTasks() {
  const broker = await openBroker();
  for (let n = 0; n < 5; n++) await broker.client.submit("work", { n });
  const folder = await temporaryFolder();
  return { broker, folder, path: join(folder, "s") };
}

/** With nobody to ask. */
const NOBODY = { connect: () => expect.unreachable("it asks a broker") as never };

test("a snapshot is a file for its owner, which can be inspected and verified", async () => {
  const { broker, folder, path } = await someTasks();
  const made = await broker.call(["create-snapshot", path]);
  expect(made).toMatchObject({ status: EXIT.ok, stderr: "" });
  const { bytes, sha256 } = JSON.parse(made.stdout);
  const { size, mode } = await stat(path);
  expect([bytes, mode & 0o777]).toEqual([size, 0o600]);
  expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  const inspected = await broker.call(["snapshot", "inspect", path], NOBODY);
  const { cluster_id } = await broker.client.cluster();
  expect(JSON.parse(inspected.stdout)).toMatchObject({ cluster_id, tasks: { pending: 5 } });
  const verified = await broker.call(["snapshot", "verify", path, "-o", "table"], NOBODY);
  expect(verified.status).toBe(EXIT.ok);
  expect(verified.stdout).toMatch(/verdict +whole: all \d+ records can be read/);
  expect(verified.stdout).toMatch(/tasks +5 pending/);
  expect(await readdir(folder)).toEqual(["s"]);
});

test("what is there already is replaced only by force", async () => {
  const { broker, path } = await someTasks();
  await writeFile(path, "mine");
  const refused = await broker.call(["create-snapshot", path]);
  expect(refused.status).toBe(EXIT.usage);
  expect(refused.stderr).toContain("--force replaces it");
  expect(await readFile(path, "utf8")).toBe("mine");
  expect((await broker.call(["create-snapshot", path, "--force"])).status).toBe(EXIT.ok);
  expect((await broker.call(["snapshot", "verify", path])).status).toBe(EXIT.ok);
});

test("an empty path is a variable that is not set, and not standard output", async () => {
  const { broker } = await someTasks();
  const words = [
    ["create-snapshot", "--force", ""],
    ["export", ""],
    ["import", ""],
  ];
  for (const argv of words) {
    const refused = await broker.call(argv, NOBODY);
    expect(refused).toMatchObject({ status: EXIT.usage, stdout: "" });
    expect(refused.stderr).toContain("is empty; is it a variable that is not set?");
  }
});

test("Ctrl-C leaves nothing behind", async () => {
  const { broker, folder, path } = await someTasks();
  const controller = new AbortController();
  const change = (client: AdminClient) =>
    replacing(client, {
      snapshot: async function* () {
        yield Buffer.from("the beginning");
        expect((await readdir(folder)).length).toBe(1);
        controller.abort();
        await new Promise(() => {});
      },
    });
  const stopped = await broker.call(["create-snapshot", path], {
    interrupted: () => controller.signal,
    connect: (options) => change(PROCESS_IO.connect(options)),
  });
  expect(stopped.status).toBe(EXIT.temporary);
  expect(stopped.stderr).toContain("interrupted");
  expect(await readdir(folder)).toEqual([]);
});

test("to standard output goes the snapshot itself, and not to a terminal", async () => {
  const { broker, path } = await someTasks();
  const pieces: Uint8Array[] = [];
  const stdoutAll = async (piece: string | Uint8Array) => void pieces.push(Buffer.from(piece));
  const piped = await broker.call(["create-snapshot", "-"], { stdoutAll });
  expect(piped).toMatchObject({ status: EXIT.ok, stdout: "" });
  expect(piped.stderr).toMatch(/^\d+ bytes written, SHA-256 [0-9a-f]{64}\n$/);
  await writeFile(path, Buffer.concat(pieces));
  expect((await broker.call(["snapshot", "verify", path])).status).toBe(EXIT.ok);
  const terminal = await broker.call(["create-snapshot", "-"], { isTerminal: true });
  expect(terminal.status).toBe(EXIT.usage);
});

test("an encrypted one is of use with its key alone", async () => {
  const { broker, folder, path } = await someTasks();
  const key = join(folder, "key");
  await writeFile(key, "5a".repeat(32));
  await broker.call(["create-snapshot", path, "--key-file", key]);
  const inspected = await broker.call(["snapshot", "inspect", path, "--key-file", key]);
  expect(JSON.parse(inspected.stdout)).toMatchObject({ tasks: { pending: 5 } });
  const without = await broker.call(["snapshot", "verify", path]);
  expect(without.status).toBe(EXIT.config);
  expect(without.stderr).toContain("is encrypted: --key-file names its key");
  await writeFile(key, "5b".repeat(32));
  const wrong = await broker.call(["snapshot", "verify", path, "--key-file", key]);
  expect(wrong.status).toBe(EXIT.data);
});

test("what is wrong with a file is told with its name", async () => {
  const { broker, path } = await someTasks();
  expect((await broker.call(["snapshot", "inspect", path], NOBODY)).status).toBe(EXIT.notFound);
  await broker.call(["create-snapshot", path]);
  const whole = await readFile(path);
  await writeFile(path, whole.subarray(0, -1));
  const cut = await broker.call(["snapshot", "verify", path], NOBODY);
  expect(cut.status).toBe(EXIT.data);
  expect(cut.stderr).toContain(`${path}: the snapshot is damaged: it is cut short`);
  const nowhere = await broker.call(["create-snapshot", join(path, "in-a-file")]);
  expect(nowhere.status).toBe(EXIT.notFound);
});

test("what went to standard output before it was broken off is said to be no snapshot", async () => {
  const { broker } = await someTasks();
  const broken = await broker.callWith(
    (client) => {
      const snapshot = async function* () {
        yield Buffer.from("half of it");
        throw new TqError("no_leader", "no leader could be reached; nothing was done");
      };
      return replacing(client, { snapshot });
    },
    "create-snapshot",
    "-",
  );
  expect(broken).toMatchObject({ status: EXIT.temporary, stdout: "half of it" });
  expect(broken.stderr).toContain("no_leader: broken off after 10 bytes, which are no snapshot");
  expect(broken.stderr).not.toContain("nothing was done");
});

test("a download that its broker cannot go on with is begun anew, a few times", async () => {
  const { broker, folder, path } = await someTasks();
  let begun = 0;
  const failing = (times: number, to = path) => {
    begun = 0;
    return broker.callWith(
      (client) => {
        const snapshot = async function* () {
          begun++;
          yield Buffer.from("half of it");
          if (begun <= times) throw new TqError("position_compacted", "it is gone");
          yield* client.snapshot();
        };
        return replacing(client, { snapshot });
      },
      "create-snapshot",
      to,
    );
  };
  const lucky = await failing(2);
  expect([lucky.status, begun]).toEqual([EXIT.ok, 3]);
  expect(lucky.stderr).toContain("beginning anew");
  const other = join(folder, "other");
  const gaveUp = await failing(9, other);
  expect([gaveUp.status, begun]).toEqual([EXIT.data, 3]);
  expect(await readdir(folder)).toEqual(["s"]);
});
