/** Boundaries of submission since version 3: batches, children, unique keys, expiry, settings. */
import { describe, expect, test } from "vitest";
import { decodeReply, encodeReply } from "../../src/queue/codec/reply.ts";
import type { NewTask } from "../../src/queue/command.ts";
import { uniqueKey } from "../../src/queue/keys.ts";
import { NEW_TASKS_MAX, WAKE_MAX } from "../../src/queue/limits.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../src/queue/queue-settings.ts";
import type { Refused, Reply } from "../../src/queue/reply.ts";
import type { TaskContent } from "../../src/queue/task.ts";
import {
  completeOf,
  Driver,
  failOf,
  HOUR,
  makeId,
  RETRY,
  registerOf,
  START,
  submitOf,
} from "./harness.ts";

function later(): Driver {
  const driver = new Driver();
  driver.raise(3);
  driver.apply(registerOf("w1", { leaseMs: 2 * HOUR }));
  return driver;
}

function taskOf(serial: number, content: Partial<TaskContent> = {}, depthLimit = 0): NewTask {
  const { type: _, ...task } = submitOf(makeId(serial), content, { depthLimit });
  return task;
}

function configure(driver: Driver, given: Partial<QueueSettings>): void {
  const settings = { ...DEFAULT_SETTINGS, ...given };
  driver.apply({ type: "configureQueue", queue: "default", settings });
}

function leaseOne(driver: Driver): number {
  const reply = driver.one({ type: "lease", session: "w1", count: 1 });
  return reply.code === "leased" ? reply.tokens[0]! : 0;
}

describe("a batch", () => {
  const serials = (count: number) => Array.from({ length: count }, (_, i) => taskOf(i + 1));

  test("has room for so many tasks and no more", () => {
    const driver = later();
    const tooMany = driver.one({ type: "submitAll", tasks: serials(NEW_TASKS_MAX + 1) });
    expect(tooMany.code).toBe("invalid_request");
    expect(driver.machine.counts().pending).toBe(0);
    const most = driver.one({ type: "submitAll", tasks: serials(NEW_TASKS_MAX) });
    expect(most.code).toBe("submitted");
    expect(driver.machine.counts().pending).toBe(NEW_TASKS_MAX);
  });

  test("may be empty", () => {
    expect(later().one({ type: "submitAll", tasks: [] })).toEqual({ code: "submitted", tasks: [] });
  });

  test("counts the queues, each with its own limit", () => {
    const driver = later();
    const tasks = [taskOf(1, { queue: "a" }, 1), taskOf(2, { queue: "b" }, 1)];
    const third = taskOf(3, { queue: "b" }, 1);
    const refused = driver.one({ type: "submitAll", tasks: [...tasks, third] });
    expect(refused).toMatchObject({ code: "queue_full", at: 2 });
    expect(driver.machine.queues()).toEqual([]);
    expect(driver.one({ type: "submitAll", tasks }).code).toBe("submitted");
  });

  test("that replaces a task leaves its place to another", () => {
    const driver = later();
    const unique = { key: "k", forMs: 0, onConflict: "replace" } as const;
    driver.apply(submitOf(makeId(1), { unique }));
    const full = submitOf(makeId(2), {}, { depthLimit: 1 });
    expect(driver.one(full).code).toBe("queue_full");
    expect(driver.one(submitOf(makeId(3), { unique }, { depthLimit: 1 })).code).toBe("ok");
    expect(driver.task(makeId(1)).state).toBe("cancelled");
    expect(driver.one(full).code).toBe("queue_full");
  });

  test("of one task that replaces its own parent says what has become of it by that", () => {
    const driver = later();
    const unique = { key: "k", forMs: 0, onConflict: "replace" } as const;
    driver.apply(submitOf(makeId(1), { unique }));
    const content = { unique, dependsOn: [makeId(1)], onParentFailure: "continue" } as const;
    expect(driver.one(submitOf(makeId(2), content))).toMatchObject({ state: "pending" });
    expect(driver.task(makeId(2)).state).toBe("pending");
  });

  test("of tasks that wait for one that gives up its key goes the way of the cancelled", () => {
    const driver = later();
    const unique = { key: "k", forMs: 0, onConflict: "replace" } as const;
    const child = taskOf(2, { dependsOn: [makeId(1)], onParentFailure: "cancel" });
    const tasks = [taskOf(1, { unique }), child, taskOf(3, { unique })];
    const reply = driver.one({ type: "submitAll", tasks });
    expect(reply).toMatchObject({
      tasks: [{ state: "cancelled" }, { state: "blocked" }, { state: "pending" }],
    });
    driver.apply({ type: "wake", max: 10 });
    expect(driver.task(makeId(2)).state).toBe("cancelled");
  });
});

