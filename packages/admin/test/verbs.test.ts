/** Each verb: what it asks of the cluster, and what it prints in which format. */
import { TqError } from "task-queue-client";
import { describe, expect, test } from "vitest";
import { admin, CLUSTER, type FakeClient, ID, taskJson } from "./doubles.ts";

const TERMINAL = { isTerminal: true };

describe("list", () => {
  test("is a top-level array of whole tasks when piped", async () => {
    const { status, stdout, client } = await admin("list --status failed --queue mail");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual([taskJson()]);
    expect(client.asked).toEqual([
      ["list", { status: "failed", queue: "mail", limit: 100, payload: true }],
    ]);
  });

  test("pages by itself up to the limit", async () => {
    const tasks = Array.from({ length: 2_500 }, (_, i) => taskJson({ attempt: i }));
    const { stdout, client } = await admin("list --limit 2100", (fake) => {
      fake.tasks = tasks;
    });
    expect(JSON.parse(stdout)).toHaveLength(2_100);
    expect(client.asked[0]).toEqual(["list", { limit: 1_000, payload: true }]);
  });

  test("nothing is an empty array", async () => {
    const none = (fake: { tasks: unknown[] }) => {
      fake.tasks = [];
    };
    expect((await admin("list", none)).stdout).toBe("[]\n");
    expect((await admin("list -o jsonl", none)).stdout).toBe("");
    expect((await admin("list -o yaml", none)).stdout).toBe("[]\n");
  });

  test("--older-than leaves out what is younger", async () => {
    const old = taskJson({ created_at: "2030-01-31T11:00:00.000Z" });
    const { stdout } = await admin("list --older-than 30m", (fake) => {
      fake.tasks = [taskJson(), old];
    });
    expect(JSON.parse(stdout)).toEqual([old]);
  });

  test("is a table on a terminal, without payloads, and without control characters", async () => {
    const evil = taskJson({ error: { message: "\u001b[2Jgone\nnow" }, state: "dead" });
    const { stdout, client } = await admin(
      "list",
      (fake) => {
        fake.tasks = [evil];
      },
      TERMINAL,
    );
    expect(stdout).toMatchInlineSnapshot(`
      "ID                                    TYPE        QUEUE  STATE  PRIORITY  ATTEMPT  AGE  ERROR
      0198f2c4-0000-7000-8000-000000000001  email.send  mail   dead   normal          0   3m  \\u{1b}[2Jgone\\u{a}now
      "
    `);
    expect(client.asked).toEqual([["list", { limit: 100, payload: false }]]);
  });

  test("jsonl is one task a line, yaml one item each", async () => {
    const two = (fake: { tasks: unknown[] }) => {
      fake.tasks = [taskJson(), taskJson({ type: "no" })];
    };
    const { stdout } = await admin("list -o jsonl", two);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).type),
    ).toEqual(["email.send", "no"]);
    const yaml = (await admin("list --output yaml", two)).stdout;
    expect(yaml).toContain("- id: ");
    expect(yaml).toContain('  type: "no"');
  });
});

