/** What an operator says of a queue on the command line. */
import { describe, expect, test } from "vitest";
import { admin } from "./doubles.ts";

describe("pause, resume, drain, undrain", () => {
  test.each([
    ["pause mail", { paused: true }, "mail is paused\n"],
    ["resume mail", { paused: false }, "mail goes on\n"],
    ["queue drain mail", { draining: true }, "mail is draining\n"],
    ["queue undrain mail", { draining: false }, "mail takes tasks\n"],
  ])("%s", async (line, change, words) => {
    const { status, stdout, client } = await admin(line, () => {}, { isTerminal: true });
    expect([status, stdout]).toEqual([0, words]);
    expect(client.asked).toEqual([["configure", "mail", change]]);
  });

  test("a name that no queue can have is a usage error, and nothing is asked", async () => {
    const { status, stderr, client } = await admin(["pause", "a b"]);
    expect([status, client.asked]).toEqual([64, []]);
    expect(stderr).toContain('"a b" is not the name of a queue');
  });
});

describe("queue", () => {
  test("get shows settings as lines on a terminal", async () => {
    const retention = { age_ms: 5 } as never;
    const { stdout } = await admin(
      "queue get mail",
      (client) => {
        const settings = { concurrency: 3, retention } as never;
        client.settings = { name: "mail", counts: { pending: 1 }, revision: 4, settings };
      },
      { isTerminal: true },
    );
    expect(stdout).toContain("counts.pending");
    expect(stdout).toMatch(/settings\.concurrency +3/);
    expect(stdout).toMatch(/settings\.retention\.age_ms +5/);
  });

  test("set changes what is named, leaves the rest, and only if nobody was quicker", async () => {
    const before = { weight: 2, concurrency: 1, retry: { jitter: 0 }, group_weights: { a: 1 } };
    const { client } = await admin(
      "queue set mail --concurrency 20 --retention 2d --group-weight b=3 --max-retries 5",
      (fake) => {
        fake.settings = { name: "mail", counts: {}, revision: 4, settings: before as never };
      },
    );
    expect(client.asked).toEqual([
      ["queue", "mail"],
      [
        "configure",
        "mail",
        {
          settings: {
            weight: 2,
            concurrency: 20,
            retry: { jitter: 0, max_retries: 5 },
            group_weights: { a: 1, b: 3 },
            retention: { age_ms: 172_800_000 },
          },
          if_revision: 4,
        },
      ],
    ]);
  });

  test("set makes a queue that is not there", async () => {
    const { client } = await admin("queue set mail --weight 3", (fake) => {
      fake.settings = undefined;
    });
    expect(client.asked[0]).toMatchObject(["configure", "mail", { if_revision: 0 }]);
  });

  test("set --settings takes all of them from a file", async () => {
    const io = { readFile: () => '{"weight": 9}' };
    const { client } = await admin("queue set mail --settings @mail.json", () => {}, io);
    expect(client.asked).toEqual([["configure", "mail", { settings: { weight: 9 } }]]);
  });

  test.each([
    ["queue set mail", 64],
    ["queue set mail --weight 0", 64],
    ["queue set mail --group-weight b", 64],
    ["queue set mail --retention soon", 64],
    ["queue set mail --settings [1]", 65],
  ])("%s is refused", async (line, expected) => {
    const { status, client } = await admin(line);
    expect(status).toBe(expected);
    expect(client.asked.filter(([verb]) => verb === "configure")).toEqual([]);
  });

  test("delete", async () => {
    const { stdout, client } = await admin("queue delete mail");
    expect(JSON.parse(stdout)).toMatchObject({ name: "mail", deleted: true });
    expect(client.asked).toEqual([["delete_queue", "mail"]]);
  });
});
