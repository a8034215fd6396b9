/** Buses in mutual TLS: members reach each other, and whoever is none is not listened to. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { Authority, type CertificateFiles } from "../../../../test/certificates.ts";
import { busTls } from "../../src/tls/bus-tls.ts";
import { Gate } from "../../src/tls/gate.ts";
import { TlsMaterial } from "../../src/tls/material.ts";
import { backupsAsker } from "../../src/transport/backup-call.ts";
import { GreetError, greetMember } from "../../src/transport/greet.ts";
import { rejoinCaller } from "../../src/transport/rejoin-call.ts";
import type { BusSecurity } from "../../src/transport/security.ts";
import { TlsJournal } from "../tls/journal.ts";
import { CLUSTER, listen, memberOf, type Node, start, stopAll, until } from "./harness.ts";

const dir = mkdtempSync(join(tmpdir(), "tq-bus-tls-"));
const ours = new Authority(dir, "ours");
const theirs = new Authority(dir, "theirs");
const named = (id: string, by = ours) => by.issue(id, { names: [`DNS:${id}`] });

const closers: (() => void)[] = [];
const nodes: Node[] = [];

afterEach(async () => {
  await stopAll(nodes.splice(0));
  for (const close of closers.splice(0).reverse()) close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Secured {
  readonly security: BusSecurity;
  /** Of the gate: what never reaches the bus. */
  readonly gateLog: TlsJournal;
  readonly material: TlsMaterial;
}

function secured(
  pair: CertificateFiles,
  { ca = ours.ca, serverName = "", crl = "" } = {},
): Secured {
  const gateLog = new TlsJournal();
  const gate = new Gate(gateLog);
  const list = crl === "" ? {} : { crl };
  const files = { section: "raft", ...pair, ca, ...list } as const;
  const material = new TlsMaterial({ files, log: gateLog });
  closers.push(
    () => gate.close(),
    () => material.close(),
  );
  const name = serverName === "" ? undefined : serverName;
  return { security: busTls({ gate, material, serverName: name }), gateLog, material };
}

/** Two members that want to reach each other; undefined = plain text. */
async function pairOf(one: BusSecurity | undefined, other: BusSecurity | undefined) {
  const securities = [one, other];
  const listening = await Promise.all(securities.map((security) => listen(security)));
  const members = listening.map(({ server }, i) => memberOf(`node${i + 1}`, server.port));
  const pair = securities.map((security, i) => {
    const id = `node${i + 1}`;
    const options = { ...listening[i]!, members, id };
    return start(security === undefined ? options : { ...options, security });
  });
  nodes.push(...pair);
  return pair as [Node, Node];
}

function connected(pair: readonly Node[]): Promise<void> {
  return until(() => pair.every((node) => node.bus.peers().every((p) => p.inbound && p.outbound)));
}

/** Nothing has come from one to the other. */
function isApart([one, other]: readonly [Node, Node]): boolean {
  const none = ({ bus, heard }: Node) =>
    heard.peers.length === 0 && bus.peers().every((peer) => !peer.inbound && !peer.outbound);
  return none(one) && none(other);
}

describe("members", () => {
  test("with certificates for their ids reach each other", async () => {
    const pair = await pairOf(secured(named("node1")).security, secured(named("node2")).security);
    await connected(pair);
    const [one, two] = pair;
    const message = { type: "heartbeat", from: "node1", to: "node2", term: 1, commit: 0, round: 1 };
    one.bus.send({ message: message as never, beacon: undefined });
    await until(() => two.heard.messages.length === 1);
    expect(two.heard.messages[0]).toMatchObject({ type: "heartbeat", round: 1 });
  });

  test("may share one name, and have it as CN alone", async () => {
    const options = { serverName: "task-queue" };
    const [one, two] = [ours.issue("task-queue"), ours.issue("task-queue")];
    await connected(await pairOf(secured(one, options).security, secured(two, options).security));
  });

  test("go on in their streams, and dial with the new certificate, after a renewal", async () => {
    const files = named("node1");
    const [one, two] = [secured(files), secured(named("node2"))];
    const pair = await pairOf(one.security, two.security);
    await connected(pair);
    // Under another name, to see that it is the one in use.
    const renewed = named("node3");
    copyFileSync(renewed.cert, files.cert);
    copyFileSync(renewed.key, files.key);
    one.material.reload();
    expect(pair.map((node) => node.heard.peers)).toEqual([["+node2"], ["+node1"]]);
    const greeting = { member: memberOf("node1", 1), clusterId: CLUSTER, patienceMs: 0 };
    const peer = { host: "127.0.0.1", port: 1, busPort: pair[1].server.port };
    const dialled = greetMember(peer, { ...greeting, dial: { security: one.security } });
    await expect(dialled).rejects.toThrow("DNS:node3 does not speak for node1");
  });
});

