/** `tq-admin audit` before a broker that keeps its log, and `audit verify` of a copy of it. */
import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AUDIT_TORN, type AuditJson, auditContent } from "task-queue-protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { hashOf } from "../../broker/src/audit/chain.ts";
import { admin, type FakeClient, THREE } from "./doubles.ts";
import { openKept, temporaryFolder } from "./real-broker.ts";

function lineAfter(previous: string, seq: number, verb = "cancel", target = "t"): AuditJson {
  const head = { seq, time: "2030-01-31T12:00:00.000Z", node: "a", who: "ops", from: "::1" };
  const entry = { ...head, door: "rest", verb, target, outcome: "ok", index: 7, previous };
  return { ...entry, hash: hashOf(auditContent(entry)) };
}

const A = lineAfter("0".repeat(64), 1);
const B = lineAfter(A.hash, 2, "retry");
const ALL = `${JSON.stringify(A)}\n${JSON.stringify(B)}\n`;

function verify(content: string | Uint8Array, more = "") {
  const io = { readBytes: () => Buffer.from(content as string) };
  return admin(`audit verify copy.log ${more}`, () => {}, io);
}

describe("verify", () => {
  test("a whole copy, in part too", async () => {
    const { status, stdout, options } = await verify(ALL, `--expect ${A.hash}`);
    expect(status).toBe(0);
    expect(options, "no connection").toBeUndefined();
    expect(JSON.parse(stdout)).toMatchObject({ lines: 2, first: 1, last: 2, hash: B.hash });
    expect((await verify(`${JSON.stringify(B)}\n`)).status).toBe(0);
  });

  test.each([
    ["", "", "there are no lines"],
    [ALL.slice(0, -1), "", "line 2 is cut off"],
    [ALL.slice(0, -20), "", "line 2 is cut off"],
    [ALL.replace("ops", "eve"), "", "line 1 says something else than was written (number 1)"],
    [ALL.replace('"t"', '"t" '), "", "line 1 is no line of an audit log"],
    [`${ALL}${JSON.stringify(lineAfter(B.hash, 4))}\n`, "", "line 3 is not the next one"],
    [`${ALL}${JSON.stringify(lineAfter(A.hash, 3))}\n`, "", "line 3 follows another line"],
    [`${JSON.stringify(lineAfter(A.hash, 1))}\n`, "", "line 1 begins no chain"],
    [ALL, `--expect ${"0".repeat(64)}`, "no line has the hash 0000"],
  ])("%j %s is refused", async (content, more, fault) => {
    const { status, stderr } = await verify(content, more);
    expect([status, stderr]).toEqual([65, expect.stringContaining(`copy.log: ${fault}`)]);
  });

  test("bytes that a crash has left are what the next line says of them, text or not", async () => {
    const left = Buffer.from([0x7b, 0xff, 0xfe, 0x80]);
    const digest = createHash("sha256").update(left).digest("hex");
    const torn = lineAfter(A.hash, 2, AUDIT_TORN, `${left.length} bytes, SHA-256 ${digest}`);
    const content = Buffer.concat([
      Buffer.from(`${JSON.stringify(A)}\n`),
      left,
      Buffer.from(`\n${JSON.stringify(torn)}\n`),
    ]);
    const { status, stdout } = await verify(content);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ lines: 2, torn: 1 });
    const other = Buffer.from(content).fill(0x81, content.indexOf(0x80), content.indexOf(0x80) + 1);
    expect((await verify(other)).stderr).toContain("line 2 is no line of an audit log");
  });

  test("what is asked for wrongly", async () => {
    expect((await admin("audit verify")).status).toBe(64);
    expect((await admin("audit verfy x")).status).toBe(64);
    expect((await verify(ALL, "--expect 0")).status).toBe(64);
    expect((await admin("audit verify nowhere")).status).toBe(66);
  });
});

