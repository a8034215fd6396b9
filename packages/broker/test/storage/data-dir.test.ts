/**
 * The data directory as a whole: founding it, finding it again, and refusing it with a message
 * that says which directory, what is wrong and what to do.
 */
import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { appended, entries } from "../../../../test/conformance/log-store.ts";
import { openDataDir } from "../../src/storage/data-dir.ts";
import { checkFileLimit } from "../../src/storage/file-limit.ts";
import { openIdentityStore } from "../../src/storage/identity-store.ts";
import { DataDirError, DataDirInUse, StorageDamage } from "../../src/storage/storage-error.ts";
import { scratchDirectory } from "./scratch.ts";

async function freshPath(): Promise<string> {
  return join(await scratchDirectory(), "deep", "data");
}

function opened(path: string, nodeId = "node1") {
  return openDataDir({ path, nodeId, maxConnections: 16 });
}

describe("founding", () => {
  test("makes everything, closed to others, and finds it again", async () => {
    const path = await freshPath();
    const first = await opened(path);
    expect(first.identity.identity).toMatchObject({ nodeId: "node1", founded: true, boots: 1 });
    expect(first.identity.identity.incarnation).toMatch(/^[0-9a-f]{32}$/);
    expect(first.verdict).toEqual({ kind: "clean" });
    await first.log.append(appended(entries(1, 3, 1)), true);
    await first.close();

    const second = await opened(path);
    expect(second.identity.identity.boots).toBe(2);
    expect(second.identity.identity.incarnation).toBe(first.identity.identity.incarnation);
    expect(second.identity.copied).toBe(false);
    expect(second.log.last).toEqual({ term: 1, index: 3 });
    await second.close();

    expect((await readdir(path)).sort()).toEqual([
      "format",
      "identity",
      "log",
      "state-1",
      "state.pointer",
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(join(path, "log"))) {
      expect((await stat(join(path, "log", name))).mode & 0o077, name).toBe(0);
    }
  });

  test("two nodes draw different incarnations", async () => {
    const [a, b] = [await opened(await freshPath()), await opened(await freshPath())];
    expect(a.identity.identity.incarnation).not.toBe(b.identity.identity.incarnation);
    await a.close();
    await b.close();
  });

  test("is finished after a crash between any two of its steps", async () => {
    const template = await freshPath();
    await (await opened(template)).close();
    const steps = ["format", "identity", "log", "state.pointer", "state-1"];
    for (let done = 0; done <= steps.length; done++) {
      const path = await freshPath();
      await mkdir(path, { recursive: true });
      if (done >= 2) {
        // An identity as it is before the founding: made by a start that lost its other stores.
        await (await opened(path)).close();
        await unfound(path);
        for (const later of steps.slice(done)) {
          await rm(join(path, later), { recursive: true });
        }
      } else if (done === 1) {
        await cp(join(template, "format"), join(path, "format"));
      }
      const dir = await opened(path);
      expect(dir.identity.identity.founded).toBe(true);
      await dir.close();
    }
  });

  test("an existing directory is closed to others", async () => {
    const path = await freshPath();
    await mkdir(path, { recursive: true });
    await chmod(path, 0o755);
    await (await opened(path)).close();
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });
});

async function unfound(path: string): Promise<void> {
  const identity = await openIdentityStore(join(path, "identity"));
  await identity.save({ founded: false });
  await identity.close();
}

describe("refusing", () => {
  test("a second broker, which changes nothing", async () => {
    const path = await freshPath();
    const first = await opened(path);
    const before = await readFile(join(path, "identity"));
    const second = opened(path);
    await expect(second).rejects.toBeInstanceOf(DataDirInUse);
    await expect(second).rejects.toThrow(`${path} is in use by another tq-broker`);
    expect((await readFile(join(path, "identity"))).equals(before)).toBe(true);
    await first.log.append(appended(entries(1, 1, 1)), true);
    await first.close();
    await (await opened(path)).close();
  });

  /** Whoever comes second may come at any moment of the first. */
  test.for([1, 2, 3, 4, 5, 6, 7, 8])("two first starts at once, %i: one founds", async () => {
    const path = await freshPath();
    const results = await Promise.allSettled([opened(path), opened(path)]);
    const open = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const errors = results.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
    expect(open).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(DataDirInUse);
    await open[0]!.close();
  });

  test("another node's directory", async () => {
    const path = await freshPath();
    await (await opened(path)).close();
    await expect(opened(path, "node2")).rejects.toThrow(/belongs to node node1.*called node2/);
  });

  test("a path that is no directory", async () => {
    const path = join(await scratchDirectory(), "file");
    await writeFile(path, "");
    await expect(opened(path)).rejects.toBeInstanceOf(DataDirError);
    await expect(opened(path)).rejects.toThrow(`the data directory ${path} cannot be written`);
    await expect(opened(join(path, "below"))).rejects.toThrow(/cannot be written/);
  });

  test("a directory that a newer broker has written", async () => {
    const path = await freshPath();
    await (await opened(path)).close();
    await writeFile(join(path, "format"), "tq data 5\n");
    await expect(opened(path)).rejects.toBeInstanceOf(DataDirError);
    await expect(opened(path)).rejects.toThrow(
      /data format 5, this tq-broker knows formats up to 4/,
    );
  });

  test("a directory whose stores have lost their identity", async () => {
    const path = await freshPath();
    await (await opened(path)).close();
    await rm(join(path, "identity"));
    await expect(opened(path)).rejects.toBeInstanceOf(StorageDamage);
    await expect(opened(path)).rejects.toThrow(/identity file is missing, but there is log/);
  });

  test("a log without CURRENT even before the founding, if it has tables", async () => {
    const path = await freshPath();
    const dir = await opened(path);
    await dir.log.append(appended(entries(1, 3, 1)), true);
    await dir.close();
    await (await opened(path)).close();
    await unfound(path);
    await rm(join(path, "log", "CURRENT"));
    await expect(opened(path)).rejects.toThrow(/CURRENT file is missing/);
  });
});

test("a copied directory is known as one", async () => {
  const path = await freshPath();
  await (await opened(path)).close();
  await cp(path, `${path}-copy`, { recursive: true });
  const copy = await opened(`${path}-copy`);
  expect(copy.identity.copied).toBe(true);
  await copy.close();
  const again = await opened(`${path}-copy`);
  expect(again.identity.copied).toBe(true);
  await again.identity.acceptCopy();
  await again.close();
  const accepted = await opened(`${path}-copy`);
  expect(accepted.identity.copied).toBe(false);
  await accepted.close();
});

test("log and mark are compared", async () => {
  const path = await freshPath();
  const dir = await opened(path);
  await dir.log.append(appended(entries(1, 3, 1)), true);
  const mark = { applied: 3, logDurable: { term: 1, index: 4 }, membership: new Uint8Array() };
  await dir.states.live.flush({ applied: 3, writes: [] }, mark);
  await dir.close();
  const after = await opened(path);
  expect(after.verdict).toMatchObject({ kind: "recovering", needs: 4 });
  await after.close();
});

describe("file limit", () => {
  async function limitsOf(soft: string): Promise<string> {
    const path = join(await scratchDirectory(), "limits");
    const header = "Limit                     Soft Limit           Hard Limit           Units\n";
    await writeFile(path, `${header}Max open files            ${soft}        4096      files\n`);
    return path;
  }

  test("is refused when too low, with the number that is needed", async () => {
    const limits = await limitsOf("2023");
    await expect(checkFileLimit(1000, limits)).rejects.toThrow(/at most 2023 .* 2024 are needed/);
    await expect(checkFileLimit(1000, limits)).rejects.toBeInstanceOf(DataDirError);
  });

  test("is fine when enough, unlimited, or not to be known", async () => {
    await checkFileLimit(1000, await limitsOf("2024"));
    await checkFileLimit(1_000_000, await limitsOf("unlimited"));
    await checkFileLimit(1000, "/nonexistent/limits");
  });
});
