/**
 * Restoring into a data directory: once, into an empty one, all or nothing. What comes out is a
 * cluster of its own in which nothing of the old one is running any more.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { restoreFirst } from "../../src/backup/restore.ts";
import { RESTORE_NOTE, readRestoreNote, writeRestoreNote } from "../../src/backup/restore-note.ts";
import { memberOf } from "../../src/cluster-bus.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { EXIT } from "../../src/exit-status.ts";
import { loadQueue } from "../../src/load-queue.ts";
import { decodeBatch } from "../../src/queue/index.ts";
import { decodeRoster } from "../../src/replica/index.ts";
import { openDataDir } from "../../src/storage/data-dir.ts";
import { bytesOf, makeId } from "../queue/harness.ts";
import { CLUSTER, filledNode } from "../snapshots/harness.ts";
import { backupOf, bytesOfBackup, fileWith, namesIn, temporaryFolder } from "./harness.ts";

async function restore(dataDir: string, ...args: string[]): Promise<string[]> {
  const argv = ["--node-id", "a", "--data-dir", dataDir, ...args];
  const config = loadConfig({ argv, env: {} });
  const lines: string[] = [];
  const push = (_fields: object, text: string) => lines.push(text);
  const log = { info: push, warn: push };
  await restoreFirst({ config, log, memberAs: (incarnation) => memberOf(config, incarnation) });
  return lines;
}

async function open(path: string) {
  return await openDataDir({ path, nodeId: "a", maxConnections: 1 });
}

describe("a restore", () => {
  test("begins another cluster, of one, with the same tasks", async () => {
    const folder = await temporaryFolder();
    const node = await filledNode();
    const file = await fileWith(folder, "s", await bytesOfBackup(node));
    const path = join(folder, "data");
    await restore(path, "--restore", file);
    const data = await open(path);
    const { formation, hardState, nodeId } = data.identity.identity;
    expect([nodeId, formation?.members.map(({ id, voter }) => [id, voter])]).toEqual([
      "a",
      [["a", true]],
    ]);
    expect(formation?.clusterId).toMatch(/^[0-9a-f]{32}$/);
    expect(formation?.clusterId).not.toBe(CLUSTER);
    expect(hardState).toEqual({ term: 1, vote: undefined });
    expect(data.verdict.kind).toBe("clean");
    expect(decodeRoster(data.states.live.mark.membership).members).toEqual(formation?.members);
    const queue = await loadQueue(data.states.live);
    expect(queue.applied).toBe(node.queue.applied);
    expect(queue.counts()).toEqual(node.queue.counts());
    await data.close();
  });

  test("has the keys that the cluster kept", async () => {
    const folder = await temporaryFolder();
    const node = await filledNode(10);
    node.queue.raise(4);
    await node.apply({
      type: "createKey",
      id: makeId(99),
      name: "shop",
      verifier: bytesOf("digest"),
      permissions: ["read_tasks"],
      createdBy: "root",
      expiresAt: 0,
    });
    await node.flush();
    const path = join(folder, "data");
    await restore(path, "--restore", await fileWith(folder, "s", await bytesOfBackup(node)));
    const data = await open(path);
    const queue = await loadQueue(data.states.live);
    expect(queue.accessKeys()).toEqual(node.queue.accessKeys());
    expect(queue.accessKeys()).toMatchObject([{ name: "shop" }]);
    await data.close();
  });

  test("takes back what was running, and gives no token twice", async () => {
    const folder = await temporaryFolder();
    const node = await filledNode();
    const tokens = node.queue.leases("w1").map(({ token }) => token);
    expect(tokens.length).toBe(3);
    const file = await fileWith(folder, "s", await bytesOfBackup(node));
    const path = join(folder, "data");
    await restore(path, "--restore", file);
    const data = await open(path);
    const queue = await loadQueue(data.states.live);
    const { entries } = await data.log.read(queue.applied + 1, 1_000_000);
    expect(entries.length).toBe(1);
    queue.apply(entries[0]!.index, decodeBatch(entries[0]!.data));
    expect(queue.sessions()).toEqual([]);
    expect(queue.counts()).toMatchObject({ running: 0, pending: 50 });
    const [again] = node.queue.sessions();
    const { queues, types, labels, concurrency, version, leaseMs } = again!;
    const register = { queues, types, labels, concurrency, version, leaseMs };
    queue.apply(queue.applied + 1, {
      at: queue.clock,
      commands: [
        { type: "register", session: "w2", secret: new Uint8Array(16), name: "w", ...register },
        { type: "lease", session: "w2", count: 5 },
      ],
    });
    const given = queue.leases("w2").map(({ token }) => token);
    expect(given.length).toBe(5);
    expect(Math.min(...given)).toBeGreaterThan(2 ** 44);
    queue.checkInvariants();
    await data.close();
  });

  test("is done once: the same again changes nothing, another one is refused", async () => {
    const folder = await temporaryFolder();
    const file = await fileWith(folder, "s", await backupOf());
    const path = join(folder, "data");
    await restore(path, "--restore", file);
    const before = await readFile(join(path, "identity"));
    expect((await restore(path, "--restore", file))[0]).toContain("was begun from this backup");
    await restore(path);
    expect(await readFile(join(path, "identity"))).toEqual(before);
    const other = await fileWith(folder, "other", await backupOf());
    await expect(restore(path, "--restore", other)).rejects.toThrow("begun from another backup");
  });

  test("that is done needs neither its file nor its key at a later start", async () => {
    const folder = await temporaryFolder();
    const file = await fileWith(folder, "s", await backupOf());
    const path = join(folder, "data");
    await restore(path, "--restore", file);
    const lost = ["--restore", file, "--restore-key-file", join(folder, "none")];
    expect((await restore(path, ...lost))[0]).toContain("leave out --restore");
    await rm(file);
    expect((await restore(path, "--restore", file))[0]).toMatch(/was begun from .*ENOENT/);
  });

  test("that was broken off is done anew, and its directory is nobody's until then", async () => {
    const folder = await temporaryFolder();
    const file = await fileWith(folder, "s", await backupOf());
    const path = join(folder, "data");
    await restore(path, "--restore", file);
    const note = await readRestoreNote(path);
    await writeRestoreNote(path, { ...note!, phase: "writing" });
    // As a crash may leave it: some of it there, some of it not.
    await rm(join(path, "state.pointer"));
    await expect(restore(path)).rejects.toThrow("was broken off");
    await restore(path, "--restore", file);
    const data = await open(path);
    expect((await loadQueue(data.states.live)).counts()).toMatchObject({ pending: 47 });
    await data.close();
  });

  test("that is still under way is left alone", async () => {
    const folder = await temporaryFolder();
    const file = await fileWith(folder, "s", await backupOf());
    const path = join(folder, "data");
    await restore(path, "--restore", file);
    const note = await readRestoreNote(path);
    const other = await open(path);
    await writeRestoreNote(path, { ...note!, phase: "writing" });
    const before = await namesIn(path);
    const refused = restore(path, "--restore", file);
    await expect(refused).rejects.toThrow("is in use by another");
    await expect(refused).rejects.toMatchObject({ exitStatus: EXIT.cannotCreate });
    expect(await namesIn(path)).toEqual(before);
    await other.close();
    await restore(path, "--restore", file);
  });

  test("that was broken off while it noted that it begins is done anew, too", async () => {
    const folder = await temporaryFolder();
    const file = await fileWith(folder, "s", await backupOf());
    const path = join(folder, "data");
    await mkdir(path);
    await writeFile(join(path, `${RESTORE_NOTE}.0123abcd.new`), "tq resto");
    await restore(path, "--restore", file);
    expect(await namesIn(path)).not.toContain(`${RESTORE_NOTE}.0123abcd.new`);
    await (await open(path)).close();
  });

  test("into a directory with anything in it is refused, and changes nothing", async () => {
    const folder = await temporaryFolder();
    const file = await fileWith(folder, "s", await backupOf());
    const path = join(folder, "data");
    await mkdir(join(path, "lost+found"), { recursive: true });
    await writeFile(join(path, "something"), "");
    await expect(restore(path, "--restore", file)).rejects.toThrow("there is something");
    expect(await namesIn(path)).toEqual(["lost+found", "something"]);
    await rm(join(path, "something"));
    await restore(path, "--restore", file);
  });

  test.each([
    ["a flipped bit", (bytes: Buffer) => bytes.fill(bytes[900]! ^ 1, 900, 901), "is damaged"],
    ["a lost end", (bytes: Buffer) => bytes.subarray(0, -40), "cut short"],
    ["another program's file", () => Buffer.from("SQLite format 3\0, and so on"), "begin as one"],
    ["nothing", () => Buffer.alloc(0), "cut short"],
  ] as const)("from %s is refused before anything is written", async (_what, change, why) => {
    const folder = await temporaryFolder();
    const file = await fileWith(folder, "s", change(await backupOf()));
    const path = join(folder, "data");
    await expect(restore(path, "--restore", file)).rejects.toThrow(why);
    expect(await namesIn(folder)).toEqual(["s"]);
  });

  test("of a cluster that is too new is refused before anything is written", async () => {
    const folder = await temporaryFolder();
    const node = await filledNode();
    const text = Buffer.from(node.membership).toString().replace('"version":1', '"version":9');
    node.membership = Buffer.from(text);
    await node.submit(10);
    await node.flush();
    const file = await fileWith(folder, "s", await bytesOfBackup(node));
    const path = join(folder, "data");
    await expect(restore(path, "--restore", file)).rejects.toThrow("start a newer tq-broker");
    expect(await namesIn(folder)).toEqual(["s"]);
  });

  test("from a file that is not there, or without its key, says which", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "data");
    await expect(restore(path, "--restore", join(folder, "none"))).rejects.toThrow("ENOENT");
    await expect(restore(path, "--restore", folder)).rejects.toThrow("is a folder, not a backup");
    const file = await fileWith(folder, "s", await backupOf());
    const args = ["--restore", file, "--restore-key-file", join(folder, "none")];
    await expect(restore(path, ...args)).rejects.toThrow("the key file");
    expect(await namesIn(folder)).toEqual(["s"]);
  });

  test("leaves a note that is believed only whole", async () => {
    const folder = await temporaryFolder();
    await writeRestoreNote(folder, { phase: "done", snapshotId: "s", from: "c", at: "now" });
    const where = join(folder, RESTORE_NOTE);
    const bytes = await readFile(where);
    bytes[20]! ^= 1;
    await writeFile(where, bytes);
    await expect(readRestoreNote(folder)).rejects.toThrow("fails its checksum");
  });
});