describe("refused before a message is read", () => {
  test("a certificate of another authority", async () => {
    const one = secured(named("node1"));
    const two = secured(named("node2", theirs), { ca: ours.ca });
    const pair = await pairOf(one.security, two.security);
    await one.gateLog.said("with the bus port failed: an unknown authority has signed");
    await pair[0].log.said(/node2 at .*: no connection: its certificate is of another/);
    await pair[1].log.said(
      /node1 at .*: no connection: it closed the .* refuses a certificate, here raft\.tls_cert_path/,
    );
    expect(isApart(pair)).toBe(true);
  });

  test("another node's certificate, at either end", async () => {
    const one = secured(named("node1"));
    const two = secured(named("node3"));
    const pair = await pairOf(one.security, two.security);
    const words = "a certificate for DNS:node3 does not speak for node2";
    await pair[0].log.said(`refused node2 at `);
    await pair[0].log.said(words);
    await pair[0].log.said(/node2 at .*: no connection:.*does not speak for node2/);
    await pair[1].log.said(/node1 at .*: refused: .*does not speak for node2/);
    expect(isApart(pair)).toBe(true);
  });

  test("plain text to TLS, and TLS to plain text", async () => {
    const one = secured(named("node1"));
    const pair = await pairOf(one.security, undefined);
    await one.gateLog.said("came from 127.0.0.1 to the bus port, which speaks TLS");
    await pair[0].log.said(/node2 at .*: no connection: one of the two speaks TLS/);
    await pair[1].log.said(/node1 at .*: no connection: one of the two speaks TLS/);
    expect(isApart(pair)).toBe(true);
  });

  test("an expired certificate", async () => {
    const one = secured(named("node1"));
    const late = secured(named("node2"));
    const expired = ours.issue("node2", { names: ["DNS:node2"], fromDay: -5, toDay: -1 });
    const context = { cert: expired.cert, key: expired.key };
    const then = Date.now() - 2 * 86_400_000;
    const material = new TlsMaterial({
      files: { section: "raft", ...context, ca: ours.ca },
      log: late.gateLog,
      nowMs: () => then,
    });
    closers.push(() => material.close());
    const security = busTls({ gate: new Gate(late.gateLog), material, serverName: undefined });
    const pair = await pairOf(one.security, security);
    await one.gateLog.said("failed: the client's certificate has expired");
    await pair[0].log.said(/node2 at .*: no connection:.*expired/);
    expect(isApart(pair)).toBe(true);
  });

  test("a revoked certificate, at either end", async () => {
    const [good, bad] = [named("node1"), named("node2")];
    ours.revoke(bad);
    const crl = join(dir, "ca.crl");
    ours.writeList(crl);
    const one = secured(good, { crl });
    const pair = await pairOf(one.security, secured(bad, { crl }).security);
    await one.gateLog.said("failed: the client's certificate was revoked");
    await pair[0].log.said(/node2 at .*: no connection:.*revoked/);
    expect(isApart(pair)).toBe(true);
  });

  test("greetings and questions under a name that is not the certificate's", async () => {
    const one = secured(named("node1"));
    const { server, log } = await listen(one.security);
    const member = memberOf("node1", server.port);
    nodes.push(start({ server, log, members: [member], id: "node1", security: one.security }));
    const { security } = secured(named("node3"));
    const self = memberOf("node2", 1);
    const peer = { host: "127.0.0.1", port: 1, busPort: server.port };
    const greeting = { member: self, clusterId: CLUSTER, dial: { security }, patienceMs: 0 };
    const refused = await greetMember(peer, greeting).catch((error: Error) => error);
    expect(refused).toBeInstanceOf(GreetError);
    expect((refused as Error).message).toContain("does not speak for node2");
    const question = { clusterId: CLUSTER, formerIncarnation: "x", member: self };
    const answer = await rejoinCaller({ security })(
      member.bus,
      { ...question, wantsVote: false, confirmed: false },
      new AbortController().signal,
    );
    expect(answer).toMatchObject({ verdict: "WAIT" });
    expect((answer as { reason: string }).reason).toContain("does not speak for node2");
    const told = backupsAsker({ security })(
      member,
      { clusterId: CLUSTER, nodeId: self.id },
      new AbortController().signal,
    );
    await expect(told).rejects.toThrow("does not speak for node2");
  });
});
