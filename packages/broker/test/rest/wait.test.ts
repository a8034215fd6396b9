/**
 * `?wait=` over a socket, of a broker as it is: each way in which a task can end that nobody asked
 * for by its name ends the wait. One that was missed would be answered after 45 seconds only, which
 * is more than these tests have.
 */
import { expect, onTestFinished, test } from "vitest";
import { openBroker } from "../../../admin/test/real-broker.ts";
import { createWorker } from "../../../worker/src/index.ts";

const TIME_MS = 30_000;

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there.
  readonly body: any;
}

async function open() {
  const { api, servers, client } = await openBroker();
  const send = async (method: string, path: string, body?: object): Promise<Answer> => {
    const headers = { "content-type": "application/json" };
    const rest = body === undefined ? {} : { headers, body: JSON.stringify(body) };
    const response = await fetch(`${api}${path}`, { method, ...rest });
    return { status: response.status, body: await response.json() };
  };
  const submit = async (task: object): Promise<string> => {
    return (await send("POST", "/tasks", { type: "t", ...task })).body.id;
  };
  const wait = (id: string) => send("GET", `/tasks/${id}?wait=45s`);
  const work = async (queue: string, handler: () => Promise<unknown>): Promise<void> => {
    const worker = createWorker({ servers: [servers], queues: [queue], handlers: { t: handler } });
    await worker.start();
    onTestFinished(async () => {
      await worker.stop();
    });
  };
  return { client, send, submit, wait, work };
}

test("expired", { timeout: TIME_MS }, async () => {
  const { submit, wait } = await open();
  const id = await submit({ expires_in_ms: 500 });
  expect(await wait(id)).toMatchObject({ status: 200, body: { id, state: "expired" } });
});

test("of its parent's end, as its policy says", { timeout: TIME_MS }, async () => {
  const { send, submit, wait } = await open();
  const parent = await submit({});
  const policies = ["fail", "cancel", "continue"];
  const children = await Promise.all(
    policies.map((on_parent_failure) => submit({ depends_on: [parent], on_parent_failure })),
  );
  const grandchild = await submit({ depends_on: [children[0]], on_parent_failure: "cancel" });
  const waits = [...children, grandchild].map((id, at) => (at === 2 ? undefined : wait(id)));
  await send("POST", `/tasks/${parent}/cancel`);
  const ends = await Promise.all(waits);
  expect(ends.map((end) => end?.body.state)).toEqual(["dead", "cancelled", undefined, "cancelled"]);
  expect((await send("GET", `/tasks/${children[2]}?wait=1ms`)).body.state).toBe("pending");
});

test("a move to the dead letter queue is no end", { timeout: TIME_MS }, async () => {
  const { send, submit, wait, work } = await open();
  await send("PUT", "/queues/first", { dead_letter_queue: "second" });
  const id = await submit({ queue: "first", max_retries: 0 });
  let isOver = false;
  const waiting = wait(id).finally(() => {
    isOver = true;
  });
  await work("first", async () => {
    throw new Error("no luck");
  });
  await expect
    .poll(async () => (await send("GET", `/tasks/${id}`)).body)
    .toMatchObject({ state: "pending", queue: "second", original_queue: "first" });
  expect(isOver).toBe(false);
  await work("second", async () => "done");
  expect(await waiting).toMatchObject({ body: { id, state: "completed", result: "done" } });
});

test("a purge; what is gone is not_found at once", { timeout: TIME_MS }, async () => {
  const { client, send, submit, wait } = await open();
  const id = await submit({ queue: "q", delay_ms: 3_600_000 });
  const waiting = wait(id);
  const { body } = await send("POST", "/queues/q/purge");
  expect(await waiting).toMatchObject({ status: 200, body: { id, state: "cancelled" } });
  for (const job of body.jobs) await client.jobs.wait(job.id);
  expect(await wait(id)).toMatchObject({ status: 404, body: { code: "not_found" } });
});
