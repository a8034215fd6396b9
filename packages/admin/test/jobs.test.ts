/** Many tasks at once on the command line. */
import type { QueueJson } from "task-queue-client";
import { describe, expect, test } from "vitest";
import { admin, type FakeClient, ID, jobJson, NOW } from "./doubles.ts";

const TERMINAL = { isTerminal: true };

describe("dlq retry of many", () => {
  test.each([
    ["dlq retry --all", { kind: "retry", filter: { status: "dead" } }],
    [
      "dlq retry --type a --error 00112233aabbccdd --dry-run --per-second 5",
      {
        kind: "retry",
        filter: { type: "a", error: "00112233aabbccdd", status: "dead" },
        dry_run: true,
        per_second: 5,
      },
    ],
  ])("%s", async (line, params) => {
    const { status, stdout, client } = await admin(line);
    expect(status).toBe(0);
    expect(client.asked[0]).toEqual(["start_job", params]);
    expect(JSON.parse(stdout)).toMatchObject({ state: "done", matched: 20 });
  });

  test("a bar shows how far it is where standard error is a terminal", async () => {
    let time = NOW;
    const now = () => (time += 1_000);
    const line = "dlq retry --all -o table";
    const seen = await admin(line, () => {}, { isStderrTerminal: true, now });
    expect(seen.stderr).toContain("[########################] 100%  20 of 9");
    expect(seen.stderr.endsWith("\r\u001b[K")).toBe(true);
    expect(seen.stdout).toBe("0 tasks started again\n");
    const logged = await admin(line, () => {}, { ...TERMINAL, now });
    expect([logged.stderr, logged.stdout]).toEqual(["", seen.stdout]);
  });

  test("one that was called off is status 1", async () => {
    const { status, stdout } = await admin(
      "dlq retry --all",
      (client) => {
        client.jobViews = [jobJson({ state: "cancelled", changed: 4 })];
      },
      TERMINAL,
    );
    expect([status, stdout]).toEqual([
      1,
      `4 tasks started again before job ${ID} was called off\n`,
    ]);
  });

  test.each(["dlq retry", `dlq retry ${ID} --all`, "dlq retry --all --per-second 0"])(
    "%s is a usage error",
    async (line) => {
      const { status, client } = await admin(line);
      expect([status, client.asked]).toEqual([64, []]);
    },
  );
});

describe.each(["purge-dlq", "dlq purge"])("%s", (verb) => {
  test("--yes and --dry-run need no answer; nobody to ask is a usage error", async () => {
    const refused = await admin(verb);
    expect([refused.status, refused.client.asked]).toEqual([64, []]);
    for (const option of ["--yes", "-y", "--dry-run"]) {
      const { status, client } = await admin(`${verb} --queue mail ${option}`);
      expect(status).toBe(0);
      const filter = { queue: "mail", status: "dead" };
      expect(client.asked[0]).toMatchObject(["start_job", { kind: "delete", filter }]);
    }
  });

  test.each([
    ["n", 1, 1],
    ["y", 0, 2],
  ])("has counted before it asks; the answer is %s", async (answer, status, jobs) => {
    const questions: string[] = [];
    const ask = async (question: string) => {
      questions.push(question);
      return answer;
    };
    const counted = (client: FakeClient) => {
      client.jobViews = [jobJson({ state: "done", changed: 7 })];
    };
    const result = await admin(`${verb} --type a`, counted, { canAsk: true, ask });
    expect(questions).toEqual(["Delete the dead tasks of type a for good? There are 7. [y/N] "]);
    expect(result.status).toBe(status);
    const started = result.client.asked.filter(([name]) => name === "start_job");
    expect(started).toHaveLength(jobs);
    expect(started[0]).toMatchObject(["start_job", { kind: "delete", dry_run: true }]);
    if (jobs === 2) expect(started[1]![1]).not.toHaveProperty("dry_run");
  });
});

describe("queue purge", () => {
  const counts = { pending: 3, running: 1, completed: 5, dead: 2 };
  const filled = (client: FakeClient) => {
    client.settings = { name: "mail", counts } as QueueJson;
    client.jobViews = [
      jobJson({ kind: "cancel", state: "done", changed: 4 }),
      jobJson({ kind: "delete", state: "done", changed: 11 }),
    ];
  };

  test("cancels and deletes in one go", async () => {
    const { status, stdout, client } = await admin(
      "queue purge mail --yes --per-second 9",
      (it) => {
        filled(it);
        // One each for the start and for the look at it.
        it.jobViews = [it.jobViews[0]!, it.jobViews[1]!, it.jobViews[0]!, it.jobViews[1]!];
      },
    );
    expect(status).toBe(0);
    expect(client.asked.filter(([name]) => name === "start_job")).toEqual([
      ["start_job", { kind: "cancel", filter: { queue: "mail" }, per_second: 9 }],
      ["start_job", { kind: "delete", filter: { queue: "mail" }, per_second: 9 }],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      queue: "mail",
      cancelled: 4,
      deleted: 11,
      message: "4 tasks cancelled, 11 deleted",
    });
  });

  test("a dry run says how many; without --yes it asks, and no is nothing", async () => {
    const dry = await admin("queue purge mail --dry-run", filled);
    expect(JSON.parse(dry.stdout)).toMatchObject({ dry_run: true, cancelled: 4, deleted: 11 });
    const questions: string[] = [];
    const no = await admin("queue purge mail", filled, {
      canAsk: true,
      ask: async (question) => {
        questions.push(question);
        return "n";
      },
    });
    expect(questions).toEqual(["Cancel 4 tasks of mail, and delete all 11? [y/N] "]);
    expect([no.status, (await admin("queue purge mail", filled)).status]).toEqual([1, 64]);
    for (const { client } of [dry, no]) expect(client.asked).toEqual([["queue", "mail"]]);
  });

  test("one that was called off is status 1; an unknown queue 66", async () => {
    const off = await admin("queue purge mail -y", (client) => {
      client.jobViews = [jobJson({ state: "cancelled", changed: 1 })];
    });
    expect(off.status).toBe(1);
    expect(JSON.parse(off.stdout).message).toContain(`before job ${ID} was called off`);
    const unknown = await admin("queue purge nope -y", (client) => {
      client.settings = undefined;
    });
    expect(unknown.status).toBe(66);
  });
});

test("dlq groups shows the largest first", async () => {
  const { stdout } = await admin("dlq groups");
  expect(JSON.parse(stdout).map(({ count }: { count: number }) => count)).toEqual([5, 3]);
});

describe("jobs", () => {
  test("list, get, wait and cancel", async () => {
    expect(JSON.parse((await admin("jobs list")).stdout)).toHaveLength(2);
    expect((await admin(`jobs get ${ID}`)).client.asked).toEqual([["job", ID]]);
    expect(JSON.parse((await admin(`jobs wait ${ID}`)).stdout)).toMatchObject({ state: "done" });
    const { stdout, client } = await admin(`jobs cancel ${ID}`);
    expect(JSON.parse(stdout).state).toBe("cancelled");
    expect(client.asked).toEqual([["cancel_job", ID]]);
  });

  test("a table on a terminal", async () => {
    const { stdout } = await admin("jobs list", () => {}, TERMINAL);
    expect(stdout).toMatch(/KIND +STATE +MATCHED/);
    expect(stdout).toContain("status=dead");
  });
});
