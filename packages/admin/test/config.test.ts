/** Settings of brokers: their own program judges a file, and an address is taken out of one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { Authority } from "../../../test/certificates.ts";
import { askBrokerProgram } from "../src/broker-program.ts";
import type { ConnectOptions } from "../src/index.ts";
import { admin, FakeClient } from "./doubles.ts";

const readFile = (path: string) => readFileSync(path, "utf8");
const BIN = fileURLToPath(new URL("../../../node_modules/.bin/", import.meta.url));

describe("config validate", () => {
  test("says what the start would say, all of it, with its exit status", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "tq-admin-")), "c.yaml");
    onTestFinished(() => rmSync(join(file, ".."), { recursive: true }));
    const path = process.env["PATH"];
    process.env["PATH"] = `${BIN}:${path}`;
    // Of the operator's shell, not of the broker's.
    process.env["TQ_BROKER__PORT"] = "nonsense";
    onTestFinished(() => {
      process.env["PATH"] = path;
      delete process.env["TQ_BROKER__PORT"];
    });
    const io = { askBroker: askBrokerProgram };
    writeFileSync(file, "broker:\n  prot: 1\n  port: x\n");
    const wrong = await admin(["config", "validate", file], undefined, io);
    expect(wrong.status).toBe(78);
    expect(wrong.stderr).toMatch(
      new RegExp(
        `^tq-admin: ${file}:2: broker\\.prot: .*Did you mean.*\n${file}:3: broker\\.port: `,
      ),
    );
    expect(wrong.options).toBeUndefined();
    writeFileSync(file, "worker:\n  concurrency: 5\n");
    const right = await admin(["config", "validate", file], undefined, io);
    const note = `${file}:2: worker.concurrency has no effect: it is a setting of tq-worker, which reads it here with its own --config`;
    expect([right.status, JSON.parse(right.stdout)]).toEqual([
      0,
      { file, valid: true, notes: [note] },
    ]);
    const seen = await admin(["config", "validate", file], undefined, { ...io, isTerminal: true });
    expect(seen.stdout).toBe(`note: ${note}\n${file} is valid\n`);
  });

  test("without the broker's program it says where that comes from", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = "/nowhere";
    onTestFinished(() => {
      process.env["PATH"] = path;
    });
    const { status, stderr } = await admin("config validate c.yaml", undefined, {
      askBroker: askBrokerProgram,
    });
    expect(status).toBe(69);
    expect(stderr).toContain("part of the package task-queue-broker");
  });
});

describe("--config", () => {
  test.each([
    ["", "127.0.0.1:6379"],
    ["broker:\n", "127.0.0.1:6379"],
    ["raft: {}\n", "127.0.0.1:6379"],
    ["broker: { port: 7000 }", "127.0.0.1:7000"],
    ["broker: { host: 10.0.1.10 }", "10.0.1.10:6379"],
    ["broker: { host: 0.0.0.0, port: '7001', advertise: queue.example.com }", "127.0.0.1:7001"],
    ["broker: { host: '::1' }", "[::1]:6379"],
  ])("%j is %s", async (yaml, servers) => {
    const io = { readFile: () => yaml, env: { TQ_BROKER_ADDR: "env:1" } };
    const inFile = await admin("stats --config c.yaml", undefined, io);
    expect([inFile.stderr, inFile.options?.servers]).toEqual(["", servers]);
    const flag = await admin("stats --config c.yaml --broker-addr flag:1", undefined, io);
    expect(flag.options?.servers).toBe("flag:1");
  });

  test.each(["broker: 6379", "broker: { port: x }", "broker: { host: [] }", "- a", "a: [", "text"])(
    "%j does not say it",
    async (yaml) => {
      const { status, stderr, options } = await admin("stats --config c.yaml", undefined, {
        readFile: () => yaml,
      });
      expect([status, options]).toEqual([78, undefined]);
      expect(stderr).toMatch(/^tq-admin: --config: /);
    },
  );

  test("a file that is not there", async () => {
    const { status, stderr } = await admin("stats --config /none", undefined, { readFile });
    expect([status, stderr]).toEqual([
      78,
      "tq-admin: --config: there is no such file or folder: /none\n",
    ]);
  });

  describe("takes the TLS of the file", () => {
    const dir = mkdtempSync(join(tmpdir(), "tq-admin-"));
    afterAll(() => rmSync(dir, { recursive: true }));
    const ours = new Authority(dir, "ours");
    const theirs = new Authority(dir, "theirs");
    const named = ours.issue("task-queue", { names: ["DNS:queue.example", "DNS:other"] });
    const near = ours.issue("node1", { names: ["IP:127.0.0.1"] });

    async function tlsOf(api: object, flags = "", env = {}) {
      const file = join(dir, "c.yaml");
      writeFileSync(file, JSON.stringify({ api }));
      const line = `stats --config ${file} ${flags}`;
      const { options, stderr } = await admin(line, undefined, { readFile, env });
      expect(stderr).toBe("");
      return options?.tls;
    }

    test("its authority, and a name of its certificate where the address is none", async () => {
      const api = { enable_tls: true, tls_cert_path: named.cert, tls_ca_path: ours.ca };
      expect(await tlsOf(api)).toEqual({ ca: ours.caPem, serverName: "queue.example" });
      expect(await tlsOf({ ...api, tls_cert_path: near.cert })).toEqual({ ca: ours.caPem });
      expect(await tlsOf({ ...api, enable_tls: 1 })).toEqual(await tlsOf(api));
      const variables = { TQ_TLS_CA: theirs.ca };
      expect(await tlsOf(api, "", variables)).toMatchObject({ ca: ours.caPem });
      expect(await tlsOf(api, "--no-tls")).toBeUndefined();
    });

    test("no plain text where a variable asks for TLS", async () => {
      const variables = { TQ_TLS: "yes", TQ_TLS_CA: theirs.ca };
      const named = { ca: theirs.caPem };
      expect(await tlsOf({ enable_tls: false }, "", variables)).toEqual(named);
      expect(await tlsOf({}, "--broker-addr h:1", variables)).toEqual(named);
      expect(await tlsOf({}, "--tls", { TQ_TLS_CA: theirs.ca })).toEqual(named);
      for (const [flags, env, status] of [
        ["--tls=yes", {}, 64],
        ["", { TQ_TLS: "perhaps" }, 78],
      ] as const) {
        const refused = await admin(`stats ${flags}`, undefined, { env });
        expect([refused.status, refused.options]).toEqual([status, undefined]);
        expect(refused.stderr).toContain("is not true or false");
      }
    });

    test("its own certificate where that is its own authority, else what Node trusts", async () => {
      const api = { enable_tls: true, tls_cert_path: ours.ca };
      expect(await tlsOf(api)).toEqual({ ca: ours.caPem, serverName: "ours" });
      expect(await tlsOf({ ...api, tls_cert_path: near.cert })).toEqual({});
      // Of those who connect, and not of the broker.
      const other = { ...api, tls_cert_path: near.cert, tls_ca_path: theirs.ca };
      expect(await tlsOf(other)).toEqual({});
    });

    test("but a flag wins, and the name is of that broker alone", async () => {
      const api = { enable_tls: true, tls_cert_path: named.cert, tls_ca_path: ours.ca };
      const flags = `--tls-ca ${theirs.ca} --tls-server-name mine`;
      expect(await tlsOf(api, flags)).toEqual({ ca: theirs.caPem, serverName: "mine" });
      expect(await tlsOf(api, "--broker-addr h:1")).toEqual({ ca: ours.caPem });
    });

    test("files that may not be read are spared by flags, and told else", async () => {
      const api = { enable_tls: true, tls_cert_path: join(dir, "none"), tls_ca_path: ours.ca };
      expect(await tlsOf(api, `--tls-ca ${ours.ca}`)).toEqual({ ca: ours.caPem });
      expect(await tlsOf(api, "--no-tls")).toBeUndefined();
      const file = join(dir, "c.yaml");
      const { status, stderr } = await admin(`stats --config ${file}`, undefined, { readFile });
      expect([status, stderr]).toEqual([78, expect.stringContaining(join(dir, "none"))]);
    });

    test("another member is asked for its own name", async () => {
      const file = join(dir, "c.yaml");
      const api = { enable_tls: true, tls_cert_path: named.cert, tls_ca_path: ours.ca };
      writeFileSync(file, JSON.stringify({ api }));
      const asked: ConnectOptions[] = [];
      const client = new FakeClient();
      const connect = (options: ConnectOptions) => {
        asked.push(options);
        return client;
      };
      await admin(`compact --all --config ${file}`, undefined, { readFile, connect });
      const names = asked.map(({ servers, tls }) => [servers, tls?.serverName]);
      expect(names.length).toBeGreaterThan(1);
      for (const [servers, name] of names) {
        expect(name).toBe(servers === "127.0.0.1:6379" ? "queue.example" : undefined);
      }
    });
  });
});
