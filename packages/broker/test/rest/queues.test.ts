/** Queues over REST: settings, pause, drain, and their end. */
import { beforeEach, describe, expect, test } from "vitest";
import { Harness } from "./harness.ts";

/** All that can be said, and nothing as it is by default. */
const ALL = {
  depth_limit: 10,
  default_ttl_ms: 60_000,
  retry: {
    max_retries: 7,
    backoff: "list",
    delays_ms: [1, 2],
    max_delay_ms: 9,
    jitter: "full",
  },
  concurrency: 3,
  key_concurrency: 2,
  weight: 5,
  group_weights: { acme: 3, zeta: 1000 },
  dead_letter_queue: "graveyard",
  retention: {
    age_ms: 1,
    dead_age_ms: 2,
    count: 3,
    bytes: 4,
    result_age_ms: 5,
    log_age_ms: 6,
  },
};
const NOTHING = {
  depth_limit: 0,
  default_ttl_ms: 0,
  retry: {},
  concurrency: 0,
  key_concurrency: 0,
  weight: 1,
  group_weights: {},
  dead_letter_queue: "",
  retention: { age_ms: 0, dead_age_ms: 0, count: 0, bytes: 0, result_age_ms: 0, log_age_ms: 0 },
};

let h: Harness;

beforeEach(() => {
  h = new Harness();
  h.broker.machine.raise(3);
});

