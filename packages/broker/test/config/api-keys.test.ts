/** Settings of keys: what is taken, what is refused, and that no hash is ever repeated. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { describeConfig } from "../../src/config/describe-config.ts";
import { loadConfig } from "../../src/config/load-config.ts";

const SALT_AND_HASH = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
const HASH = `$2a$10$${SALT_AND_HASH}`;

function load(yaml: string, env: Record<string, string> = {}): Config {
  const folder = mkdtempSync(join(tmpdir(), "tq-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "c.yaml");
  writeFileSync(file, yaml);
  return loadConfig({ argv: ["--config", file], env });
}

/** The refusal, without the folder; no part of the hash may stand in it. */
function refusal(yaml: string, env: Record<string, string> = {}): string {
  try {
    load(yaml, env);
  } catch (error) {
    const { message } = error as Error;
    expect(message).not.toContain(SALT_AND_HASH.slice(0, 20));
    return message.replace(/\/\S*\/c\.yaml/g, "c.yaml");
  }
  throw new Error("it was accepted");
}

/** One key as YAML, with parts replaced. */
function withKey(fields: Record<string, unknown>): string {
  const key = { key_hash: HASH, permissions: ["admin"], ...fields };
  return `auth:\n  enabled: true\n  api_keys: ${JSON.stringify([key])}\n`;
}

test("the guide's section", () => {
  const { auth, notices } = load(`auth:
  enabled: true
  api_keys:
    - key_hash: "${HASH}"  # bcrypt hash
      permissions:
        - submit_tasks
        - read_tasks
        - cancel_tasks
        - admin
`);
  const permissions = ["submit_tasks", "read_tasks", "cancel_tasks", "admin"];
  expect(auth).toMatchObject({ enabled: true, keys: [{ name: "key-1", hash: HASH, permissions }] });
  expect(notices).toEqual([]);
});

test("from the environment, as JSON", () => {
  const keys = JSON.stringify([{ name: "a", key_hash: HASH, permissions: ["admin:dlq"] }]);
  const env = { TQ_AUTH__ENABLED: "true", TQ_AUTH__API_KEYS: keys };
  expect(load("", env).auth.keys).toEqual([{ name: "a", hash: HASH, permissions: ["admin:dlq"] }]);
});

test("the log tells names, and no hashes", () => {
  const lines = describeConfig(load(withKey({ name: "ops" }))).join("\n");
  expect(lines).toContain("auth.api_keys = [ops]");
  expect(lines).not.toContain("$2a");
});

describe("what is wrong is told with its place", () => {
  test("a key by its own line, and not that there are none", () => {
    const good = `{ name: a, key_hash: "${HASH}", permissions: [admin] }`;
    const lines = [
      "auth:",
      "  enabled: true",
      "  api_keys:",
      `    - ${good}`,
      "    - name: b",
      "      key_hash: no hash",
      "      permissions: [admin]",
    ];
    expect(refusal(lines.join("\n"))).toBe(
      "c.yaml:5: auth.api_keys: api_keys[1].key_hash: this is no bcrypt hash: $2a$, $2b$ or " +
        "$2y$, the cost, and 53 characters; tq-admin keys hash makes one",
    );
    const twice = [...lines.slice(0, 4), `    - ${good}`].join("\n");
    expect(refusal(twice)).toMatch(/^c\.yaml:5: auth\.api_keys: the name a of api_keys\[1\] is/);
  });

  const where = "c.yaml:3: auth.api_keys: ";
  test.each<[string, string]>([
    ["auth:\n  enabled: true\n", "c.yaml:2: auth.enabled: nobody could get in: there are no keys"],
    [withKey({ key_hash: "$2a$10$..." }), `${where}api_keys[0].key_hash: this is no bcrypt hash`],
    [withKey({ key_hash: HASH.replace("2a", "2x") }), `${where}api_keys[0].key_hash: this is no`],
    [withKey({ key_hash: undefined }), `${where}api_keys[0].key_hash: this is no bcrypt hash`],
    [
      withKey({ key_hash: HASH.replace("10", "13") }),
      `${where}api_keys[0].key_hash: its cost is 13`,
    ],
    [
      withKey({ key_hash: HASH.replace("10", "31") }),
      `${where}api_keys[0].key_hash: its cost is 31`,
    ],
    [
      withKey({ key_hash: HASH.replace("10", "03") }),
      `${where}api_keys[0].key_hash: its cost is 3;`,
    ],
    [
      withKey({ permissions: ["read_tasks", "submit_task"] }),
      `${where}api_keys[0].permissions[1]: there is no such permission; there are submit_tasks, ` +
        'read_tasks, cancel_tasks, process_tasks, admin:dlq, admin. Did you mean "submit_tasks"?',
    ],
    [withKey({ permissions: [] }), `${where}api_keys[0].permissions: a list with one or more of`],
    [withKey({ permissions: "admin" }), `${where}api_keys[0].permissions: a list with one or more`],
    [withKey({ name: "a b" }), `${where}api_keys[0].name: 1 to 64 of`],
    [
      withKey({ permission: [] }),
      `${where}api_keys[0]: there is no permission, but name, key_hash`,
    ],
    ["auth:\n  api_keys: no\n", "c.yaml:2: auth.api_keys: allowed is a list of up to 64 keys"],
    ["auth:\n  api_keys: [1]\n", "c.yaml:2: auth.api_keys: api_keys[0]: key_hash and permissions"],
    ["monitoring:\n  require_auth: true\n", "c.yaml:2: monitoring.require_auth: there are no keys"],
  ])("%j", (yaml, message) => {
    expect(refusal(yaml)).toContain(message);
  });

  test("two keys of one name, two of one hash, and more than are ever tried", () => {
    const list = (...keys: object[]) => {
      const all = keys.map((key) => ({ permissions: ["admin"], ...key }));
      return `auth:\n  api_keys: ${JSON.stringify(all)}\n`;
    };
    const other = HASH.replace(/y$/, "e");
    expect(refusal(list({ name: "a", key_hash: HASH }, { name: "a", key_hash: other }))).toBe(
      "c.yaml:2: auth.api_keys: the name a of api_keys[1] is that of api_keys[0] too",
    );
    expect(refusal(list({ key_hash: HASH }, { key_hash: HASH }))).toBe(
      "c.yaml:2: auth.api_keys: the hash of api_keys[1] is that of api_keys[0] too",
    );
    const many = Array.from({ length: 65 }, () => ({ key_hash: HASH }));
    expect(refusal(list(...many))).toContain("65 keys; a check tries each, so there may be 64");
  });
});

