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

  test("takes the flags of dlq list", async () => {
    const narrow = "--error 00112233aabbccdd --since 2h --until 2030-01-31T11:30:00Z --cursor 1";
    const wanted = {
      tag: "x",
      error: "00112233aabbccdd",
      finished_from: "2030-01-31T10:00:00.000Z",
      finished_to: "2030-01-31T11:30:00.000Z",
      created_to: "2030-01-31T11:30:00.000Z",
      payload: true,
      limit: 100,
      cursor: "1",
    };
    for (const [verb, filter] of [
      ["list", wanted],
      ["list --status failed", { ...wanted, status: "failed" }],
      ["dlq list", { ...wanted, status: "dead" }],
      ["dlq export", { ...wanted, status: "dead", limit: 1_000 }],
    ] as const) {
      const { client } = await admin(`${verb} ${narrow} --tag x --older-than 30m`);
      expect([verb, client.asked]).toEqual([verb, [["list", filter]]]);
    }
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
    const narrow = "--error 00112233aabbccdd --since 2h --until 2030-01-31T11:30:00Z --cursor 1";
    expect((await admin(`dlq list ${narrow} --type t`)).client.asked).toEqual([
      [
        "list",
        {
          status: "dead",
          type: "t",
          error: "00112233aabbccdd",
          finished_from: "2030-01-31T10:00:00.000Z",
          finished_to: "2030-01-31T11:30:00.000Z",
          payload: true,
          limit: 100,
          cursor: "1",
        },
      ],
    ]);
    const same = await admin("dlq list --fingerprint 00112233aabbccdd");
    expect(same.client.asked[0]![1]).toMatchObject({ error: "00112233aabbccdd" });
    for (const wrong of ["--since yesterday", "--limit 0", "--error a --error b"]) {
      const { status, client } = await admin(`dlq list ${wrong}`);
      expect([status, client.asked]).toEqual([64, []]);
    }
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

test("dlq export writes all of them, one a line with payload, unless told otherwise", async () => {
  const tasks = Array.from({ length: 2_500 }, (_, i) => taskJson({ attempt: i }));
  const many = (fake: FakeClient): void => {
    fake.tasks = tasks;
  };
  const { stdout, stderr, client } = await admin("dlq export", many, TERMINAL);
  expect(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual(tasks);
  expect(stderr).toBe("");
  expect(client.asked[0]).toEqual(["list", { status: "dead", limit: 1_000, payload: true }]);
  const some = await admin("dlq export --limit 2 -o json", many);
  expect(JSON.parse(some.stdout)).toEqual(tasks.slice(0, 2));
  expect(some.stderr).toBe("there may be more: --cursor 2\n");
});

test.each(["list", "dlq list"])("%s pages up to its limit, and tells the rest", async (verb) => {
  const tasks = Array.from({ length: 2_500 }, (_, i) => taskJson({ attempt: i }));
  const many = (fake: FakeClient): void => {
    fake.tasks = tasks;
  };
  const { stdout, stderr, client } = await admin(`${verb} --limit 2100`, many);
  expect(JSON.parse(stdout)).toEqual(tasks.slice(0, 2_100));
  expect(client.asked.map(([, filter]) => (filter as { limit: number }).limit)).toEqual([
    1_000, 1_000, 100,
  ]);
  expect(stderr).toBe("there may be more: --cursor 2100\n");
  const rest = await admin(`${verb} --limit 2100 --cursor 2100`, many);
  expect(JSON.parse(rest.stdout)).toEqual(tasks.slice(2_100));
  expect(rest.stderr).toBe("");
});

describe("graph", () => {
  const id = (n: number) => `${ID.slice(0, -1)}${n}`;
  const node = (n: number, distance: number, parents: readonly number[] = []) => {
    const state = "pending" as const;
    return { id: id(n), state, type: "t", queue: "q", depends_on: parents.map(id), distance };
  };
  const grown = (fake: FakeClient): void => {
    const gone = { id: id(2), state: "deleted" as const, depends_on: [], distance: -1 };
    const nodes = [node(1, 0, [2, 3]), gone, node(3, -1), node(4, 1, [1]), node(5, 1, [1, 4])];
    fake.tree = { id: id(1), nodes: [...nodes, node(6, 2, [5])], truncated: true };
  };

  test("is JSON when piped", async () => {
    const { status, stdout, client } = await admin(`graph ${ID}`, grown);
    expect([status, client.asked]).toEqual([0, [["graph", ID]]]);
    expect(JSON.parse(stdout)).toEqual(client.tree);
  });

  test("is two trees on a terminal", async () => {
    const { stdout } = await admin(`graph ${ID}`, grown, TERMINAL);
    expect(stdout.replaceAll(ID.slice(0, -1), "#")).toMatchInlineSnapshot(`
      "#1  pending  t  q

      depends on
      ├─ #2  deleted
      └─ #3  pending  t  q

      needed by
      ├─ #4  pending  t  q
      │  └─ #5  pending  t  q
      │     └─ #6  pending  t  q
      └─ #5 (see above)

      there are more than are shown
      "
    `);
  });

  test("a chain of a thousand is no problem", async () => {
    const { stdout } = await admin(
      `graph ${ID}`,
      (fake) => {
        const nodes = Array.from({ length: 1_000 }, (_, n) => node(n, n, n === 0 ? [] : [n - 1]));
        fake.tree = { id: id(0), nodes, truncated: false };
      },
      TERMINAL,
    );
    expect(stdout.split("\n")).toHaveLength(1_003);
  });
});

describe("events", () => {
  const event = { at: "2030-01-31T12:00:00.000Z", id: ID, queue: "q", type: "t", attempt: 1 };
  const happened = [
    { ...event, position: "7.0", kind: "failed", state: "running" as const },
    { ...event, position: "7.1", kind: "dead", state: "dead" as const },
  ];
  const two = (fake: FakeClient): void => {
    fake.happened = happened;
  };

  test("are JSON lines when piped, also as json", async () => {
    for (const line of ["events", "events -o json", "events -o jsonl"]) {
      const { status, stdout, client } = await admin(line, two);
      expect([status, client.asked]).toEqual([0, [["events", {}, {}]]]);
      expect(stdout).toBe(happened.map((each) => `${JSON.stringify(each)}\n`).join(""));
    }
  });

  test("are lines on a terminal", async () => {
    const { stdout } = await admin("events", two, TERMINAL);
    expect(stdout.replaceAll(ID, "ID")).toMatchInlineSnapshot(`
      "2030-01-31T12:00:00.000Z  failed       ID  t  q  #1  7.0  running
      2030-01-31T12:00:00.000Z  dead         ID  t  q  #1  7.1
      "
    `);
  });

  test("filters and a position are asked for", async () => {
    const { client } = await admin(`events --from 7.1 --queue q --type t --task ${ID} --kind dead`);
    const filter = { queue: "q", type: "t", kind: "dead", id: ID };
    expect(client.asked).toEqual([["events", filter, { after: "7.1" }]]);
    expect((await admin("events --from 0")).client.asked).toEqual([["events", {}, { after: "0" }]]);
    for (const wrong of ["--from now", "--from -1", "--from 1.2.3", "--task 7"]) {
      const refused = await admin(`events ${wrong}`);
      expect([refused.status, refused.client.asked]).toEqual([64, []]);
    }
  });

  test("when the position is too old, it is said how to start again", async () => {
    const { status, stdout, stderr } = await admin("events --from 3", (fake) => {
      two(fake);
      fake.broken = new TqError("position_compacted", "gone", { field: "after" });
    });
    expect([status, stdout.split("\n").length]).toEqual([65, 3]);
    expect(stderr).toMatch(/position_compacted.*7\.1.*start again/);
    expect(stderr).toContain("tq-admin events --from $index");
  });
});