describe("one task", () => {
  test("logs shows its lines, page by page", async () => {
    const { stdout, client } = await admin(`logs ${ID}`, (fake) => {
      fake.lines.push({ ...fake.lines[0]!, number: 2, text: "again" });
    });
    expect(JSON.parse(stdout).map(({ text }: { text: string }) => text)).toEqual([
      "hello",
      "again",
    ]);
    expect(client.asked).toEqual([
      ["logs", ID, { after: 0, limit: 1000 }],
      ["logs", ID, { after: 1, limit: 1000 }],
    ]);
    expect((await admin(`logs ${ID} --after x`)).status).toBe(64);
  });

  test("get shows its progress", async () => {
    const progress = { value: { done: 3 }, at: "2030-01-31T12:00:00.000Z" };
    const { stdout } = await admin(
      `get ${ID}`,
      (fake) => {
        fake.tasks = [taskJson({ progress, log_lines: 7 })];
      },
      TERMINAL,
    );
    expect(stdout).toMatch(/progress +\{"done":3\} \(2030-01-31T12:00:00.000Z\)/);
    expect(stdout).toMatch(/log lines +7/);
  });

  test("get shows all its sides and attempts", async () => {
    const attempt = {
      number: 1,
      worker_id: "s1",
      token: "9",
      started_at: "2030-01-31T11:58:00.000Z",
      ended_at: "2030-01-31T11:58:01.000Z",
      outcome: "failed",
      error: { message: "no luck" },
    };
    const { stdout } = await admin(
      `get ${ID.toUpperCase()}`,
      (fake) => {
        fake.tasks = [taskJson({ attempt: 1, attempts: [attempt], tags: ["x", "y"] })];
      },
      TERMINAL,
    );
    expect(stdout).toMatchInlineSnapshot(`
      "id        0198f2c4-0000-7000-8000-000000000001
      type      email.send
      queue     mail
      state     pending
      priority  normal
      attempt   1 (retries: 3)
      payload   {"to":"a@example.com"}
      tags      x,y
      created   2030-01-31T11:57:00.000Z (3m ago)

      ATTEMPT  OUTCOME  STARTED                   ENDED                     WORKER  ERROR
            1  failed   2030-01-31T11:58:00.000Z  2030-01-31T11:58:01.000Z  s1      no luck
      "
    `);
  });

  test("submit says all that can be said of a task", async () => {
    const line = `submit t --expires-in 1h --unique-key k --unique-for 5s --unique-conflict reject
      --group g --require zone=a --require disk=ssd --after ${ID} --on-parent-failure continue`;
    const { client } = await admin(line.replaceAll(/\s+/g, " "));
    expect(client.asked[0]!.at(-1)).toEqual({
      expiresInMs: 3_600_000,
      uniqueKey: "k",
      uniqueForMs: 5_000,
      uniqueConflict: "reject",
      group: "g",
      requiredLabels: ["zone=a", "disk=ssd"],
      dependsOn: [ID],
      onParentFailure: "continue",
    });
    expect((await admin("submit t --unique-conflict maybe")).status).toBe(64);
  });

  test("reschedule takes a time or a duration, and just one of them", async () => {
    expect((await admin(`reschedule ${ID} --in 1m30s`)).client.asked).toEqual([
      ["reschedule", ID, { delayMs: 90_000 }],
    ]);
    expect((await admin(`reschedule ${ID} --at 2030-01-31T08:00:00Z`)).client.asked).toEqual([
      ["reschedule", ID, { runAt: new Date("2030-01-31T08:00:00Z") }],
    ]);
    for (const wrong of ["", "--in 5s --at 2030-01-31T08:00:00Z", "--at tomorrow"]) {
      const { status, client } = await admin(`reschedule ${ID} ${wrong}`);
      expect([status, client.asked]).toEqual([64, []]);
    }
  });

  test("cancel passes the reason on; retry and dlq retry are asked for", async () => {
    const cancelled = await admin(["cancel", ID, "--reason", "wrong customer"]);
    expect(cancelled.client.asked).toEqual([["cancel", ID, "wrong customer"]]);
    expect(JSON.parse(cancelled.stdout).state).toBe("cancelled");
    expect((await admin(`retry ${ID}`)).client.asked).toEqual([["retry", ID]]);
    expect((await admin(`dlq retry ${ID}`)).client.asked).toEqual([["dead.retry", ID]]);
  });

  test("dlq lists, shows and deletes what is dead", async () => {
    const listed = await admin("dlq list --queue mail --limit 5");
    const filter = { status: "dead", queue: "mail", limit: 5, payload: true };
    expect(listed.client.asked).toEqual([["list", filter]]);
    const deleted = await admin(`dlq delete ${ID}`);
    expect(JSON.parse(deleted.stdout)).toEqual({ id: ID, deleted: true });
    const shown = await admin(`dlq show ${ID}`);
    expect(shown.status).toBe(1);
    expect(shown.stderr).toContain("is not dead but pending");
  });
});