describe("settings", () => {
  test("what is put is what is got; a PUT replaces all of it", async () => {
    const put = await h.send("PUT", "/api/v1/queues/mail", ALL);
    expect([put.status, put.headers["etag"], put.body.settings]).toEqual([200, '"1"', ALL]);
    expect(put.headers["x-tq-applied-index"]).toBe(String(h.broker.machine.applied));
    expect((await h.get("/queues/mail")).body).toEqual(put.body);
    expect((await h.send("PUT", "/queues/mail", {})).body).toMatchObject({
      revision: 2,
      settings: NOTHING,
    });
  });

  test("they are in force", async () => {
    await h.send("PUT", "/queues/mail", { depth_limit: 1 });
    expect((await h.post("/tasks", { type: "t", queue: "mail" })).status).toBe(201);
    const full = await h.post("/tasks", { type: "t", queue: "mail" });
    expect(full.status).toBe(429);
    expect(full.body.detail).toContain('queue "mail" holds as many');
    expect(full.body.detail).toContain("(1, its depth_limit)");
  });

  test("a revision that is no longer there is refused, and changes nothing", async () => {
    const first = await h.send("PUT", "/queues/mail", { weight: 2 }, { "if-match": '"0"' });
    expect(first.status).toBe(200);
    for (const [etag, status] of [
      ['"0"', 412],
      ['"1"', 200],
      ['"1"', 412],
      ["*", 200],
    ] as const) {
      const weight = 10 + h.broker.machine.applied;
      const before = (await h.get("/queues/mail")).body;
      const answer = await h.send("PUT", "/queues/mail", { weight }, { "if-match": etag });
      expect([etag, answer.status]).toEqual([etag, status]);
      const { settings } = (await h.get("/queues/mail")).body;
      expect(settings.weight).toBe(status === 200 ? weight : before.settings.weight);
    }
  });

  test("If-None-Match: * is for who wants to be the first", async () => {
    const first = { "if-none-match": "*" };
    expect((await h.send("PUT", "/queues/mail", { weight: 2 }, first)).status).toBe(200);
    const second = await h.send("PUT", "/queues/mail", { weight: 3 }, first);
    expect(second.body).toMatchObject({ status: 412, code: "state_conflict" });
    expect((await h.get("/queues/mail")).body.settings.weight).toBe(2);
    for (const headers of [{ "if-none-match": '"1"' }, { ...first, "if-match": '"1"' }]) {
      const { status, body } = await h.send("PUT", "/queues/mail", { weight: 3 }, headers);
      expect([status, body.field]).toEqual([400, "If-None-Match"]);
    }
  });

  test("a delete may name the revision that it is about; tasks are another matter", async () => {
    await h.send("PUT", "/queues/mail", { weight: 2 });
    await h.send("PUT", "/queues/mail", { weight: 3 });
    expect((await h.send("DELETE", "/queues/mail", undefined, { "if-match": '"1"' })).status).toBe(
      412,
    );
    await h.post("/tasks", { type: "t", queue: "mail" });
    expect((await h.send("DELETE", "/queues/mail", undefined, { "if-match": '"2"' })).status).toBe(
      409,
    );
    await h.send("PUT", "/queues/spam", { weight: 2 });
    expect((await h.send("DELETE", "/queues/spam", undefined, { "if-match": '"1"' })).status).toBe(
      204,
    );
    expect((await h.get("/queues/spam")).status).toBe(404);
  });

  test("several at the same time, who made no condition, all have their way", async () => {
    const weights = [2, 3, 4, 5, 6];
    const puts = weights.map((weight) => h.send("PUT", "/queues/mail", { weight }));
    const turns = [h.post("/queues/mail/pause"), h.post("/queues/mail/drain")];
    const answers = await Promise.all([...puts, ...turns]);
    expect(answers.map(({ status }) => status)).toEqual(Array(7).fill(200));
    const { body } = await h.get("/queues/mail");
    expect(body).toMatchObject({ revision: 7, paused: true, draining: true });
    const same = { "if-match": '"7"' };
    const conditional = weights.map((weight) =>
      h.send("PUT", "/queues/mail", { weight: weight * 10 }, same),
    );
    const statuses = (await Promise.all(conditional)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 412, 412, 412, 412]);
  });

  test("who may have come before, by a copy, is not sent again to undo what followed", async () => {
    await h.send("PUT", "/queues/mail", { weight: 2 });
    h.broker.outcome = (command) => {
      h.broker.outcome = undefined;
      const index = h.broker.machine.applied;
      // Both it and another's change that followed were applied, and then its copy.
      h.broker.apply(command);
      h.broker.apply({ type: "configureQueue", queue: "mail", ifRevision: 2, paused: false });
      return { kind: "applied", reply: h.broker.apply(command), index, resent: true };
    };
    expect((await h.post("/queues/mail/pause")).status).toBe(409);
    expect((await h.get("/queues/mail")).body).toMatchObject({ revision: 3, paused: false });
  });

  test("a refusal for another reason is told at once", async () => {
    await h.post("/tasks", { type: "t", queue: "mail" });
    const before = h.broker.commands.length;
    expect((await h.send("DELETE", "/queues/mail")).status).toBe(409);
    expect(h.broker.commands.length).toBe(before + 1);
  });

  test.each<[unknown, string]>([
    [[], "body"],
    [{ waight: 1 }, "waight"],
    [{ weight: 0 }, "weight"],
    [{ weight: 1001 }, "weight"],
    [{ weight: "2" }, "weight"],
    [{ depth_limit: -1 }, "depth_limit"],
    [{ depth_limit: 1.5 }, "depth_limit"],
    [{ concurrency: 1e13 }, "concurrency"],
    [{ default_ttl_ms: 1e12 }, "default_ttl_ms"],
    [{ dead_letter_queue: "mail" }, "dead_letter_queue"],
    [{ dead_letter_queue: "a b" }, "dead_letter_queue"],
    [{ group_weights: { a: 0 } }, "group_weights.a"],
    [{ group_weights: { "": 1 } }, "group_weights"],
    [{ group_weights: { ["x".repeat(256)]: 1 } }, "group_weights"],
    [{ group_weights: [] }, "group_weights"],
    [{ retention: { age: 1 } }, "retention.age"],
    [{ retention: { count: -1 } }, "retention.count"],
    [{ retry: { max_retries: 1001 } }, "retry.max_retries"],
    [{ retry: { jitter: 2 } }, "retry.jitter"],
    [{ retry: { initial_delay: 2 } }, "retry.initial_delay"],
  ])("%j is refused by name", async (body, field) => {
    const answer = await h.send("PUT", "/queues/mail", body);
    expect([answer.status, answer.body.field]).toEqual([400, field]);
    expect(h.broker.commands).toEqual([]);
  });

  test("names and headers are looked at", async () => {
    expect((await h.send("PUT", "/queues/a%20b", {})).body.field).toBe("name");
    const odd = await h.send("PUT", "/queues/a", {}, { "if-match": "3" });
    expect([odd.status, odd.body.field]).toEqual([400, "If-Match"]);
    expect(h.broker.commands).toEqual([]);
  });

  test("limits of the settings: the largest that is allowed", async () => {
    const weights = Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`g${i}`, 1]));
    const many = await h.send("PUT", "/queues/mail", { group_weights: weights });
    expect([many.status, many.body.field]).toEqual([400, "group_weights"]);
    delete weights["g0"];
    const name = { ["x".repeat(255)]: 1000 };
    expect((await h.send("PUT", "/queues/mail", { group_weights: weights })).status).toBe(200);
    expect((await h.send("PUT", "/queues/mail", { group_weights: name })).status).toBe(200);
  });
});