test("a key that the cluster keeps is shown with the beginning of its id", async () => {
  const line = { ...A, key_id: "0123456789abcdef0123456789abcdef" };
  const pages = [{ node_id: "node1", lines: [line, B], position: "1.9", end: true }];
  const given = (fake: FakeClient) => {
    fake.pages = pages;
  };
  const { stdout } = await admin("audit", given, { isTerminal: true });
  expect(stdout).toMatch(/ops \(01234567\) +::1.*\n.*Z +ops +::1/);
});

describe("pages", () => {
  const page = (lines: AuditJson[], position: string, end: boolean) => {
    return { node_id: "node1", lines, position, end };
  };

  test("are asked for until the end, of one node", async () => {
    const { status, stdout, client, options } = await admin("audit --node node2", (fake) => {
      fake.clusters = [THREE];
      fake.pages = [page([A], "1.9", false), page([B], "1.20", false), page([], "1.20", true)];
    });
    expect([status, JSON.parse(stdout)]).toEqual([0, [A, B]]);
    expect(options?.servers).toBe("127.0.0.1:6380");
    const since = Date.parse("2030-01-30T12:00:00.000Z");
    expect(client.asked.filter(([verb]) => verb === "audit")).toEqual([
      ["audit", { since }],
      ["audit", { since, position: "1.9" }],
      ["audit", { since, position: "1.20" }],
    ]);
  });

  test("go on for as long as somebody follows", async () => {
    const over = new AbortController();
    const pages = [page([A], "1.9", true), page([], "1.9", true), page([B], "1.20", true)];
    const { stdout } = await admin(
      "audit --node 127.0.0.1:7 --since 1h --follow",
      (fake) => {
        fake.pages = [...pages, page([], "1.20", true)];
      },
      {
        isTerminal: true,
        interrupted: () => over.signal,
        sleep: async () => {
          if (stops-- === 0) over.abort();
        },
      },
    );
    expect(stdout.split("\n")).toEqual([
      "2030-01-31T12:00:00.000Z  ops  ::1  rest  cancel  t  ok",
      "2030-01-31T12:00:00.000Z  ops  ::1  rest  retry  t  ok",
      "",
    ]);
  });
  let stops = 2;

  test("of a member that is none", async () => {
    const { status, stderr } = await admin("audit --node node9");
    expect([status, stderr]).toEqual([66, expect.stringContaining("there are node1")]);
  });
});

test("what was done to a broker, as it has written it down, and a copy that can be checked", async () => {
  const { broker, folder: home, close } = await openKept();
  onTestFinished(close);
  const folder = await temporaryFolder();
  const log = join(home, "data", "audit.log");
  expect((await broker.call(["pause", "mail"])).status).toBe(0);
  expect((await broker.call(["create-snapshot", join(folder, "backup")])).status).toBe(0);
  const { stdout } = await broker.call(["audit", "-o", "jsonl"]);
  const copy = join(folder, "copy.log");
  writeFileSync(copy, stdout);
  const seen = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as AuditJson);
  // What opens the broker asks for jobs of no tasks until there can be some.
  const own = seen.filter(({ verb }) => verb !== "cancel_many");
  expect(own.map(({ verb, target }) => [verb, target])).toEqual([
    ["start", "test"],
    ["configure_queue", "mail"],
    ["snapshot", expect.stringMatching(/^[0-9a-f]{32}$/)],
    ["audit", ""],
  ]);
  expect(own[1]).toMatchObject({ who: "anonymous", from: "127.0.0.1", door: "worker" });
  expect(statSync(log).mode & 0o777).toBe(0o600);
  for (const path of [copy, log]) {
    expect((await broker.call(["audit", "verify", path])).status).toBe(0);
  }
  const changed = readFileSync(copy, "utf8").replace("anonymous", "somebody!");
  writeFileSync(copy, changed);
  expect((await broker.call(["audit", "verify", copy])).status).toBe(65);
});
