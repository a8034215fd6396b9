/** Real hashes: of every form that bcrypt has, of Apache's program, and of keys at the limits. */
import { spawnSync } from "node:child_process";
import bcrypt from "bcrypt";
import { expect, onTestFinished, test } from "vitest";
import { needs } from "../../../../test/needs.ts";
import { KeyAccess } from "../../src/auth/key-access.ts";
import { KeyThread } from "../../src/auth/key-thread.ts";
import { apiKeys } from "../../src/config/api-keys.ts";

const COST = 4;

function thread(): KeyThread {
  const made = new KeyThread();
  onTestFinished(() => made.close());
  return made;
}

test.each(["2a", "2b", "2y"])("a hash that begins with $%s$", async (mark) => {
  const hash = bcrypt.hashSync("key", COST).replace(/^\$2b/, `$${mark}`);
  expect(hash.startsWith(`$${mark}$`)).toBe(true);
  const keys = thread();
  expect(await keys.compare("key", hash)).toBe(true);
  expect(await keys.compare("other", hash)).toBe(false);
});

test("keys with the same first 72 bytes are not the same key", async () => {
  const key = "k".repeat(72);
  const hash = bcrypt.hashSync(key, COST);
  expect(bcrypt.compareSync(`${key}x`, hash)).toBe(true);
  const access = accessTo(hash);
  expect((await access.identify(key, "")).name).toBe("one");
  await expect(access.identify(`${key}x`, "")).rejects.toMatchObject({ code: "unauthenticated" });
  await expect(access.identify("k".repeat(71), "")).rejects.toThrow("not one of");
});

test("a closed thread refuses, and leaves nobody waiting", async () => {
  const keys = new KeyThread();
  const hash = bcrypt.hashSync("key", COST);
  await keys.compare("key", hash);
  const underWay = keys.compare("key", hash).then(
    () => "answered",
    () => "refused",
  );
  await keys.close();
  expect(["answered", "refused"]).toContain(await underWay);
  await expect(keys.compare("key", hash)).rejects.toThrow("ended");
});

test("after a thread has failed, nobody gets what is another's answer", async () => {
  const keys = thread();
  const hash = bcrypt.hashSync("key", COST);
  const broken = undefined as unknown as string;
  await expect(keys.compare("key", broken)).rejects.toThrow(TypeError);
  // Before the thread that failed has told that it ends.
  expect(await keys.compare("key", hash)).toBe(true);
  expect(await keys.compare("other", hash)).toBe(false);
  expect(await keys.compare("key", hash)).toBe(true);
});

for (const flags of [
  ["-niBC", "10"],
  ["-nbBC", "5"],
]) {
  needs("htpasswd")(`a hash of htpasswd ${flags.join(" ")}`, async () => {
    const key = "mÿ api_key ✓";
    const isArgument = flags[0]!.includes("b");
    const args = [...flags, "", ...(isArgument ? [key] : [])];
    const { stdout } = spawnSync("htpasswd", args, { encoding: "utf8", input: key });
    const hash = stdout.replace(/[:\n]/g, "");
    expect(hash).toMatch(/^\$2y\$/);
    expect((await accessTo(hash).identify(key, "")).name).toBe("one");
    await expect(accessTo(hash).identify(`${key}.`, "")).rejects.toThrow("not one of");
  });
}

/** As a file would have it. */
function accessTo(hash: string): KeyAccess {
  const keys = apiKeys().parse([{ name: "one", key_hash: hash, permissions: ["admin"] }]);
  const access = new KeyAccess({ keys, log: { warn() {} } });
  onTestFinished(() => access.close());
  return access;
}
