/** Several operators at the same time, and lists by time, at a broker as it is. */
import { expect, test } from "vitest";
import { openBroker } from "./real-broker.ts";

const LINES = [1, 2, 3, 4, 5];

test("who makes no condition is not refused for having come second", async () => {
  const { client, call } = await openBroker();
  const { id } = await client.submit("t", 1, { delayMs: 60_000 });
  const moved = LINES.map((hours) => call(["reschedule", id, "--in", `${hours}h`]));
  expect((await Promise.all(moved)).map(({ status }) => status)).toEqual([0, 0, 0, 0, 0]);
  const sets = LINES.map((weight) => client.queue("q").set({ weight: weight + 1 }));
  const answers = await Promise.all(sets);
  expect(answers.map(({ revision }) => revision).sort()).toContain(5);
  expect((await client.queue("q").get()).revision).toBe(5);
});

test("lists by age, and a position beyond the end", async () => {
  const { client, call } = await openBroker();
  const { id } = await client.submit("t", 1);
  const ids = async (...flags: string[]) => {
    const { stdout } = await call(["list", ...flags]);
    return JSON.parse(stdout).map((task: { id: string }) => task.id);
  };
  expect(await ids("--older-than", "1h")).toEqual([]);
  await expect.poll(() => ids("--older-than", "1ms")).toEqual([id]);
  await client.cancel(id);
  expect(await ids("--since", "1h")).toEqual([id]);
  expect(await ids("--until", "1h")).toEqual([]);
  const { status, stderr } = await call(["events", "--from", "999999"]);
  expect([status, stderr.includes("beyond the end of the log")]).toEqual([65, true]);
});
