/** Payloads and results behind schemas, from the submit to the handler and back. */
import { connect, defineTasks, type StandardSchema, task, taskWith } from "task-queue-client";
import { expect, onTestFinished, test } from "vitest";
import { createTestBroker } from "../src/index.ts";

interface Mail {
  readonly to: string;
  readonly copies?: number;
}

/** As a library would make one: `copies` is filled in, the rest is checked. */
function mailSchema(isSlow = false): StandardSchema<Mail, Required<Mail>> {
  const verdict = (value: unknown) => {
    const { to, copies = 1 } = (value ?? {}) as Partial<Mail>;
    if (typeof to !== "string") return { issues: [{ message: "must be a text", path: ["to"] }] };
    if (!to.includes("@")) {
      return { issues: [{ message: "has no @", path: [{ key: "to" }] }, { message: "is odd" }] };
    }
    return { value: { to, copies } };
  };
  const validate = (value: unknown) => (isSlow ? Promise.resolve(verdict(value)) : verdict(value));
  return { "~standard": { version: 1, vendor: "test", validate } };
}

const length: StandardSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "number" ? { value } : { issues: [{ message: "must be a number" }] },
  },
};

async function open(isSlow = false) {
  const tasks = defineTasks({
    "mail.send": taskWith({ payload: mailSchema(isSlow), result: length }, { queue: "mail" }),
    plain: task<string>(),
  });
  const broker = await createTestBroker({ tasks });
  onTestFinished(() => broker.close());
  return broker;
}

test.each([false, true])("the handler gets what the schema makes of it", async (isSlow) => {
  const broker = await open(isSlow);
  const received: unknown[] = [];
  await broker.worker({
    handlers: {
      "mail.send": (mail) => {
        const copies: number = mail.copies;
        received.push(mail);
        return copies;
      },
    },
  });
  expect(await broker.client.run("mail.send", { to: "a@b" })).toBe(1);
  expect(received).toEqual([{ to: "a@b", copies: 1 }]);
  expect(await broker.submitted("mail.send")).toMatchObject([{ payload: { to: "a@b" } }]);
});

test("what a schema refuses is not sent, and the error says what is wrong", async () => {
  const broker = await open();
  const submit = broker.client.submit("mail.send", { to: "ada" });
  await expect(submit).rejects.toMatchObject({
    code: "invalid_request",
    field: "payload",
    message: "payload: to: has no @; is odd",
  });
  const [refused, taken] = await broker.client.submitMany([
    { type: "mail.send", payload: { to: "ada" } },
    { type: "plain", payload: "x" },
  ]);
  expect(refused).toMatchObject({ code: "invalid_request" });
  expect(taken).toMatchObject({ state: "pending" });
});

test("of tasks that are made together none is, when one of them is refused", async () => {
  const broker = await open();
  const items = [
    { type: "mail.send", payload: { to: "a@b" } },
    { type: "mail.send", payload: { to: "ada" } },
  ] as const;
  const together = broker.client.submitMany(items, { atomic: true });
  await expect(together).rejects.toMatchObject({ field: "tasks[1].payload" });
  expect(await broker.submitted("mail.send")).toEqual([]);
});

test("a payload from before the schema is dead at once, with the reason", async () => {
  const broker = await open();
  const { address } = await broker.listen();
  const older = connect({ servers: address, stay: true });
  onTestFinished(() => older.close());
  let runs = 0;
  await broker.worker({ handlers: { "mail.send": () => ++runs } });
  const task = await (await older.submit("mail.send", { for: "ada" })).wait();
  expect(task).toMatchObject({
    state: "dead",
    attempt: 1,
    error: { message: 'the payload is not that of a task "mail.send": to: must be a text' },
  });
  expect(runs).toBe(0);
});

test("a result that is not what was promised is dead at once", async () => {
  const broker = await open();
  await broker.worker({ handlers: { "mail.send": () => "3" as unknown as number } });
  const task = await (await broker.client.submit("mail.send", { to: "a@b" })).wait();
  expect(task.error?.message).toBe(
    'the result is not that of a task "mail.send": must be a number',
  );
});

test("of many issues the first few are told", async () => {
  const issues = Array.from({ length: 8 }, (_, at) => ({ message: `m${at}` }));
  const picky: StandardSchema = {
    "~standard": { version: 1, vendor: "test", validate: () => ({ issues }) },
  };
  const tasks = defineTasks({ picky: taskWith({ payload: picky }) });
  const broker = await createTestBroker({ tasks });
  onTestFinished(() => broker.close());
  await expect(broker.client.submit("picky", 1)).rejects.toThrow(
    "payload: m0; m1; m2; m3; m4; and 3 more",
  );
});

test("what is no schema is refused when the map is made", () => {
  const payload = { parse: () => 1 } as unknown as StandardSchema;
  expect(() => taskWith({ payload })).toThrow("payload: it is no schema");
  expect(() => taskWith({ payload: length, result: payload })).toThrow("result: it is no schema");
});
