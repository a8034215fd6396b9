/** The selftest: a run of the real thing, and whether its audit would see what it looks for. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { type AdminClient, PROCESS_IO, run } from "../src/index.ts";
import { auditStates, auditTasks } from "../src/selftest/audit.ts";
import { Ledger } from "../src/selftest/ledger.ts";
import { admin, FakeClient, taskJson } from "./doubles.ts";
import { temporaryFolder } from "./real-broker.ts";

const RUN_MS = 240_000;

async function called(argv: readonly string[], interrupted = new AbortController().signal) {
  let stdout = "";
  let stderr = "";
  const status = await run(argv, {
    ...PROCESS_IO,
    isTerminal: false,
    isStderrTerminal: false,
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    interrupted: () => interrupted,
  });
  return { status, stdout, stderr };
}

describe("tq-admin selftest", () => {
  test("breaks three real brokers under load, and nothing is lost", {
    timeout: RUN_MS,
  }, async () => {
    const folder = join(await temporaryFolder(), "kept");
    const line = ["selftest", "--seconds", "5", "--rate", "50", "--keep", folder];
    const { status, stdout, stderr } = await called(line);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ passed: true, seconds: 5, folder });
    expect(report.steps.map(({ step }: { step: string }) => step)).toEqual([
      "start three brokers",
      "kill the leader",
      "freeze a follower",
      "restart a follower",
      "hand over leadership",
    ]);
    expect(report.steps[1].detail).toMatch(/^(node\d) with SIGKILL; (?!\1)node\d leads after/);
    expect(report.load.acknowledged).toBeGreaterThan(0);
    expect(report.load.runs).toBeGreaterThanOrEqual(report.load.acknowledged);
    expect(report.checks).toHaveLength(6);
    expect(readdirSync(folder)).toContain("node1.log");
  });

  test("when it is interrupted nothing of it stays", { timeout: RUN_MS }, async () => {
    const folder = await temporaryFolder();
    vi.stubEnv("TMPDIR", folder);
    const { status, stdout, stderr } = await called(["selftest"], AbortSignal.abort());
    vi.unstubAllEnvs();
    expect([status, stdout]).toEqual([75, ""]);
    expect(stderr).toContain("interrupted");
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each([
    ["selftest --seconds 4", 64, "is not a whole number from 5 to 600"],
    ["selftest --rate 0", 64, "is not a whole number from 1 to 2000"],
    ["selftest --keep packages", 64, "is not empty; name a new folder"],
    ["selftest --keep package.json/x", 66, "--keep: "],
  ])("refuses %s before it starts anything", async (line, status, text) => {
    const result = await admin(line);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(text);
    expect(existsSync("package.json/x")).toBe(false);
  });
});

describe("the audit", () => {
  const task = (n: number, fields: object = {}) => {
    return taskJson({ id: `t${n}`, payload: { n }, state: "completed", result: n, ...fields });
  };

  /** Tasks 0 and 1 were acknowledged and handled, and what became of 2 is not known. */
  function ledgerOfThree(): Ledger {
    const ledger = new Ledger();
    for (const n of [ledger.next(), ledger.next()]) {
      ledger.acknowledge(`t${n}`, n);
      ledger.handle(n);
    }
    ledger.failed(ledger.next());
    return ledger;
  }

  async function failed(tasks: readonly object[]): Promise<string[]> {
    const client = Object.assign(new FakeClient(), { tasks }) as AdminClient;
    const checks = await auditTasks(client, ledgerOfThree());
    return checks.filter(({ passed }) => !passed).map(({ check }) => check);
  }

  test("finds nothing where all is well, with and without the unanswered one", async () => {
    expect(await failed([task(0), task(1)])).toEqual([]);
    expect(await failed([task(0), task(1), task(2)])).toEqual([]);
  });

  test.each([
    ["a lost task", [task(0)], "every acknowledged task is there"],
    ["one that never ran", [task(0), task(1, { state: "dead" })], "each of them was done"],
    ["the result of another", [task(0), task(1, { result: 0 })], "each has the result"],
    ["a task with another's payload", [task(0), task(1, { payload: { n: 2 } })], "each has"],
    ["a task made twice", [task(0), task(1), task(1, { id: "t9" })], "none was made twice"],
    ["a task of nobody", [task(0), task(1), task(7)], "none was made twice"],
  ])("sees %s", async (_, tasks, check) => {
    const found = await failed(tasks);
    expect(found.some((each) => each.startsWith(check))).toBe(true);
  });

  test("sees states that differ after the same entry", () => {
    const state = { raft: { applied_index: 9, effect_hash: "aa" }, tasks: { completed: 2 } };
    const other = { ...state, raft: { ...state.raft, effect_hash: "bb" } };
    expect(auditStates([state, state, state]).passed).toBe(true);
    expect(auditStates([state, state, other])).toMatchObject({
      passed: false,
      detail: expect.stringContaining("aa, bb after entry 9"),
    });
    expect(auditStates([state, { ...state, tasks: { completed: 1 } }]).passed).toBe(false);
  });
});
