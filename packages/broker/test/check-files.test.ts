/** A check of settings without a start: what it says of files is what the start says of them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Authority } from "../../../test/certificates.ts";
import { checkFiles } from "../src/check-files.ts";
import { loadConfig } from "../src/config/load-config.ts";
import { BrokerTls } from "../src/tls/broker-tls.ts";
import { TlsJournal } from "./tls/journal.ts";

const dir = mkdtempSync(join(tmpdir(), "tq-check-"));
const authority = new Authority(dir, "ours");
const good = authority.issue("node1");
const gone = { cert: join(dir, "gone.pem"), key: good.key };

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function settings(api: typeof good, bus?: typeof good, backupKey?: string) {
  const env: Record<string, string> = {
    TQ_API__ENABLE_TLS: "true",
    TQ_API__TLS_CERT_PATH: api.cert,
    TQ_API__TLS_KEY_PATH: api.key,
  };
  if (bus !== undefined) {
    env["TQ_RAFT__TLS_CERT_PATH"] = bus.cert;
    env["TQ_RAFT__TLS_KEY_PATH"] = bus.key;
    env["TQ_RAFT__TLS_CA_PATH"] = authority.ca;
  }
  if (backupKey !== undefined) {
    env["TQ_BACKUP__DIRECTORY"] = join(dir, "backups");
    env["TQ_BACKUP__KEY_FILE"] = backupKey;
  }
  return loadConfig({ argv: ["--data-dir", join(dir, "data")], env });
}

async function faultOf(config: ReturnType<typeof settings>): Promise<string> {
  return await checkFiles(config, Date.now()).then(
    (notes) => expect.unreachable(`it is satisfied: ${notes}`),
    (error) => `${error.exitStatus} ${error.message}`,
  );
}

describe("files of certificates", () => {
  test("what the start takes is good", async () => {
    expect(await checkFiles(settings(good, good), Date.now())).toEqual([]);
  });

  test("what the start would not take is told in its words, all at once", async () => {
    const said = (await faultOf(settings(gone, gone))).split("\n");
    expect(said).toHaveLength(2);
    expect(() => new BrokerTls(settings(gone, gone), new TlsJournal())).toThrow(
      said[0]!.replace(/^78 environment TQ_API__TLS_CERT_PATH: /, ""),
    );
    expect(said[1]).toMatch(/^environment TQ_RAFT__TLS_CERT_PATH: raft\.tls_cert_path: /);
  });

  test("a key of another certificate is no key", async () => {
    const other = authority.issue("node2");
    expect(await faultOf(settings({ cert: good.cert, key: other.key }))).toMatch(
      /^78 environment TQ_API__TLS_KEY_PATH: api\./,
    );
  });
});

test("a key for backups that is not there is a note: the broker starts without", async () => {
  const [note, ...rest] = await checkFiles(settings(good, good, join(dir, "none")), Date.now());
  expect(rest).toEqual([]);
  expect(note).toMatch(/^backup\.key_file: .*none cannot be read.*; no backup will be taken$/);
  const key = join(dir, "key");
  writeFileSync(key, "a".repeat(64));
  expect(await checkFiles(settings(good, good, key), Date.now())).toEqual([]);
});

test("the program says so, with the status of the start", () => {
  const program = fileURLToPath(new URL("../bin/tq-broker.js", import.meta.url));
  const env = {
    PATH: process.env["PATH"],
    TQ_API__ENABLE_TLS: "1",
    TQ_API__TLS_CERT_PATH: gone.cert,
    TQ_API__TLS_KEY_PATH: gone.key,
  };
  const { status, stderr, stdout } = spawnSync(process.execPath, [program, "--check-config"], {
    env,
    encoding: "utf8",
  });
  expect([status, stdout]).toEqual([78, ""]);
  const where = "environment TQ_API__TLS_CERT_PATH";
  const words = `api.tls_cert_path: ${gone.cert}: there is no such file`;
  expect(stderr).toContain(`tq-broker: ${where}: ${words}`);
});

test("a path that is wrong is told with the line of its file, by the check and by the start", () => {
  const program = fileURLToPath(new URL("../bin/tq-broker.js", import.meta.url));
  const file = join(dir, "wrong.yaml");
  const paths = `  tls_cert_path: ${gone.cert}\n  tls_key_path: ${gone.key}\n`;
  writeFileSync(file, `api:\n  enable_tls: true\n${paths}`);
  const args = [program, "--config", file, "--data-dir", join(dir, "never")];
  for (const more of [["--check-config"], []]) {
    const options = { env: { PATH: process.env["PATH"] }, encoding: "utf8" } as const;
    const { status, stderr, stdout } = spawnSync(process.execPath, [...args, ...more], options);
    expect(status).toBe(78);
    expect(stderr + stdout).toContain(`${file}:3: api.tls_cert_path: ${gone.cert}: there is no`);
  }
});
