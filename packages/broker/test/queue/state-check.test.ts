/** Checking a state knows every kind of record that there is: backups are judged by it. */
import { expect, test } from "vitest";
import { accessKeyId } from "../../src/queue/access-keys.ts";
import { encodeAccessKey } from "../../src/queue/codec/access-key-record.ts";
import * as keys from "../../src/queue/keys.ts";
import { StateCheck } from "../../src/queue/state-check.ts";
import { bytesOf, makeId } from "./harness.ts";

const KINDS = Object.entries(keys).flatMap(([name, kind]) => {
  return typeof kind === "number" ? [[name, kind] as const] : [];
});

test("there are kinds", () => {
  expect(KINDS.length).toBeGreaterThan(20);
});

test.each(KINDS)("%s is known, and a damaged one is refused as such", (_, kind) => {
  const row = [Uint8Array.of(kind), Uint8Array.of(0xff)] as const;
  expect(() => new StateCheck().add(row)).toThrow();
  expect(() => new StateCheck().add(row)).not.toThrow(/a record of kind/);
});

test("one of no kind is damage", () => {
  expect(() => new StateCheck().add([Uint8Array.of(0), Uint8Array.of()])).toThrow("of kind 0");
});

test("access keys are read", () => {
  const id = makeId(1);
  const key = {
    id,
    name: accessKeyId(id),
    verifier: bytesOf("digest"),
    permissions: ["admin"],
    createdBy: "root",
    createdAt: 1,
    expiresAt: 0,
    revoked: false,
  };
  const row = [keys.taskKey(keys.ACCESS_KEY, id), encodeAccessKey(key)] as const;
  expect(() => new StateCheck().add(row)).not.toThrow();
});
