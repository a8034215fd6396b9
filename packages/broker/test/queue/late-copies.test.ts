/**
 * Copies that come after others have acted: a node sends a write again when it lost the answer, and
 * by then somebody may have undone what the first copy did.
 */
import { describe, expect, test } from "vitest";
import type { Command } from "../../src/queue/command.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/queue-settings.ts";
import { bytesOf, Driver, failOf, makeId, registerOf, submitOf } from "./harness.ts";

const ID = makeId(1);
const LEASE = { type: "lease", session: "w1", count: 1 } as const;

function setup() {
  const driver = new Driver();
  driver.raise(3);
  driver.apply(registerOf("w1"));
  return driver;
}

describe("of what is said of a queue", () => {
  const pause: Command = { type: "configureQueue", queue: "q", ifRevision: 0, paused: true };
  const resume: Command = { type: "configureQueue", queue: "q", ifRevision: 1, paused: false };

  test("finds another revision, also where nobody had said anything of it", () => {
    const driver = setup();
    expect(driver.one(pause)).toMatchObject({ code: "ok", duplicate: false });
    expect(driver.one(pause)).toMatchObject({ code: "ok", duplicate: true });
    expect(driver.one(resume)).toMatchObject({ code: "ok", duplicate: false });
    expect(driver.one(pause).code).toBe("state_conflict");
    expect(driver.machine.queue("q")).toMatchObject({ paused: false, revision: 2 });
  });

  test("spares a queue that was configured anew", () => {
    const driver = setup();
    const remove: Command = { type: "deleteQueue", queue: "q", ifRevision: 2 };
    driver.apply(pause, resume);
    expect(driver.one(remove)).toMatchObject({ code: "ok", duplicate: false });
    expect(driver.one(remove)).toMatchObject({ code: "ok", duplicate: true });
    const settings = { ...DEFAULT_SETTINGS, weight: 7 };
    driver.apply({ type: "configureQueue", queue: "q", settings });
    expect(driver.one(remove).code).toBe("state_conflict");
    expect(driver.machine.queue("q")).toMatchObject({ revision: 4, settings });
  });

  test("spares one that was made anew by as many changes as the first, or by a submit", () => {
    const driver = setup();
    const settings = { ...DEFAULT_SETTINGS, weight: 7 };
    const remove: Command = { type: "deleteQueue", queue: "q", ifRevision: 1 };
    driver.apply({ ...pause, settings }, remove, { ...pause, ifRevision: 0 });
    expect(driver.one(remove).code).toBe("state_conflict");
    driver.apply({ ...remove, ifRevision: driver.machine.queue("q")!.revision });
    driver.flush();
    driver.restart();
    driver.apply(submitOf(ID, { queue: "q" }));
    expect(driver.one(pause).code).toBe("state_conflict");
    expect(driver.machine.queue("q")).toMatchObject({ paused: false });
  });
});

describe("of a reschedule", () => {
  /** Said of a task that nobody has run yet. */
  function withReschedule() {
    const driver = setup();
    driver.apply(submitOf(ID));
    const ifUpdatedAt = driver.task(ID).updatedAt;
    const runAt = driver.now + 10_000;
    driver.now += 1_000;
    const command = { type: "reschedule", id: ID, runAt, ifUpdatedAt } as const;
    expect(driver.one(command)).toMatchObject({ state: "scheduled", duplicate: false });
    return { driver, command };
  }

  test("is known while the task waits for that time", () => {
    const { driver, command } = withReschedule();
    driver.now += 1_000;
    expect(driver.one(command)).toMatchObject({ state: "scheduled", duplicate: true });
  });

  test("does not move a task that has failed since", () => {
    const { driver, command } = withReschedule();
    driver.now += 10_000;
    driver.apply({ type: "wake", max: 10 }, LEASE, failOf(ID, 1));
    const { dueAt } = driver.task(ID);
    expect(driver.one(command).code).toBe("state_conflict");
    expect(driver.task(ID)).toMatchObject({ state: "retrying", dueAt });
  });

  test("does not undo another one", () => {
    const { driver, command } = withReschedule();
    driver.now += 1_000;
    const runAt = driver.now + 60_000;
    driver.apply({ type: "reschedule", id: ID, runAt });
    expect(driver.one(command).code).toBe("state_conflict");
    expect(driver.task(ID)).toMatchObject({ state: "scheduled", dueAt: runAt });
  });
});

test("of a caller's retry does not start a task again that a job has started since", () => {
  const driver = setup();
  const die = (token: number) => {
    driver.apply(LEASE, failOf(ID, token, { retryable: false }));
    expect(driver.task(ID).state).toBe("dead");
  };
  const retry: Command = { type: "retry", id: ID, requestId: bytesOf("r1") };
  driver.apply(submitOf(ID));
  die(1);
  expect(driver.one(retry)).toMatchObject({ state: "pending", duplicate: false });
  die(2);
  const job = makeId(900);
  const filter = {
    state: "dead",
    queue: "",
    type: "",
    tag: "",
    fingerprint: "",
    createdFrom: 0,
    createdTo: 0,
    finishedFrom: 0,
    finishedTo: 0,
  } as const;
  driver.apply(
    { type: "startJob", id: job, kind: "retry", filter, dryRun: false, perSecond: 0 },
    { type: "stepJob", id: job, step: 0, tasks: [ID], cursor: new Uint8Array() },
  );
  expect(driver.task(ID).state).toBe("pending");
  expect(driver.one(retry)).toMatchObject({ state: "pending", duplicate: true });
  die(3);
  expect(driver.one(retry)).toMatchObject({ state: "dead", duplicate: true });
  expect(driver.task(ID).state).toBe("dead");
});