describe("submit", () => {
  test("reads every option", async () => {
    const { status, stdout, client } = await admin([
      "submit",
      "email.send",
      "--payload",
      '{"to":"x"}',
      ..."--queue mail --priority high --delay 1m30s --max-retries 0 --run-timeout 5s".split(" "),
      ..."--run-at 2030-02-01T00:00:00Z --idempotency-key k --tag a --tag b".split(" "),
      "--metadata",
      '{"by":"me"}',
      "--id",
      ID,
    ]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ id: ID, state: "pending", duplicate: false });
    const options = {
      queue: "mail",
      priority: "high",
      delayMs: 90_000,
      maxRetries: 0,
      timeoutMs: 5_000,
      runAt: new Date("2030-02-01T00:00:00Z"),
      idempotencyKey: "k",
      tags: ["a", "b"],
      metadata: { by: "me" },
      id: ID,
    };
    expect(client.asked).toEqual([["submit", "email.send", { to: "x" }, options]]);
  });

  test("takes the payload from a file or from standard input", async () => {
    const stdin = await admin("submit echo --payload -");
    expect(stdin.client.asked).toEqual([["submit", "echo", "from stdin", {}]]);
    const file = await admin("submit echo --payload @p.json", () => {}, {
      readFile: (path) => JSON.stringify({ path }),
    });
    expect(file.client.asked[0]?.[2]).toEqual({ path: "p.json" });
    expect((await admin("submit echo --payload @none")).status).toBe(66);
  });

  test("--wait shows what came of it, and says no when it did not complete", async () => {
    expect((await admin("submit echo --wait")).status).toBe(0);
    const dead = await admin("submit echo --wait --wait-timeout 2s", (fake) => {
      fake.finished = taskJson({ state: "dead" });
    });
    expect(dead.status).toBe(1);
    expect(dead.client.asked[1]).toEqual(["wait", ID, { timeoutMs: 2_000 }]);
  });
});

describe("the cluster", () => {
  test("cluster-status as a table and as JSON", async () => {
    const { status, stdout } = await admin("cluster-status", () => {}, TERMINAL);
    expect(status).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "cluster  c1
      leader   node1
      term     7
      members  1 of 1 healthy

      ID     ADDRESS         ROLE    HEALTHY  MATCH  LAG  VERSION
      node1  127.0.0.1:6379  leader  yes         42    0  0.1.0
      "
    `);
    expect(JSON.parse((await admin("cluster-status")).stdout)).toEqual(CLUSTER);
  });

  test("cluster-status without a leader says no", async () => {
    const { status, stderr } = await admin("cluster-status", (fake) => {
      fake.clusters = [{ ...CLUSTER, leader_id: null }];
    });
    expect(status).toBe(1);
    expect(stderr).toContain("no leader");
  });

  test("workers, queue-depth and stats as tables", async () => {
    const lines = async (verb: string) => (await admin(verb, () => {}, TERMINAL)).stdout;
    expect(await lines("workers")).toMatchInlineSnapshot(`
      "NAME  STATE  RUNNING  HEARTBEAT  QUEUES  TYPES      LABELS  ID
      w1    busy       2/4     5s ago  all     echo,http  zone=a  s1
      "
    `);
    expect(await lines("queue-depth")).toMatchInlineSnapshot(`
      "QUEUE  DEPTH  PENDING  RUNNING  SCHEDULED  RETRYING  DEAD  OLDEST
      mail       4        3        1          0         0     9      1h
      "
    `);
    expect(await lines("stats")).toBe("node_id        node1\ntasks.pending  2\n");
  });

  test("wait asks until the answer is yes", async () => {
    const { status, client } = await admin("wait ready", (fake) => {
      fake.clusters = [
        { ...CLUSTER, leader_id: null },
        { ...CLUSTER, ready: false },
        { ...CLUSTER, ready: true },
      ];
    });
    expect(status).toBe(0);
    expect(client.asked).toHaveLength(3);
  });

  test("wait leader does not ask for readiness; time over is status 1 with the reason", async () => {
    const behind = { ...CLUSTER, ready: false, reason: "12 entries behind" };
    const never = (fake: FakeClient) => {
      fake.clusters = [behind];
    };
    expect((await admin("wait leader", never)).status).toBe(0);
    const { status, stderr, options } = await admin("wait ready --timeout 5s", never);
    expect(status).toBe(1);
    // Only the broker that was addressed can tell whether it is ready.
    expect(options).toMatchObject({ stay: true, timeoutMs: 2_000 });
    expect(stderr).toContain("not ready within 5000 ms: 12 entries behind");
  });

  test("caught-up is what a linearizable read of that broker shows", async () => {
    let reads = 0;
    const { status, stdout } = await admin("wait caught-up", (fake) => {
      fake.stats = async () => {
        if (++reads < 3) throw new TqError("no_leader", "behind");
        return {} as never;
      };
    });
    expect(status).toBe(0);
    expect(reads).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ caught_up: true, node_id: "node1" });
    const never = await admin("wait caught-up --timeout 3s", (fake) => {
      fake.stats = () => Promise.reject(new TqError("no_leader", "behind"));
    });
    expect(never).toMatchObject({ status: 1, stdout: "" });
    expect(never.stderr).toContain("not caught-up within 3000 ms: behind");
  });
});