describe("children", () => {
  test("that cannot be made leave the run as it is", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1)));
    const token = leaseOne(driver);
    const command = completeOf(makeId(1), token);
    const children = [taskOf(2), taskOf(3, { dependsOn: [makeId(9)] })];
    const refused = driver.one({ ...command, children });
    expect(refused).toMatchObject({ code: "not_found", at: 1 });
    expect(driver.task(makeId(1))).toMatchObject({ state: "running", result: undefined });
    expect(driver.machine.task(makeId(2))).toBeUndefined();
    expect(driver.one(command)).toMatchObject({ code: "ok", state: "completed" });
  });

  test("of a run that is over are not made", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1)));
    const token = leaseOne(driver);
    driver.apply({ type: "release", id: makeId(1), token });
    const reply = driver.one({ ...completeOf(makeId(1), token), children: [taskOf(2)] });
    expect(reply.code).toBe("stale_token");
    expect(driver.machine.task(makeId(2))).toBeUndefined();
  });
});

describe("a unique key", () => {
  const unique = { key: "k", forMs: 0, onConflict: "keep" } as const;

  test("goes with its task, and stays while its time lasts", () => {
    const driver = later();
    const gone = { ...unique, key: "gone" };
    const kept = { ...unique, forMs: 30 * HOUR };
    driver.apply(submitOf(makeId(1), { unique: gone }), submitOf(makeId(2), { unique: kept }));
    for (const serial of [1, 2]) {
      driver.apply({ type: "cancel", id: makeId(serial), reason: "" });
      driver.apply({ type: "delete", id: makeId(serial), requestId: Uint8Array.of(1) });
    }
    driver.flush();
    expect(driver.store.get(uniqueKey("default", "gone"))).toBeUndefined();
    expect(driver.store.get(uniqueKey("default", "k"))).toBeDefined();
  });

  test("of a live task is taken beyond its time", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1), { unique: { ...unique, forMs: 1_000 } }));
    driver.now += HOUR;
    const reply = driver.one(submitOf(makeId(2, driver.now), { unique }));
    expect(reply).toMatchObject({ id: makeId(1), duplicate: true });
  });

  test("is looked at after id and idempotency key", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1), { unique, idempotencyKey: "i" }));
    driver.apply(submitOf(makeId(2), { unique: { ...unique, key: "other" } }));
    const other = { unique: { ...unique, onConflict: "reject" }, idempotencyKey: "i" } as const;
    expect(driver.one(submitOf(makeId(3), other)).code).toBe("idempotency_mismatch");
    const again = driver.one(submitOf(makeId(2), { unique: { ...unique, key: "other" } }));
    expect(again).toMatchObject({ id: makeId(2), duplicate: true });
  });
});

describe("expiry", () => {
  test("in great numbers takes several wakes, and no lease begins one of them meanwhile", () => {
    const driver = later();
    const count = WAKE_MAX + 5;
    for (let i = 1; i <= count; i++) driver.apply(submitOf(makeId(i), { expiresInMs: 1_000 }));
    driver.now += 1_000;
    driver.apply({ type: "wake", max: WAKE_MAX * 2 });
    expect(driver.machine.counts().expired).toBe(WAKE_MAX);
    expect(driver.machine.dueCommands(driver.now)).toHaveLength(1);
    expect(driver.one({ type: "lease", session: "w1", count: 3 })).toMatchObject({ granted: 0 });
    driver.restart();
    driver.apply({ type: "wake", max: WAKE_MAX });
    expect(driver.machine.counts()).toMatchObject({ expired: count, pending: 0, running: 0 });
    expect(driver.machine.nextDeadline()).toBeGreaterThan(driver.now);
  }, 30_000);

  test("before the submit is at the next wake, and what comes due at its instant comes first", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1), { expiresAt: START - 1 }));
    expect(driver.machine.nextDeadline()).toBeLessThanOrEqual(driver.now);
    driver.apply(submitOf(makeId(2), { delayMs: 10, expiresInMs: 10 }));
    driver.now += 10;
    driver.takeEvents();
    driver.apply({ type: "wake", max: 10 });
    const kinds = driver.takeEvents().map(({ type }) => type);
    expect(kinds).toEqual(["finished", "ready", "finished"]);
  });

  test("does not end a run, and is over with the first one that a worker gives back", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1), { expiresInMs: 5 }));
    const token = leaseOne(driver);
    driver.now += 5;
    driver.apply({ type: "wake", max: 10 });
    expect(driver.task(makeId(1)).state).toBe("running");
    driver.apply({ type: "release", id: makeId(1), token });
    expect(driver.task(makeId(1))).toMatchObject({ state: "pending", expiresAt: START + 5 });
    expect(leaseOne(driver)).toBe(undefined);
    expect(driver.task(makeId(1)).state).toBe("expired");
  });
});

