/** Certificates as files: what is wrong with them is said by name, and a renewal needs no restart. */
import { chmodSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Authority, type CertificateFiles, openssl } from "../../../../test/certificates.ts";
import { TlsMaterial } from "../../src/tls/material.ts";
import { readMaterial } from "../../src/tls/read-material.ts";
import { TlsJournal } from "./journal.ts";

const DAY_MS = 86_400_000;
const dir = mkdtempSync(join(tmpdir(), "tq-tls-"));
const authority = new Authority(dir, "ours");
const good = authority.issue("task-queue");

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function filesOf(pair: CertificateFiles, ca?: string) {
  return { section: "api", ...pair, ca } as const;
}

function read(pair: CertificateFiles, ca?: string, nowMs = Date.now()) {
  return readMaterial(filesOf(pair, ca), nowMs);
}

function written(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

describe("files at the start", () => {
  test("a good pair is read, and what its handshakes cost is known", () => {
    const { expiresAtMs, isRsa } = read(good, authority.ca);
    expect(isRsa).toBe(false);
    expect(Math.abs(expiresAtMs - Date.now() - 2 * DAY_MS)).toBeLessThan(DAY_MS);
  });

  test.each([
    ["nothing there", { ...good, cert: "/nowhere.crt" }, "api.tls_cert_path: /nowhere.crt: there"],
    ["a key for a certificate", { ...good, cert: good.key }, "no certificate in it, but PRIVATE"],
    ["a certificate for a key", { ...good, key: good.cert }, "no private key in it, but CERTIFI"],
    ["a directory", { ...good, cert: dir }, "api.tls_cert_path"],
  ])("%s", (_, pair, words) => {
    expect(() => read(pair)).toThrow(words);
  });

  test("what is no PEM at all", () => {
    const empty = written("empty.crt", "");
    expect(() => read({ ...good, cert: empty })).toThrow("but nothing in PEM");
    const torn = written("torn.crt", BROKEN);
    expect(() => read({ ...good, cert: torn })).toThrow("not a readable certificate");
    expect(() => read(good, empty)).toThrow("api.tls_ca_path");
  });

  test("a key of another certificate", () => {
    const other = authority.issue("other");
    expect(() => read({ cert: good.cert, key: other.key })).toThrow(
      `this key does not belong to the certificate in ${good.cert}`,
    );
  });

  test("a key with a passphrase", () => {
    const key = join(dir, "secret.key");
    openssl("pkey", "-in", good.key, "-aes256", "-passout", "pass:secret", "-out", key);
    expect(() => read({ ...good, key })).toThrow("the key has a passphrase");
  });

  test("too late and too early", () => {
    expect(() => read(good, undefined, Date.now() + 9 * DAY_MS)).toThrow("expired on");
    expect(() => read(good, undefined, Date.now() - 9 * DAY_MS)).toThrow("not valid before");
  });

  test("a key that others can read", () => {
    const key = join(dir, "open.key");
    copyFileSync(good.key, key);
    chmodSync(key, 0o644);
    expect(() => read({ ...good, key })).toThrow(`can read this key; chmod 600 ${key}`);
    chmodSync(key, 0o600);
    expect(read({ ...good, key }).isRsa).toBe(false);
  });
});

const BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** A pair of its own, in a directory of its own. */
function material(name: string, nowMs?: () => number) {
  const pair = { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
  copyFileSync(good.cert, pair.cert);
  copyFileSync(good.key, pair.key);
  const log = new TlsJournal();
  const files = filesOf(pair);
  const made = new TlsMaterial(nowMs === undefined ? { files, log } : { files, log, nowMs });
  return { pair, log, made };
}

describe("renewal", () => {
  test("files that are replaced by renaming are taken up, without a signal", async () => {
    const { pair, log, made } = material("renamed");
    const seen: string[] = [];
    made.follow(({ fingerprint }) => seen.push(fingerprint));
    const next = authority.issue("task-queue");
    renameSync(next.key, pair.key);
    renameSync(next.cert, pair.cert);
    await log.said("a new certificate is in use");
    expect(new Set(seen).size).toBe(2);
    expect(made.current.fingerprint).toBe(seen[1]);
    made.close();
  });

  test("a bad pair is told once and changes nothing; SIGHUP takes up the good one", async () => {
    const { pair, log, made } = material("bad");
    const before = made.current;
    writeFileSync(pair.cert, BROKEN);
    made.reload();
    made.reload();
    expect(made.current).toBe(before);
    const told = log.lines.filter((line) => line.startsWith("error"));
    expect(told).toEqual([expect.stringContaining("the former ones stay in use: api.tls_cert")]);
    const next = authority.issue("task-queue");
    copyFileSync(next.cert, pair.cert);
    copyFileSync(next.key, pair.key);
    process.emit("SIGHUP");
    expect(made.current).not.toBe(before);
    made.close();
    expect(process.listenerCount("SIGHUP")).toBe(0);
  });

  test("expiry is told at 30, 7 and 1 days, once each, and afterwards", () => {
    let now = Date.now() - DAY_MS / 2;
    const { log, made } = material("expiry", () => now);
    made.reload();
    const told = () => log.lines.filter((line) => line.includes("renew it")).length;
    expect(told()).toBe(1);
    now = Date.now() + 1.5 * DAY_MS;
    made.reload();
    made.reload();
    expect(told()).toBe(2);
    expect(made.secondsLeft).toBeGreaterThan(0);
    now = Date.now() + 3 * DAY_MS;
    expect(made.secondsLeft).toBeLessThan(0);
    made.close();
  });
});
