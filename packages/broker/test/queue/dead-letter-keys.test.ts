/** What becomes of the unique key of a dead letter, wherever dead letter queues take it. */
import { expect, test } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/queue/queue-settings.ts";
import type { TaskId, Unique } from "../../src/queue/task.ts";
import { Driver, failOf, HOUR, makeId, registerOf, submitOf } from "./harness.ts";

const FIRST = makeId(1);
const SECOND = makeId(2);

/** The first task, submitted to "x" with the key, is a dead letter in "y". */
function withLetter(forMs = 0) {
  const unique: Unique = { key: "k", forMs, onConflict: "reject" };
  const driver = new Driver();
  driver.raise(3);
  driver.apply(registerOf("w", { leaseMs: 100 * HOUR }));
  const lead = (queue: string, deadLetterQueue: string) => {
    const settings = { ...DEFAULT_SETTINGS, deadLetterQueue };
    driver.apply({ type: "configureQueue", queue, settings });
  };
  const die = (id: TaskId) => {
    driver.apply({ type: "lease", session: "w", count: 1 });
    driver.apply(failOf(id, driver.task(id).lease!.token, { retryable: false }));
    driver.flush();
    driver.restart();
  };
  const submit = (id: TaskId) => {
    return driver.one(submitOf(id, { queue: "x", unique, delayMs: HOUR })).code;
  };
  /** It leads back to where it was submitted. */
  const moveBack = () => {
    lead("x", "");
    lead("y", "x");
    die(FIRST);
    expect(driver.task(FIRST)).toMatchObject({ queue: "x", state: "pending" });
  };
  lead("x", "y");
  driver.apply(submitOf(FIRST, { queue: "x", unique }));
  die(FIRST);
  expect(driver.task(FIRST)).toMatchObject({ queue: "y", state: "pending" });
  return { driver, die, submit, moveBack };
}

test("is another's from then on, even when the dead letter comes back", () => {
  const { submit, moveBack } = withLetter();
  expect(submit(SECOND)).toBe("ok");
  moveBack();
  expect(submit(makeId(3))).toBe("state_conflict");
});

test("is nobody's while the dead letter, having come back, waits", () => {
  const { submit, moveBack, driver } = withLetter();
  moveBack();
  expect(submit(SECOND)).toBe("ok");
  expect(driver.machine.counts()).toMatchObject({ pending: 1, scheduled: 1 });
});

test("stays taken as long as was asked for", () => {
  const { driver, submit, moveBack } = withLetter(2 * HOUR);
  expect(submit(SECOND)).toBe("state_conflict");
  moveBack();
  driver.now += 2 * HOUR;
  expect(submit(makeId(3, driver.now))).toBe("ok");
});

test("is its own again when it is started again there, if it is not another's", () => {
  const retry = { type: "retry", id: FIRST, requestId: Uint8Array.of(1) } as const;
  const alone = withLetter();
  alone.moveBack();
  alone.die(FIRST);
  expect(alone.driver.one(retry).code).toBe("ok");
  expect(alone.submit(SECOND)).toBe("state_conflict");
  const beside = withLetter();
  expect(beside.submit(SECOND)).toBe("ok");
  beside.moveBack();
  beside.die(FIRST);
  expect(beside.driver.one(retry).code).toBe("state_conflict");
});
