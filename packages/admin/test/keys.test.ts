/** `tq-admin keys hash`: what it prints lets its key in, and no broker is asked. */
import bcrypt from "bcrypt";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { apiKeys } from "../../broker/src/config/api-keys.ts";
import { admin } from "./doubles.ts";

function hash(line: string, stdin: string, io: object = {}) {
  return admin(`keys hash ${line}`, () => {}, { readStdin: () => stdin, ...io });
}

test("the hash of a key from standard input, without its line's end", async () => {
  const { status, stdout, options } = await hash("--name shop", "my key ✓\r\n");
  const { name, key_hash, permissions, key } = JSON.parse(stdout);
  expect(status).toBe(0);
  expect(options, "no connection").toBeUndefined();
  expect([name, key]).toEqual(["shop", undefined]);
  expect(permissions).toEqual(["submit_tasks", "read_tasks", "cancel_tasks"]);
  expect(key_hash).toMatch(/^\$2b\$10\$/);
  expect(bcrypt.compareSync("my key ✓", key_hash)).toBe(true);
});

test("on a terminal what to put into the broker's file", async () => {
  const line = "--generate --name ops --permission admin:dlq --permission read_tasks --cost 11";
  const { stdout } = await hash(line, "", { isTerminal: true });
  const [, key] = /^key: (tq_[\w-]{43})$/m.exec(stdout)!;
  const { auth } = parse(stdout.slice(stdout.indexOf("auth:")));
  expect(auth.enabled).toBe(true);
  const [read] = apiKeys().parse(auth.api_keys);
  expect(read).toMatchObject({ name: "ops", permissions: ["admin:dlq", "read_tasks"] });
  expect(read!.hash).toMatch(/^\$2b\$11\$/);
  expect(bcrypt.compareSync(key!, read!.hash)).toBe(true);
  expect((await hash("--generate", "")).stdout).not.toContain(key);
});

test.each([
  ["--permission admin:dlq,read_tasks", ["admin:dlq", "read_tasks"]],
  [
    "--permission read_tasks,admin:dlq,read_tasks --permission admin",
    ["read_tasks", "admin:dlq", "admin"],
  ],
])("permissions as keys list shows them: %s", async (line, expected) => {
  const { stdout } = await hash(line, "key");
  expect(JSON.parse(stdout).permissions).toEqual(expected);
});

describe("refusals", () => {
  test.each([
    ["", "", 65, "standard input is empty"],
    ["", "k".repeat(73), 65, "the key has 73 bytes"],
    ["", "é".repeat(37), 65, "the key has 74 bytes"],
    ["", "two\nlines", 65, "without control characters"],
    ["", "zero\0byte", 65, "without control characters"],
    ["", " key", 65, "without spaces at its ends"],
    ["--cost 13", "key", 64, '--cost: "13" is not a whole number from 10 to 12'],
    ["--cost 4", "key", 64, "from 10 to 12"],
    ["--name a/b", "key", 64, '--name: "a/b" is not'],
    ["--permission root", "key", 64, "permission"],
    ["--permission read_tasks,root", "key", 64, '"root"'],
    ["--permission read_tasks,", "key", 64, "permission"],
    ["--key secret", "key", 64, "key"],
    ["secret", "key", 64, "secret"],
  ])("%j with %j is %i", async (line, stdin, expected, message) => {
    const { status, stdout, stderr } = await hash(line, stdin);
    expect([status, stdout]).toEqual([expected, ""]);
    expect(stderr).toContain(message);
  });

  test("nobody is asked to type a key that the screen would show", async () => {
    const { status, stderr } = await hash("", "key", { canAsk: true });
    expect([status, stderr]).toEqual([
      64,
      "tq-admin: pipe the key into standard input, or say --generate\n",
    ]);
  });
});
