/** Access keys in the queue machine; the model test knows the rest. */
import { expect, test } from "vitest";
import { accessKeyId } from "../../src/queue/access-keys.ts";
import type { Command } from "../../src/queue/command.ts";
import { ACCESS_KEYS_MAX } from "../../src/queue/limits.ts";
import { bytesOf, Driver, makeId } from "./harness.ts";

function keyOf(serial: number, expiresAt = 0): Command {
  return {
    type: "createKey",
    id: makeId(serial),
    name: `key ${serial}`,
    verifier: bytesOf(`secret ${serial}`),
    permissions: ["read_tasks"],
    createdBy: "root",
    expiresAt,
  };
}

function started(): Driver {
  const driver = new Driver();
  driver.raise(4);
  return driver;
}

test("a key is there after a restart, as it was made", () => {
  const driver = started();
  expect(driver.one(keyOf(1))).toMatchObject({ code: "ok", duplicate: false });
  driver.flush();
  driver.restart();
  expect(driver.machine.accessKeys()).toMatchObject([
    { name: "key 1", permissions: ["read_tasks"], createdBy: "root", expiresAt: 0, revoked: false },
  ]);
  expect(driver.machine.accessKey(accessKeyId(makeId(1)))?.verifier).toEqual(bytesOf("secret 1"));
});

test("a key that is revoked for later ends then, and no revocation puts that off", () => {
  const driver = started();
  driver.one(keyOf(1));
  const at = driver.now + 60_000;
  const revoke = (end: number): Command => ({ type: "revokeKey", id: makeId(1), at: end });
  driver.one(revoke(at));
  driver.one(revoke(at + 1));
  expect(driver.machine.accessKey(accessKeyId(makeId(1)))).toMatchObject({
    expiresAt: at,
    revoked: true,
  });
  driver.one(revoke(0));
  expect(driver.machine.accessKey(accessKeyId(makeId(1)))?.expiresAt).toBe(driver.machine.clock);
  driver.now = at;
  expect(driver.one(revoke(0))).toMatchObject({ code: "ok", duplicate: true });
  expect(driver.one({ type: "revokeKey", id: makeId(2), at: 0 }).code).toBe("not_found");
});

test("one too many takes the room of the one that ended first, or is refused", () => {
  const driver = started();
  const ends = driver.now + 1_000;
  for (let serial = 1; serial <= ACCESS_KEYS_MAX; serial++) {
    driver.one(keyOf(serial, serial === 7 || serial === 9 ? ends - serial : 0));
  }
  expect(driver.one(keyOf(5_000))).toMatchObject({ code: "state_conflict" });
  driver.now = ends;
  expect(driver.one(keyOf(5_000)).code).toBe("ok");
  expect(driver.machine.accessKey(accessKeyId(makeId(9)))).toBeUndefined();
  expect(driver.machine.accessKey(accessKeyId(makeId(7)))).toBeDefined();
  expect(driver.machine.accessKeys()).toHaveLength(ACCESS_KEYS_MAX);
});

test("nodes that disagree about a key, or its end, have different hashes", () => {
  const hashOf = (...commands: readonly Command[]): string => {
    const driver = started();
    for (const command of commands) driver.one(command);
    return driver.machine.effectHash;
  };
  const revoke = (at: number): Command => ({ type: "revokeKey", id: makeId(1), at });
  const { now } = started();
  const hashes = [
    hashOf(keyOf(1)),
    hashOf(keyOf(2)),
    hashOf(keyOf(1, now + 1)),
    hashOf(keyOf(1), revoke(now + 1)),
    hashOf(keyOf(1), revoke(now + 2)),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
});
