/** Many tasks at once on the command line. */
import { describe, expect, test } from "vitest";
import { admin, ID, jobJson } from "./doubles.ts";

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

  test("on a terminal a bar shows how far it is", async () => {
    const { stdout, stderr } = await admin("dlq retry --all", () => {}, TERMINAL);
    expect(stderr).toContain("[########################] 100%  20 of 9");
    expect(stdout).toBe("0 tasks started again\n");
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

describe("purge-dlq", () => {
  test("asks; --yes and --dry-run need no answer", async () => {
    expect((await admin("purge-dlq")).status).toBe(64);
    for (const option of ["--yes", "--dry-run"]) {
      const { status, client } = await admin(`purge-dlq --queue mail ${option}`);
      expect(status).toBe(0);
      const filter = { queue: "mail", status: "dead" };
      expect(client.asked[0]).toMatchObject(["start_job", { kind: "delete", filter }]);
    }
    const no = await admin("purge-dlq", () => {}, { canAsk: true, ask: async () => "n" });
    expect([no.status, no.client.asked]).toEqual([1, []]);
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
