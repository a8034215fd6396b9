/** The command line itself: exit statuses, messages, formats, where it connects to. */
import fc from "fast-check";
import { TqError } from "task-queue-client";
import { describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { formatSpan } from "../src/output/words.ts";
import { toYaml } from "../src/output/yaml.ts";
import { parseDuration } from "../src/values.ts";
import { admin, ID } from "./doubles.ts";

describe("usage errors end with 64 and open no connection", () => {
  test.each([
    ["", /which verb/],
    ["lst", /did you mean "list"\?/],
    ["cluster-stats", /did you mean "cluster-status"\?/],
    ["--broker-addr a:1 --timeout 2s lst", /did you mean "list"\?/],
    ["-o json dlq lsit", /did you mean "list"\?/],
    ["frobnicate", /there are cluster-status, doctor, workers/],
    ["dlq", /list, groups, show, export, retry, delete/],
    ["dlq lsit", /did you mean "list"\?/],
    ["list --bogus 1", /bogus/],
    ["list --status finished", /"finished" is not one of scheduled/],
    ["list --limit 1 --limit 2", /--limit was given twice/],
    ["list --limit 0", /"0" is not a whole number/],
    ["list --older-than soon", /not a duration/],
    ["get", /<id> is missing: tq-admin get <id>/],
    ["get 12", /"12" is not a task id/],
    [`get ${ID} extra`, /extra/],
    ["list -o xml", /output: "xml" is not one of table, json/],
    ["submit echo --priority urgent", /one of low, normal/],
    ["submit echo --run-at tomorrow", /with its zone/],
    ["wait forever", /condition: "forever" is not one of ready, leader/],
    ["members", /list, add, promote, remove, replace/],
    ["members lits", /did you mean "list"\?/],
    ["member list", /did you mean "members"\?/],
    ["transfer-leader", /did you mean "transfer-leadership"\?/],
    ["members add", /<peer> is missing: tq-admin members add <peer>/],
    ["completion", /<shell> is missing/],
    ["audit check", /"check" is not verify/],
    ["stats --timeout 0", /--timeout: "0" is not more than 0/],
    ["wait ready --timeout 0s", /--timeout: "0s" is not more than 0/],
    ["members add 10.0.0.4:6379", /names no node; write ID@HOST:PORT/],
    ["members add node4@10.0.0.4", /names no node/],
    ["members add node4@h:1 --timeout soon", /not a duration/],
    ["members remove node1", /say --yes/],
    ["members replace node1@h:1", /say --yes/],
  ])("%s", async (line, message) => {
    const { status, stderr, stdout, options } = await admin(line);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(64);
    expect(stdout).toBe("");
    expect(options?.servers).toBeOneOf([undefined, "127.0.0.1:6379"]);
  });
});

test("bad JSON is bad data, and says how to write a string", async () => {
  const { status, stderr } = await admin("submit echo --payload hello");
  expect(status).toBe(65);
  expect(stderr).toContain(`a string needs quotes`);
});

describe("refusals of the cluster as exit statuses", () => {
  test.each([
    ["not_found", 66],
    ["state_conflict", 1],
    ["permission_denied", 77],
    ["unauthenticated", 77],
    ["no_leader", 69],
    ["outcome_unknown", 75],
    ["queue_full", 75],
    ["idempotency_mismatch", 65],
    ["internal", 70],
  ] as const)("%s is %i", async (code, expected) => {
    const { status, stderr, stdout, client } = await admin(`get ${ID}`, (fake) => {
      fake.error = new TqError(code, "what was wrong");
    });
    expect(status).toBe(expected);
    expect(stderr).toContain(`tq-admin: ${code}: what was wrong`);
    expect(stdout).toBe("");
    expect(client.closed).toBe(true);
  });

  test("a wait that takes too long is 75", async () => {
    const { status } = await admin("submit echo --wait", (fake) => {
      fake.wait = () => Promise.reject(new DOMException("still pending", "TimeoutError"));
    });
    expect(status).toBe(75);
  });

  test("a fault of this program is 70 with its stack", async () => {
    const { status, stderr } = await admin("stats", (fake) => {
      fake.error = new Error("bug");
    });
    expect(status).toBe(70);
    expect(stderr).toMatch(/bug\n\s+at /);
  });
});

describe("connecting", () => {
  test("flag before environment before default; the key from the environment or a file", async () => {
    const env = { TQ_BROKER_ADDR: "b:1,c:2", TQ_API_KEY_FILE: "/key" };
    const readFile = () => "secret\n";
    expect((await admin("stats")).options).toMatchObject({
      servers: "127.0.0.1:6379",
      apiKey: "",
      timeoutMs: 10_000,
    });
    const fromEnv = (await admin("stats", () => {}, { env, readFile })).options;
    expect(fromEnv).toMatchObject({ servers: "b:1,c:2", apiKey: "secret" });
    const flags = await admin("stats --broker-addr a:9 --timeout 2s", () => {}, { env, readFile });
    expect(flags.options).toMatchObject({ servers: "a:9", timeoutMs: 2_000 });
    const both = { TQ_API_KEY: "own", ...env };
    expect((await admin("stats", () => {}, { env: both, readFile })).options?.apiKey).toBe("own");
    const flag = await admin("stats --api-key-file /k", () => {}, { env: both, readFile });
    expect(flag.options?.apiKey).toBe("secret");
    const empty = await admin("stats --api-key-file /k", () => {}, { readFile: () => "\n" });
    expect([empty.status, empty.stderr]).toEqual([78, "tq-admin: --api-key-file: /k is empty\n"]);
    expect((await admin("stats --api-key secret")).status).toBe(64);
    const noFile = await admin("stats", () => {}, { env: { TQ_API_KEY_FILE: "/none" } });
    expect(noFile.status).toBe(78);
  });

  test("TLS by any of its flags or variables, and never with a file that is no use", async () => {
    const tlsOf = async (line: string, env = {}) => {
      const { options } = await admin(line, () => {}, { env });
      return (options as { tls?: unknown }).tls;
    };
    expect(await tlsOf("stats")).toBeUndefined();
    expect(await tlsOf("stats --tls")).toEqual({});
    expect(await tlsOf("stats", { TQ_TLS: "true" })).toEqual({});
    expect(await tlsOf("stats --tls-server-name a", { TQ_TLS_SERVER_NAME: "b" })).toEqual({
      serverName: "a",
    });
    expect(await tlsOf("stats", { TQ_TLS_SERVER_NAME: "b" })).toEqual({ serverName: "b" });
    const noFile = await admin("stats", () => {}, { env: { TQ_TLS_CA: "/none" } });
    expect(noFile.status).toBe(78);
    expect(noFile.stderr).toContain("--tls-ca: there is no such file: /none");
  });

  test("brokers that are all down are reported soon, with what to do; a patient verb goes on", async () => {
    const down = async (line: string) => {
      let client: { stats: unknown; cluster: unknown } | undefined;
      let tries = 0;
      return admin(
        line,
        (fake) => {
          client = fake;
        },
        {
          connect: ({ onFailed }) => {
            const never = () => new Promise<never>(() => {});
            const fake = { ...client, stats: never, close: async () => {} };
            for (let i = 0; i < 4; i++) onFailed(`b:${tries++}`, new Error("connect refused"));
            return fake as never;
          },
        },
      );
    };
    const { status, stderr } = await down("stats --broker-addr a:1,b:2");
    expect(status).toBe(69);
    expect(stderr).toContain("no broker can be reached (b:3: connect refused)");
    expect(stderr).toContain("TQ_BROKER_ADDR");
    expect((await down("wait leader --broker-addr a:1,b:2")).status).toBe(0);
  });

  test("an address that is none is a usage error", async () => {
    const { status, stderr } = await admin("stats", () => {}, {
      connect: () => {
        throw new TqError("invalid_request", '"x:y" is not the address of a broker');
      },
    });
    expect(status).toBe(64);
    expect(stderr).toContain('--broker-addr: "x:y"');
  });
});

test("help and version go to standard output with status 0", async () => {
  const help = await admin("--help");
  expect(help).toMatchObject({ status: 0, stderr: "" });
  expect(help.stdout).toContain("Exit status: 0 done");
  expect((await admin("list --help")).stdout).toContain("--older-than");
  expect((await admin("dlq --help")).stdout).toContain("tq-admin dlq delete <id>");
  expect((await admin("members --help")).stdout).toContain("tq-admin members replace <peer>");
  expect((await admin("members add --help")).stdout).toContain("empty persistence.data_dir");
  expect((await admin("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("YAML means what the JSON means", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain = JSON.parse(JSON.stringify(value));
      expect(parseYaml(toYaml(plain))).toEqual(plain);
    }),
  );
});

test("spans and durations", () => {
  expect([0, 999, 1_000, 61_000, 3_600_000, 90_061_000].map(formatSpan)).toEqual([
    "0s",
    "0s",
    "1s",
    "1m1s",
    "1h",
    "1d1h",
  ]);
  expect(["500ms", "30s", "1m30s", "7", "1.5h", "x", ""].map(parseDuration)).toEqual([
    500,
    30_000,
    90_000,
    7_000,
    undefined,
    undefined,
    undefined,
  ]);
});