test("what is weak or without effect is warned of", () => {
  const texts = (yaml: string) => load(yaml).notices.map(({ text }) => text);
  expect(texts(withKey({ key_hash: HASH.replace("10", "09") }))).toEqual([
    "auth.api_keys: the hashes of key-1 cost less than 10: hash these keys anew",
  ]);
  expect(texts(withKey({}).replace("true", "false"))).toEqual([
    "auth.api_keys has keys, and auth.enabled is false: nobody is asked for one",
  ]);
});

describe("listeners that others reach", () => {
  const all = "broker:\n  host: 0.0.0.0\n";

  test("are warned of, all in one line", () => {
    const config = load(`${all}api:\n  host: 127.0.0.1\n${withKey({})}`);
    expect(config.notices.map(({ text }) => text)).toEqual([
      "the worker port can be reached on 0.0.0.0 without TLS; " +
        "metrics can be reached on 0.0.0.0 without API keys and TLS: " +
        "let only trusted machines reach them",
    ]);
    expect(config.isOpenToOthers).toBe(true);
    expect(load(withKey({})).isOpenToOthers).toBe(false);
  });

  test("are no start with security.require, and the loopback is one", () => {
    const require = "security:\n  require: true\n";
    const lines = refusal(`${all}  advertise: a\nraft:\n  enabled: true\n${require}`).split("\n");
    expect(lines.map((line) => line.replace(/^c\.yaml:\d+: /, "").split(", and ")[0])).toEqual([
      "broker.host: the worker port would listen on 0.0.0.0 without API keys and TLS",
      "api.host: REST and gRPC would listen on 0.0.0.0 without API keys and TLS",
      "monitoring.host: metrics would listen on 0.0.0.0 without API keys and TLS",
      "broker.host: the bus between brokers would listen on 0.0.0.0 without mutual TLS",
    ]);
    expect(load(require).isOpenToOthers).toBe(false);
  });
});

test("a rate, and a burst that is a second's worth where nothing is said", () => {
  const rateOf = (fields: object) => load(withKey({ ...fields })).auth.keys[0]!.rate;
  expect(rateOf({})).toBeUndefined();
  expect(rateOf({ rate_per_second: 50 })).toEqual({ perSecond: 50, burst: 50 });
  expect(rateOf({ rate_per_second: 0.5 })).toEqual({ perSecond: 0.5, burst: 1 });
  expect(rateOf({ rate_per_second: 50, burst: 7 })).toEqual({ perSecond: 50, burst: 7 });
});

test.each([
  [{ rate_per_second: 0 }, "rate_per_second: a number from 0.01 to 1000000"],
  [{ rate_per_second: -1 }, "rate_per_second: a number from"],
  [{ rate_per_second: "10" }, "rate_per_second: a number from"],
  [{ rate_per_second: 1e9 }, "rate_per_second: a number from"],
  [{ rate_per_second: null }, "rate_per_second: a number from"],
  [{ rate_per_second: 5, burst: 0 }, "burst: a whole number from 1 to 1000000"],
  [{ rate_per_second: 5, burst: 1.5 }, "burst: a whole number from"],
  [{ burst: 5 }, "burst: it belongs to rate_per_second, which is not there"],
  [{ rate: 5 }, "there is no rate, but"],
])("a rate of %j is refused", (fields, message) => {
  expect(refusal(withKey(fields))).toContain(`api_keys[0]`);
  expect(refusal(withKey(fields))).toContain(message);
});

