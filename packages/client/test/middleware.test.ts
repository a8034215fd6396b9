/** What is done around submits: one, each of many, and all together. */

import { createTestBroker } from "task-queue-testing";
import { expect, onTestFinished, test } from "vitest";
import type { SubmitMiddleware } from "../src/index.ts";

async function open(...middleware: SubmitMiddleware[]) {
  const broker = await createTestBroker();
  onTestFinished(() => broker.close());
  for (const each of middleware) broker.client.use(each);
  return broker;
}

const stamp: SubmitMiddleware = async (draft, next) => {
  draft.options = { ...draft.options, metadata: { from: "shop" } };
  await next();
};
/** Lets no task of type `bad` pass. */
const guard: SubmitMiddleware = async (draft, next) => {
  if (draft.type !== "bad") await next();
};
const TWO = [
  { type: "good", payload: 1 },
  { type: "bad", payload: 2 },
];

test("it sees the submit before it is sent, and its handle after", async () => {
  const steps: string[] = [];
  const named = (name: string): SubmitMiddleware => {
    return async (draft, next) => {
      steps.push(`${name} before ${draft.type}, ${draft.handle?.state}`);
      await next();
      steps.push(`${name} after, ${draft.handle?.state}`);
    };
  };
  const { client } = await open(named("a"), named("b"), stamp);
  const handle = await client.submit("good", 1);
  expect(await handle.get()).toMatchObject({ metadata: { from: "shop" } });
  const before = ["a before good, undefined", "b before good, undefined"];
  expect(steps).toEqual([...before, "b after, pending", "a after, pending"]);
});

test("of many each passes by itself", async () => {
  const broker = await open(stamp, guard);
  const [good, bad] = await broker.client.submitMany(TWO);
  expect(good).toMatchObject({ state: "pending" });
  expect(bad).toMatchObject({ code: "invalid_request" });
  expect((bad as Error).message).toContain('task "bad"');
});

test("together they are sent when all have passed", async () => {
  const broker = await open(stamp);
  const handles = await broker.client.submitMany(TWO, { atomic: true });
  expect(handles.map(({ state }) => state)).toEqual(["pending", "pending"]);
  expect(await handles[1]?.get()).toMatchObject({ type: "bad", metadata: { from: "shop" } });
});

test("together none is sent when one does not pass", async () => {
  const broker = await open(stamp, guard);
  await expect(broker.client.submitMany(TWO, { atomic: true })).rejects.toThrow('task "bad"');
  expect(await broker.submitted("good")).toEqual([]);
});

test("what it throws is how the submit ends, and nothing is sent", async () => {
  const broker = await open(() => {
    throw new Error("not on Sundays");
  });
  await expect(broker.client.submit("good", 1)).rejects.toThrow("not on Sundays");
  await expect(broker.client.submitMany(TWO, { atomic: true })).rejects.toThrow("Sundays");
  expect(await broker.submitted("good")).toEqual([]);
});

test("a next() after its end is too late: what was told as not sent is not sent", async () => {
  const late: (() => Promise<void>)[] = [];
  const broker = await open((_draft, next) => void late.push(next));
  await expect(broker.client.submit("good", 1)).rejects.toThrow("no next()");
  await expect(late[0]?.()).rejects.toThrow("after it had ended");
  expect(await broker.submitted("good")).toEqual([]);
});

test("what is no function is refused at once", async () => {
  const broker = await open();
  expect(() => broker.client.use(undefined as never)).toThrow("this is: undefined");
});

test("what the broker refuses can be seen, and passes on", async () => {
  const seen: unknown[] = [];
  const watch: SubmitMiddleware = async (_draft, next) => {
    try {
      await next();
    } catch (error) {
      seen.push((error as { code: string }).code);
      throw error;
    }
  };
  const broker = await open(watch);
  broker.faults.refuseSubmits("disk_full", 2);
  await expect(broker.client.submit("good", 1)).rejects.toMatchObject({ code: "disk_full" });
  await expect(broker.client.submitMany(TWO, { atomic: true })).rejects.toMatchObject({
    code: "disk_full",
  });
  expect(seen).toEqual(["disk_full", "disk_full", "disk_full"]);
});