describe("settings of a queue", () => {
  test("say how new tasks are retried, and a submit goes before them", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1)));
    configure(driver, { retry: { maxRetries: 7, backoff: "fixed" } });
    driver.apply(submitOf(makeId(2)), submitOf(makeId(3), { retry: { maxRetries: 1 } }));
    expect(driver.task(makeId(1)).retry).toEqual(RETRY);
    expect(driver.task(makeId(2)).retry).toEqual({ ...RETRY, maxRetries: 7, backoff: "fixed" });
    expect(driver.task(makeId(3)).retry).toEqual({ ...RETRY, maxRetries: 1, backoff: "fixed" });
    driver.flush();
    driver.restart();
    expect(driver.task(makeId(2)).retry).toEqual({ ...RETRY, maxRetries: 7, backoff: "fixed" });
  });

  test("give an expiry to those that say nothing of one", () => {
    const driver = later();
    configure(driver, { defaultTtlMs: 1_000 });
    driver.apply(submitOf(makeId(1)), submitOf(makeId(2), { expiresInMs: 5 }));
    expect(driver.task(makeId(1)).expiresAt).toBe(START + 1_000);
    expect(driver.task(makeId(2)).expiresAt).toBe(START + 5);
  });

  test("limit its depth before what the leader's configuration says", () => {
    const driver = later();
    configure(driver, { depthLimit: 2 });
    const submits = [1, 2, 3].map((i) => submitOf(makeId(i), {}, { depthLimit: 1 }));
    expect(driver.apply(...submits).map(({ code }) => code)).toEqual(["ok", "ok", "queue_full"]);
  });

  test("close it to new tasks, and not to those that begin with the end of a run", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1)));
    const token = leaseOne(driver);
    driver.apply({ type: "configureQueue", queue: "default", draining: true });
    const command = { ...completeOf(makeId(1), token), children: [taskOf(2), taskOf(3)] };
    expect(driver.one(command)).toMatchObject({ code: "ok", state: "completed" });
    expect(driver.machine.counts().pending).toBe(2);
    expect(driver.one({ type: "submitAll", tasks: [taskOf(4)] }).code).toBe("state_conflict");
  });

  test("close it to new tasks, and not to copies", () => {
    const driver = later();
    driver.apply(submitOf(makeId(1)));
    driver.apply({ type: "configureQueue", queue: "default", draining: true });
    expect(driver.one(submitOf(makeId(2))).code).toBe("state_conflict");
    expect(driver.one(submitOf(makeId(1)))).toMatchObject({ code: "ok", duplicate: true });
    expect(leaseOne(driver)).toBeGreaterThan(0);
  });
});

describe("a failure", () => {
  test("after the expiry ends the task with its error, unless it is dead anyhow", () => {
    const driver = later();
    driver.apply(
      submitOf(makeId(1), { expiresInMs: 5 }),
      submitOf(makeId(2), { expiresInMs: 5 }, { retry: { ...RETRY, maxRetries: 0 } }),
    );
    driver.apply({ type: "lease", session: "w1", count: 2 });
    driver.now += 5;
    driver.apply(failOf(makeId(1), 1), failOf(makeId(2), 2));
    expect(driver.task(makeId(1))).toMatchObject({
      state: "expired",
      error: { message: "broken" },
    });
    expect(driver.task(makeId(2)).state).toBe("dead");
  });
});

describe("a reply", () => {
  const ok = { code: "ok", id: makeId(1), state: "pending", duplicate: true } as const;
  const refused: Refused = { code: "not_found", message: "There is none." };

  test.each<[string, Reply, number]>([
    ["to a command of before is as before", ok, 1],
    ["that refuses one is as before", refused, 1],
    ["to a batch", { code: "submitted", tasks: [ok, { ...ok, state: undefined }] }, 2],
    ["that refuses a batch", { ...refused, at: 7 }, 2],
  ])("%s", (_, reply, format) => {
    const bytes = encodeReply(reply);
    expect(bytes[0]).toBe(format);
    expect(decodeReply(bytes)).toEqual(reply);
  });
});
