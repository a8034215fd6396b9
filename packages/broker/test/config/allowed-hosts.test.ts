/** Which names REST answers to: what was said, else what follows from where it listens. */
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";

const KEY = [{ name: "k", key_hash: `$2b$10$${"a".repeat(53)}`, permissions: ["admin"] }];
const WITH_KEYS = { TQ_AUTH__ENABLED: "true", TQ_AUTH__API_KEYS: JSON.stringify(KEY) };

function allowed(env: Record<string, string>): readonly string[] | undefined {
  return loadConfig({ argv: [], env }).api.allowedHosts;
}

describe("without a word of it", () => {
  test("on loopback without keys: this machine's names", () => {
    expect(allowed({})).toEqual(["localhost", hostname(), "127.0.0.1"]);
    const named = { TQ_BROKER__ADVERTISE: "node-1.internal:6379" };
    expect(allowed(named)).toContain("node-1.internal");
  });

  test("any where keys are asked for, or others reach it", () => {
    expect(allowed(WITH_KEYS)).toBeUndefined();
    expect(allowed({ TQ_API__HOST: "10.0.0.1" })).toBeUndefined();
    expect(allowed({ TQ_BROKER__HOST: "0.0.0.0" })).toBeUndefined();
  });

  test("it goes by where REST listens", () => {
    const env = { TQ_BROKER__HOST: "10.0.0.1", TQ_API__HOST: "127.0.0.1" };
    expect(allowed(env)).toEqual(["localhost", hostname(), "10.0.0.1"]);
  });
});

test("what was said goes, wherever it listens, keys or none", () => {
  const env = { TQ_API__ALLOWED_HOSTS: "queue.example, tq" };
  expect(allowed(env)).toEqual(["queue.example", "tq"]);
  expect(allowed({ ...env, ...WITH_KEYS, TQ_API__HOST: "0.0.0.0" })).toEqual(allowed(env));
  expect(allowed({ TQ_API__ALLOWED_HOSTS: "*" })).toBeUndefined();
});

test.each(["https://a", "a:8080", "*.a", "a/b", "[::1]"])("%s is no name", (name) => {
  expect(() => allowed({ TQ_API__ALLOWED_HOSTS: name })).toThrow(
    `environment TQ_API__ALLOWED_HOSTS: api.allowed_hosts: "${name}" is no name; ` +
      'give names without scheme and port, or "*" for any; addresses need none',
  );
});