describe("pause and drain", () => {
  test("each says how it is to be, so that a copy changes nothing", async () => {
    for (const [verb, change] of [
      ["pause", { paused: true, draining: false, revision: 1 }],
      ["pause", { paused: true, draining: false, revision: 1 }],
      ["drain", { paused: true, draining: true, revision: 2 }],
      ["resume", { paused: false, draining: true, revision: 3 }],
      ["undrain", { paused: false, draining: false, revision: 4 }],
    ] as const) {
      const { status, body } = await h.post(`/queues/mail/${verb}`);
      expect([verb, status]).toEqual([verb, 200]);
      expect(body).toMatchObject(change);
    }
    expect((await h.post("/queues/mail/pause", { why: 1 })).status).toBe(400);
  });

  test("settings stay when it is paused, and it stays paused when they change", async () => {
    await h.send("PUT", "/queues/mail", ALL);
    expect((await h.post("/queues/mail/pause")).body.settings).toEqual(ALL);
    expect((await h.send("PUT", "/queues/mail", {})).body.paused).toBe(true);
  });

  test("a queue that drains takes nothing", async () => {
    await h.post("/queues/mail/drain");
    const { status, body } = await h.post("/tasks", { type: "t", queue: "mail" });
    expect([status, body.code]).toEqual([409, "state_conflict"]);
  });
});

describe("lists and ends", () => {
  test("all queues, with what was said of them and how old the first in line is", async () => {
    await h.post("/tasks", { type: "t", queue: "mail" });
    await h.post("/queues/bulk/pause");
    h.broker.now += 5_000;
    const { body } = await h.get("/queues");
    expect(body.queues).toMatchObject([
      { name: "bulk", paused: true, depth: 0, settings: NOTHING },
      { name: "mail", paused: false, depth: 1, oldest_pending_age_ms: 5_000 },
    ]);
  });

  test("delete: 204 when it is empty or gone, 409 when anything is in it", async () => {
    await h.post("/queues/mail/pause");
    for (let i = 0; i < 2; i++) expect((await h.send("DELETE", "/queues/mail")).status).toBe(204);
    expect((await h.get("/queues/mail")).status).toBe(404);
    await h.post("/tasks", { type: "t", queue: "mail" });
    const { status, body } = await h.send("DELETE", "/queues/mail");
    expect([status, body.code]).toEqual([409, "state_conflict"]);
  });
});

test("before version 3 of the cluster the machine says what to do", async () => {
  h = new Harness();
  const { status, body } = await h.send("PUT", "/queues/mail", {});
  expect([status, body.code]).toEqual([409, "state_conflict"]);
  expect(body.detail).toContain("tq-admin upgrade finalize");
});