describe("the rate of keys that have none", () => {
  const auth = (fields: object, key: Record<string, unknown> = {}) => {
    const lines = Object.entries(fields).map(([name, value]) => `  ${name}: ${value}\n`);
    return load(`${withKey(key)}${lines.join("")}`).auth;
  };

  test("is none unless it is set, and then that of each key without one", () => {
    expect(auth({}).defaultRate).toBeUndefined();
    const { defaultRate, keys } = auth({ default_rate_per_second: 0.5 });
    expect(defaultRate).toEqual({ perSecond: 0.5, burst: 1 });
    expect(keys[0]!.rate).toEqual(defaultRate);
    const burst = { default_rate_per_second: 20, default_burst: 70 };
    expect(auth(burst).defaultRate).toEqual({ perSecond: 20, burst: 70 });
    const own = auth(burst, { rate_per_second: 3 });
    expect(own.keys[0]!.rate).toEqual({ perSecond: 3, burst: 3 });
  });

  test.each([
    [{ default_rate_per_second: 0 }, "a number from 0.01 to 1000000"],
    [{ default_rate_per_second: 5, default_burst: 0 }, "a whole number from 1 to 1000000"],
    [{ default_burst: 5 }, "it belongs to auth.default_rate_per_second, which is not set"],
  ])("is refused as %j", (fields, message) => {
    expect(() => auth(fields)).toThrow(message);
  });
});

describe("a secret to sign with", () => {
  const SECRET = "canary-canary-canary-canary-canary";

  function fileWith(content: string, mode = 0o600): string {
    const folder = mkdtempSync(join(tmpdir(), "tq-secret-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "secret");
    writeFileSync(file, content);
    chmodSync(file, mode);
    return file;
  }

  const withSecret = (file: unknown) => withKey({ signing_secret_file: file });

  test.each([SECRET, `${SECRET}\n`, `${SECRET}\r\n`])("is the text in its file: %j", (content) => {
    const config = load(withSecret(fileWith(content)));
    const { signingSecret } = config.auth.keys[0]!;
    expect(signingSecret?.export().toString()).toBe(SECRET);
    expect(JSON.stringify([config, describeConfig(config)])).not.toContain("canary");
    expect(config.auth.signing).toEqual({ required: false, windowMs: 300_000 });
  });

  test.each([
    ["", "no secret is in it: 32 to 256 printable characters"],
    ["x".repeat(31), "no secret is in it"],
    ["x".repeat(257), "no secret is in it"],
    [`${"x".repeat(40)} y`, "no secret is in it"],
    [`${SECRET}\n\n`, "no secret is in it"],
    [`${SECRET}ä`, "no secret is in it"],
    ["x".repeat(2_000), "2000 bytes are no secret"],
  ])("cannot be %j", (content, message) => {
    const text = refusal(withSecret(fileWith(content)));
    expect(text).toContain(`auth.api_keys: signing_secret_file of key-1: `);
    expect(text).toContain(message);
    expect(text).not.toContain("canary");
  });

  test("must be its owner's alone", () => {
    const file = fileWith(SECRET, 0o644);
    const text = `every user of this machine can read it; chmod 600 ${file}`;
    expect(refusal(withSecret(file))).toContain(text);
  });

  test("must be there, and be a path", () => {
    expect(refusal(withSecret("/nowhere/secret"))).toContain("ENOENT");
    for (const path of [7, "", null, ["x"]]) {
      const text = "api_keys[0].signing_secret_file: the path of a file";
      expect(refusal(withSecret(path))).toContain(text);
    }
  });

  test("is not that of another key", () => {
    const hashes = [HASH, HASH.replace("$10$", "$11$")];
    const keys = hashes.map((key_hash, at) => {
      const signing_secret_file = fileWith(SECRET);
      return { name: `k${at}`, key_hash, permissions: ["admin"], signing_secret_file };
    });
    const yaml = `auth:\n  enabled: true\n  api_keys: ${JSON.stringify(keys)}\n`;
    expect(refusal(yaml)).toContain("it is the secret of k0 too; make another");
  });

  test("is not looked for where nobody is asked for keys", () => {
    const yaml = withSecret("/nowhere/secret").replace("enabled: true", "enabled: false");
    expect(load(yaml).auth.keys[0]!.signingSecret).toBeUndefined();
  });

  test("is needed where only signed requests are taken", () => {
    const required = (yaml: string) => yaml.replace("auth:\n", "auth:\n  signing_required: true\n");
    expect(refusal(required(withKey({})))).toContain(
      "auth.signing_required: nobody could sign: no key of auth.api_keys has a",
    );
    expect(refusal("auth:\n  signing_required: true\n")).toContain("auth.enabled is false");
    const { signing } = load(required(withSecret(fileWith(SECRET)))).auth;
    expect(signing).toEqual({ required: true, windowMs: 300_000 });
  });
});
