/** Certificates that were revoked: refused at the next handshake, by lists that openssl makes. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { Authority, type CertificateFiles, openssl } from "../../../../test/certificates.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { Gate } from "../../src/tls/gate.ts";
import { TlsMaterial } from "../../src/tls/material.ts";
import { readMaterial } from "../../src/tls/read-material.ts";
import { validityOf } from "../../src/tls/revocation-list.ts";
import { listening, TlsJournal } from "./journal.ts";

const DAY_MS = 86_400_000;
const dir = mkdtempSync(join(tmpdir(), "tq-crl-"));
const authority = new Authority(dir, "ours");
const stranger = new Authority(dir, "another");
const own = authority.issue("task-queue");
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let lists = 0;
function list(toDay?: number, by = authority): string {
  const path = join(dir, `${++lists}.crl`);
  by.writeList(path, toDay);
  return path;
}

function filesOf(crl: string) {
  return { section: "api", ...own, ca: authority.ca, crl } as const;
}

async function door(crl: string, nowMs: () => number = Date.now) {
  const log = new TlsJournal();
  const gate = new Gate(log);
  const material = new TlsMaterial({ files: filesOf(crl), log, nowMs });
  const server: Server = createServer((socket) => socket.end("hello"));
  gate.guard(server, { name: "the port", material });
  onTestFinished(() => {
    server.close();
    gate.close();
    material.close();
  });
  return { log, material, port: await listening(server) };
}

async function heard(port: number, pair: CertificateFiles): Promise<string> {
  const socket = connectTls({
    port,
    host: "127.0.0.1",
    ca: authority.caPem,
    servername: "task-queue",
    cert: readFileSync(pair.cert),
    key: readFileSync(pair.key),
  });
  let text = "";
  try {
    for await (const chunk of socket) text += chunk;
  } catch {
    text = "refused";
  }
  return text === "" ? "refused" : text;
}

test("one that was revoked is refused from the next list on, and others are not", async () => {
  const [good, bad] = [authority.issue("good"), authority.issue("bad")];
  const crl = list();
  const { port, log } = await door(crl);
  expect([await heard(port, good), await heard(port, bad)]).toEqual(["hello", "hello"]);
  authority.revoke(bad);
  authority.writeList(crl);
  await log.said("new TLS files are in use");
  expect([await heard(port, good), await heard(port, bad)]).toEqual(["hello", "refused"]);
  await log.said("the client's certificate was revoked");
});

test("a list of another authority lets nobody in, and the log says why", async () => {
  const good = authority.issue("good");
  const { port, log } = await door(list(2, stranger));
  expect(await heard(port, good)).toBe("refused");
  await log.said("is not of the authority that signed it");
});

test("the lists of several authorities stand in one file", async () => {
  const [good, bad] = [authority.issue("good"), authority.issue("bad")];
  authority.revoke(bad);
  const both = join(dir, "both.crl");
  const texts = [list(2, stranger), list()].map((path) => readFileSync(path, "utf8"));
  writeFileSync(both, texts.join(""));
  const { port } = await door(both);
  expect([await heard(port, good), await heard(port, bad)]).toEqual(["hello", "refused"]);
});

test("the end of a list is told ahead, once each, and when it has come", async () => {
  let now = Date.now();
  const { log, material } = await door(list(2), () => now);
  const told = () => log.lines.filter((line) => line.includes("put a new one there")).length;
  expect(told()).toBe(0);
  expect(material.listSecondsLeft).toBeGreaterThan(86_400);
  for (const [days, times] of [
    [1.1, 1],
    [1.2, 1],
    [1.9, 2],
    [2.1, 3],
  ] as const) {
    now = Date.now() + days * DAY_MS;
    material.reload();
    expect([days, told()]).toEqual([days, times]);
  }
  expect(material.listSecondsLeft).toBeLessThan(0);
});

test("what is no list, or out of date, is told by its setting", () => {
  const { cert } = own;
  expect(() => readMaterial(filesOf(cert), Date.now())).toThrow(
    `api.tls_crl_path: ${cert}: no list of revoked certificates in it, but CERTIFICATE`,
  );
  const old = list(-1);
  expect(() => readMaterial(filesOf(old), Date.now())).toThrow(/crl: out of date since .*new one/);
  const torn = join(dir, "torn.crl");
  writeFileSync(torn, "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n");
  expect(() => readMaterial(filesOf(torn), Date.now())).toThrow("no list of revoked");
});

test("a list from the future takes the place of none, for it would refuse everybody", async () => {
  const good = authority.issue("good");
  const crl = list();
  const { port, log } = await door(crl);
  authority.writeList(crl, 9, 3);
  await log.said("the former ones stay in use: api.tls_crl_path");
  expect(await heard(port, good)).toBe("hello");
  expect(() => readMaterial(filesOf(crl), Date.now())).toThrow(
    /not good before .*: until then every certificate would be refused/,
  );
});

test("its dates are what openssl reads of it", () => {
  for (const toDay of [2, 365 * 30]) {
    const path = list(toDay);
    const der = `${path}.der`;
    openssl("crl", "-in", path, "-outform", "DER", "-out", der);
    const { untilMs } = validityOf(readFileSync(der));
    const args = ["crl", "-in", path, "-noout", "-nextupdate"];
    const [, text] = execFileSync("openssl", args, { encoding: "utf8" }).split("=");
    expect(untilMs).toBe(Date.parse(text!));
    for (let length = 0; length < 60; length++) {
      expect(() => validityOf(readFileSync(der).subarray(0, length))).toThrow("no list of revoked");
    }
  }
});

test("settings: a list needs an authority", () => {
  expect(() => loadConfig({ argv: [], env: { TQ_API__TLS_CRL_PATH: "a.crl" } })).toThrow(
    "api.tls_crl_path: only who must show a certificate can have one that was revoked; " +
      "set api.tls_ca_path too",
  );
  expect(() => loadConfig({ argv: [], env: { TQ_RAFT__TLS_CRL_PATH: "a.crl" } })).toThrow(
    "raft.tls_crl_path: TLS between brokers needs raft.tls_cert_path too",
  );
});
