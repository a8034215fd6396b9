/** `tq-admin keys create|list|revoke|rotate` and `release`: what they ask, and what they show. */
import { TqError } from "task-queue-client";
import { describe, expect, test } from "vitest";
import { accessKeyJson, admin, type FakeClient, ID, KEY_ID, NEW_KEY } from "./doubles.ts";

const HOUR_MS = 3_600_000;
const TERMINAL = { isTerminal: true };

describe("keys create", () => {
  test("asks for what was said, and shows the key", async () => {
    const line = "keys create --name w --permission process_tasks --expires 90d";
    const { status, client, stdout } = await admin(line, () => {}, TERMINAL);
    const wanted = { name: "w", permissions: ["process_tasks"], expiresInMs: 90 * 24 * HOUR_MS };
    expect([status, client.asked]).toEqual([0, [["keys.create", wanted]]]);
    expect(stdout).toContain(`key: ${NEW_KEY}\n`);
  });

  test("makes an application's key unless told otherwise, and needs a name", async () => {
    const { client, stdout } = await admin("keys create --name shop");
    const permissions = ["submit_tasks", "read_tasks", "cancel_tasks"];
    expect(client.asked).toMatchObject([["keys.create", { name: "shop", permissions }]]);
    expect(JSON.parse(stdout)).toMatchObject({ key: NEW_KEY, permissions });
    for (const wrong of [
      "",
      "--name a/b",
      "--name x --permission all",
      "--name x --expires soon",
      "--name x --expires 0s",
      "--name x --expires 3651d",
    ]) {
      const refused = await admin(`keys create ${wrong}`);
      expect([wrong, refused.status, refused.client.asked]).toEqual([wrong, 64, []]);
    }
  });
});

test("keys list is a table without secrets", async () => {
  const { stdout } = await admin("keys list", () => {}, TERMINAL);
  const [titles, row] = stdout.split("\n");
  expect(titles).toMatch(/^ID +NAME +STATE +PERMISSIONS +CREATED +BY +EXPIRES$/);
  expect(row).toMatch(new RegExp(`^${KEY_ID} +shop +active +submit_tasks +\\S+ +root +never$`));
});

describe("keys revoke", () => {
  test("ends a key, at once or later", async () => {
    expect((await admin(`keys revoke ${KEY_ID}`)).client.asked).toEqual([
      ["keys.revoke", KEY_ID, { graceMs: 0 }],
    ]);
    expect((await admin(`keys revoke ${KEY_ID} --grace 1h`)).client.asked).toEqual([
      ["keys.revoke", KEY_ID, { graceMs: HOUR_MS }],
    ]);
  });

  test("says the id of a whole key, and repeats nothing of its secret", async () => {
    const { status, stderr, client } = await admin(`keys revoke tq_${KEY_ID}_${"s".repeat(43)}`);
    expect([status, client.asked]).toEqual([64, []]);
    expect(stderr).toContain(`its id is ${KEY_ID}`);
    expect(stderr).not.toContain("sss");
    const other = await admin("keys revoke topsecret");
    expect([other.status, other.stderr.includes("topsecret")]).toEqual([64, false]);
  });
});

describe("keys rotate", () => {
  const expiring = (client: FakeClient) => {
    client.accessKeys = [accessKeyJson({ expires_at: "2030-03-02T12:00:00.000Z" })];
  };
  const permissions = ["submit_tasks"];

  test("makes another one like it, shows that, and lets the old one end", async () => {
    const { client, stdout } = await admin(`keys rotate ${KEY_ID}`, expiring, TERMINAL);
    expect(client.asked).toEqual([
      ["keys.list"],
      ["keys.create", { name: "shop", permissions, expiresInMs: 30 * 24 * HOUR_MS }],
      ["keys.revoke", KEY_ID, { graceMs: HOUR_MS }],
    ]);
    expect(stdout).toContain(`key: ${NEW_KEY}\n`);
    expect(stdout).toContain(`The old key ${KEY_ID} ends in 1h.`);
  });

  test("shows the new key even if the old one could not be touched", async () => {
    const { status, stdout, stderr } = await admin(`keys rotate ${KEY_ID}`, (client) => {
      client.broken = new TqError("no_leader", "there is no leader");
    });
    expect([status, JSON.parse(stdout)]).toMatchObject([69, { key: NEW_KEY }]);
    expect(stderr).toContain(`tq-admin keys revoke ${KEY_ID} ends it`);
  });

  test("does nothing about a key that is unknown or has been revoked", async () => {
    for (const [keys, expected] of [
      [[], 66],
      [[accessKeyJson({ state: "ending" })], 1],
    ] as const) {
      const { status, client } = await admin(`keys rotate ${KEY_ID}`, (fake) => {
        fake.accessKeys = [...keys];
      });
      expect([status, client.asked]).toEqual([expected, [["keys.list"]]]);
    }
  });
});

test("release asks for one task, of one run if that was said", async () => {
  expect((await admin(`release ${ID}`)).client.asked).toEqual([["release", ID, undefined]]);
  expect((await admin(`release ${ID} --token 17`)).client.asked).toEqual([["release", ID, "17"]]);
  expect((await admin("release nothing")).status).toBe(64);
});
