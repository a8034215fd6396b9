/** A list of tasks in a file, and its elements posted to another cluster as they stand there. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { needs } from "../../../test/needs.ts";
import { createWorker } from "../../worker/src/index.ts";
import { openBroker, type RealBroker, temporaryFolder } from "./real-broker.ts";

/** Of `fill`, besides those that are there in numbers. */
const COMPLETED = 4;

/** Tasks with all that a submit can say, in every state that a list can show. */
async function fill({ client, servers }: RealBroker, plain: number): Promise<void> {
  const parent = await client.submit("good", { part: 1 });
  await client.submit("good", null, { dependsOn: [parent] });
  await client.submit("good", Buffer.from([0, 255, 10]), {
    tags: ["a", "b"],
    metadata: { by: 'it\'s "me"' },
    uniqueKey: "only",
    uniqueForMs: 60_000,
    uniqueConflict: "replace",
    group: "g",
    idempotencyKey: "k",
    expiresInMs: 60_000,
    priority: "high",
    timeoutMs: 5_000,
    retry: { delaysMs: [1, 2], jitter: "equal" },
  });
  await client.submitMany(
    Array.from({ length: plain }, (_, n) => ({ type: "good", payload: { n } })),
  );
  await client.submit("bad", { n: 2 }, { maxRetries: 0 });
  const last = await client.submit("good", "the last");
  const worker = createWorker({
    servers: [servers],
    handlers: {
      good: async (payload, ctx) => {
        ctx.log.info({}, "a line");
        ctx.progress({ half: true });
        return payload;
      },
      bad: async () => {
        throw new Error("it's broken");
      },
    },
  });
  await worker.start();
  await last.result({ timeoutMs: 30_000 });
  await expect.poll(async () => (await client.list({ status: "dead" })).tasks.length).toBe(1);
  await expect
    .poll(async () => (await client.stats())["tasks"])
    .toMatchObject({ pending: 0, running: 0, blocked: 0 });
  await worker.stop();
  await client.submit("later", 1, { delayMs: 3_600_000 });
  const waiting = await client.submit("waiting", { n: 3 });
  await client.cancel((await client.submit("waiting", 4)).id);
  await client.submit("waiting", 5, { dependsOn: [waiting] });
}

test("each task of a list, posted as it stands there, makes a new task", async () => {
  const [from, to] = [await openBroker(), await openBroker()];
  await fill(from, 20);
  const listed = await from.call(["list", "--limit", "100000"]);
  expect(listed.status).toBe(0);
  const tasks = JSON.parse(listed.stdout) as Record<string, unknown>[];
  expect(tasks).toHaveLength(20 + COMPLETED + 5);
  const states = new Set(tasks.map(({ state }) => state));
  expect([...states].sort()).toEqual([
    "blocked",
    "cancelled",
    "completed",
    "dead",
    "pending",
    "scheduled",
  ]);
  const refused: unknown[] = [];
  for (const task of tasks) {
    const answer = await fetch(`${to.api}/tasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(task),
    });
    const copy = (await answer.json()) as Record<string, unknown>;
    if (answer.status !== 201) {
      refused.push([task["state"], copy["code"]]);
      continue;
    }
    expect(copy["id"]).not.toBe(task["id"]);
    expect(copy).toMatchObject({ state: task["type"] === "later" ? "scheduled" : "pending" });
    for (const name of [
      "type",
      "queue",
      "payload",
      "payload_base64",
      "tags",
      "metadata",
      "retry",
    ]) {
      expect(copy[name]).toEqual(task[name]);
    }
  }
  // Whom it waits for has another id there: nothing says that it may begin.
  expect(refused).toEqual([["blocked", "not_found"]]);
});

needs("jq")(
  "the line of the guides, with jq, xargs and curl; and whole pages as a batch",
  async () => {
    const [from, to] = [await openBroker(), await openBroker()];
    await fill(from, 1_100);
    const file = join(await temporaryFolder(), "tasks.json");
    const argv = ["list", "--status", "completed", "--limit", "100000"];
    const { stdout } = await from.call(argv);
    await writeFile(file, stdout);
    const post = `curl -sf -o /dev/null -H 'content-type: application/json' -d '{}' ${to.api}/tasks`;
    const few = `jq -c '.[-25:] | .[]' ${file} | xargs -d '\\n' -I{} ${post}`;
    await promisify(execFile)("bash", ["-o", "pipefail", "-c", few]);
    expect((await to.client.stats())["tasks"]).toMatchObject({ pending: 25 });
    const completed = JSON.parse(stdout) as object[];
    expect(completed.length).toBe(1_100 + COMPLETED);
    for (let at = 0; at < completed.length; at += 1_000) {
      const answer = await fetch(`${to.api}/tasks/batch`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ tasks: completed.slice(at, at + 1_000) }),
      });
      expect(answer.status).toBe(201);
      const { tasks } = (await answer.json()) as { tasks: Record<string, unknown>[] };
      expect(tasks.filter(({ error }) => error !== undefined)).toEqual([]);
    }
  },
);
